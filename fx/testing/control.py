"""Statements of random programs that hold functions: control flow, nested transformations, and
functions with derivative rules of their own.

The carry of a loop is assumed to be at the limits of size and slope, and whatever its body returns
is within them, so the bounds hold after any number of steps.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from fx.testing.blocks import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_SIZE,
    MAX_SLOPE,
    Block,
    Value,
    reshaped,
    scaled,
)
from fx.testing.operations import FIRST_ORDER, collective


def fill(b: Block, count: int) -> None:
    """Add about `count` random statements to a block."""
    kinds = list(FIRST_ORDER)
    if b.settings.axis_name is not None and b.uniform:
        kinds += [collective] * 6
    if b.settings.control_flow and b.depth < MAX_DEPTH:
        kinds += CONTROL
    wanted = len(b.statements) + count
    for _ in range(4 * count):  # an operation adds nothing where no value fits it
        if len(b.statements) == wanted or b.settings.budget <= 0:
            break
        b.settings.choose(kinds)(b)


def parameters(b: Block, likes: Sequence[Value], pytree: bool = False) -> tuple[str, list[Value]]:
    """Names of the parameters of a function, and the values of the given types that they hold.

    The values are at the limits of what a value may be. With `pytree` there is one parameter, a
    tuple of them.
    """
    s = b.settings
    if not pytree:
        values = [dataclasses.replace(v, text=s.name()) for v in likes]
        return ", ".join(v.text for v in values), values
    name = s.name()
    return name, [dataclasses.replace(v, text=f"{name}[{i}]") for i, v in enumerate(likes)]


def like(v: Value, shape: tuple[int, ...] | None = None) -> Value:
    """A value of the same shape (or another) and kind, at the limits."""
    return Value("", v.shape if shape is None else shape, v.kind)


def function(b: Block, params: Sequence[Value], uniform: bool = True) -> Block:
    """The body of a function with parameters, which may also read the values around it."""
    names = [p.text for p in params]
    inner = Block(b.settings, [*b.values, *params], names, b.depth + 1, b.uniform and uniform)
    fill(inner, b.settings.integer(1, 4))
    return inner


def result(inner: Block, shape: tuple[int, ...] | None = None) -> Value:
    """A value for a function to return: one of its last, if it has any. With `shape`, its text is
    an expression of that shape."""
    options = inner.unused() or inner.of_kind("f")[::-1]
    value = inner.settings.choose(options[:3])
    if shape is None:
        return value
    return dataclasses.replace(value, text=reshaped(value, shape), shape=shape)


def define(name: str, params: str, inner: Block, results: str) -> list[str]:
    """The lines of a function."""
    return [f"def {name}({params}):", *inner.close(results)]


def assign(b: Block, lines: Sequence[str], call: str, likes: dict[str, Value]) -> None:
    """Add the statement `v = call` after the functions that it calls, where `likes` are the
    paths and types of the arrays in its result."""
    name = b.settings.name()
    values = [dataclasses.replace(v, text=name + path) for path, v in likes.items()]
    b.add(values, [*lines, f"{name} = {call}"])


def wrapped(transform: str) -> Callable[[Block], None]:
    """A function of two arrays, called through a transformation."""

    def add(b: Block) -> None:
        x, y = b.operand(), b.operand()
        if x is None or y is None:
            return
        pytree = b.settings.choose([False, True])
        params, values = parameters(b, [like(x), like(y)], pytree)
        name, inner = b.settings.name("f"), function(b, values)
        out = result(inner)
        args = f"({x.text}, {y.text})" if pytree else f"{x.text}, {y.text}"
        call = f"{transform.format(name)}({args})"
        assign(b, define(name, params, inner, out.text), call, {"": out})

    return add


def cond(b: Block) -> None:
    x, i = b.operand(), b.operand("i", lambda v: v.shape == ())
    predicate = _predicate(b, i)
    if x is None or predicate is None:
        return
    names, lines = [], []
    out: Value | None = None
    for _ in range(2):
        params, values = parameters(b, [like(x)])
        name, inner = b.settings.name("f"), function(b, values, uniform=False)
        new = result(inner, None if out is None else out.shape)
        lines += define(name, params, inner, new.text)
        names.append(name)
        out = like(new)
    assert out is not None
    assign(b, lines, f"lax.cond({predicate}, {', '.join(names)}, {x.text})", {"": out})


def _predicate(b: Block, i: Value | None) -> str | None:
    """A bool of shape (): of an integer, which has no derivative, or else of a rough value."""
    if i is not None:
        return f"{i.text} > {b.settings.integer(0, 3)}"
    y = None if b.settings.smooth else b.operand()
    return None if y is None else f"jnp.sum({y.text}) > 0.3"


def switch(b: Block) -> None:
    x, i = b.operand(), b.operand("i", lambda v: v.shape == ())
    if x is None or i is None:
        return
    names, lines = [], []
    for _ in range(3):
        params, values = parameters(b, [like(x)])
        name, inner = b.settings.name("f"), function(b, values, uniform=False)
        lines += define(name, params, inner, result(inner, x.shape).text)
        names.append(name)
    assign(b, lines, f"lax.switch({i.text}, [{', '.join(names)}], {x.text})", {"": like(x)})


def scan(b: Block) -> None:
    x, y = b.operand(), b.operand(b.settings.choose("fi"))
    xs = b.operand(accept=lambda v: v.ndim > 0)
    if x is None or xs is None:
        return
    pair = y is not None and b.settings.choose([False, True])
    carry = [like(x), like(y)] if y is not None and pair else [like(x)]
    first, values = parameters(b, carry, pytree=pair)
    second, slices = parameters(b, [like(xs, xs.shape[1:])])
    name, inner = b.settings.name("f"), function(b, [*values, *slices])
    news = [result(inner, v.shape).text if v.kind == "f" else f"{v.text} + 1" for v in values]
    out = result(inner)
    n = xs.shape[0]
    likes = {f"[0][{i}]" if pair else "[0]": v for i, v in enumerate(carry)}
    output = "None"
    if out.ndim < 3 and n * out.elements <= MAX_ELEMENTS and b.settings.choose([True, False]):
        likes["[1]"] = like(out, (n, *out.shape))
        output = out.text
    tuple_of = "({})" if pair else "{}"
    lines = define(
        name, f"{first}, {second}", inner, f"{tuple_of.format(', '.join(news))}, {output}"
    )
    start = tuple_of.format(f"{x.text}, {y.text}" if pair and y is not None else x.text)
    reverse = b.settings.choose(["", ", reverse=True"])
    assign(b, lines, f"lax.scan({name}, {start}, {xs.text}{reverse})", likes)


def fori(b: Block) -> None:
    x = b.operand()
    if x is None:
        return
    params, values = parameters(b, [Value("", (), "i", 4), like(x)])
    name, inner = b.settings.name("f"), function(b, values)
    lines = define(name, params, inner, result(inner, x.shape).text)
    steps = b.settings.integer(0, 3)
    assign(b, lines, f"lax.fori_loop(0, {steps}, {name}, {x.text})", {"": like(x)})


def while_(b: Block) -> None:
    """A loop that a traced integer ends, or (in rough programs) a traced value."""
    x, i = b.operand(), b.operand("i", lambda v: v.shape == ())
    if x is None:
        return
    steps = i.text if i is not None else str(b.settings.integer(0, 3))
    params, values = parameters(b, [Value("", (), "i", 4), like(x)], pytree=True)
    name, test = b.settings.name("f"), b.settings.name("f")
    inner = function(b, values, uniform=False)
    count, state = (v.text for v in values)
    going = f"{count} < {steps}"
    if not b.settings.smooth:
        going = f"({going}) & (jnp.sum({state}) < 9.5)"
    lines = [
        f"def {test}({params}):",
        f"    return {going}",
        *define(name, params, inner, f"{count} + 1, {result(inner, x.shape).text}"),
    ]
    call = f"lax.while_loop({test}, {name}, (0, {x.text}), max_steps=3)"
    assign(b, lines, call, {"[1]": like(x), "[0]": Value("", (), "i", 4)})


def mapped(b: Block) -> None:
    """vmap or lax.map over an axis of a value."""
    xs = b.operand(accept=lambda v: v.ndim > 0)
    if xs is None:
        return
    axis = b.settings.choose(range(xs.ndim))
    n, rest = xs.shape[axis], xs.shape[:axis] + xs.shape[axis + 1 :]
    params, values = parameters(b, [like(xs, rest)])
    name, inner = b.settings.name("f"), function(b, values)
    out = result(inner)
    if out.ndim > 2 or n * out.elements > MAX_ELEMENTS:
        return
    lines = define(name, params, inner, out.text)
    first, last = like(out, (n, *out.shape)), like(out, (*out.shape, n))
    options = [
        (f"fx.vmap({name}, in_axes={axis})({xs.text})", first),
        (f"fx.vmap({name}, {axis}, -1)({xs.text})", last),
    ]
    if not axis:
        options.append((f"lax.map({name}, {xs.text})", first))
    call, stacked = b.settings.choose(options)
    assign(b, lines, call, {"": stacked})


def associative(b: Block) -> None:
    xs = b.operand(accept=lambda v: v.ndim > 0)
    if xs is not None:
        text = f"lax.associative_scan(jnp.multiply, jnp.cos({xs.text}))"
        b.emit(text, xs.shape, "f", 1, xs.shape[0] * xs.slope)


def custom(b: Block) -> None:
    """A function with its own (true) derivative."""
    x = b.operand()
    if x is None:
        return
    p, t, name, rule = (b.settings.name(letter) for letter in "vvff")
    lines = [
        "@fx.custom_jvp",
        f"def {name}({p}):",
        f"    return jnp.sin({p})",
        f"def {rule}({p}, {t}):",
        f"    return {name}({p}[0]), {t}[0] * jnp.cos({p}[0])",
        f"{name}.defjvp({rule})",
    ]
    assign(b, lines, f"{name}({x.text})", {"": Value("", x.shape, "f", 1, x.slope)})


def differentiated(b: Block) -> None:
    """A derivative of an inner function, as a value; the function may read values around it.

    Its first derivative is bounded by the slope of the function, its second one by the square.
    """
    x, y = b.operand(), b.operand()
    if x is None or y is None:
        return
    params, values = parameters(b, [like(x)])
    name, inner = b.settings.name("f"), function(b, values)
    out = result(inner)
    direction = reshaped(y, x.shape)
    scalar = out.text if out.shape == () else f"jnp.mean({out.text})"
    text, returned, shape = b.settings.choose(
        [
            (f"fx.grad({name})({x.text})", scalar, x.shape),
            (f"fx.jvp({name}, ({x.text},), ({direction},))[1]", out.text, out.shape),
            (f"fx.linearize({name}, {x.text})[1]({direction})", out.text, out.shape),
        ]
    )
    lines = define(name, params, inner, returned)
    text, size, slope = scaled(text, MAX_SIZE * MAX_SLOPE, MAX_SLOPE**2)
    assign(b, lines, text, {"": Value("", shape, "f", size, slope)})


CONTROL: list[Callable[[Block], None]] = [
    wrapped("fx.jit({})"),
    wrapped("fx.checkpoint({})"),
    wrapped("{}"),
    cond,
    cond,
    switch,
    scan,
    scan,
    fori,
    while_,
    mapped,
    associative,
    custom,
    differentiated,
]
