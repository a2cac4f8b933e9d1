"""Statements of random programs that hold functions: control flow, nested transformations, and
functions with derivative rules of their own.

The carry of a loop is assumed to be at the limits of size and slope, and whatever its body returns
is within them, so the bounds hold after any number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fx.testing.blocks import MAX_DEPTH, MAX_ELEMENTS, Block, Settings, Value, reshaped
from fx.testing.operations import FIRST_ORDER, collective

_INT = "i"


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


def parameter(s: Settings, like: Value, shape: tuple[int, ...] | None = None) -> Value:
    """A new variable for the argument of a function, at the limits of what a value may be."""
    return Value(s.name(), like.shape if shape is None else shape, like.kind)


def function(b: Block, params: Sequence[Value], uniform: bool = True) -> Block:
    """The body of a function with parameters, which may also read the values around it."""
    names = [p.text for p in params]
    inner = Block(b.settings, [*b.values, *params], names, b.depth + 1, b.uniform and uniform)
    fill(inner, b.settings.integer(1, 4))
    return inner


def result(inner: Block, shape: tuple[int, ...] | None = None) -> tuple[str, tuple[int, ...]]:
    """An expression for a function to return, and its shape: of its last values if it has any."""
    s = inner.settings
    options = inner.unused() or inner.of_kind("f")[::-1]
    value = s.choose(options[:3])
    return (value.text, value.shape) if shape is None else (reshaped(value, shape), shape)


def define(name: str, params: Sequence[Value], inner: Block, results: Sequence[str]) -> list[str]:
    head = f"def {name}({', '.join(p.text for p in params)}):"
    return [head, *inner.close(results)]


def assign(b: Block, shapes: Sequence[tuple[int, ...]], lines: Sequence[str], call: str) -> None:
    """Add the statement `v1, v2 = call`, after the functions that it calls."""
    values = [Value(b.settings.name(), shape) for shape in shapes]
    b.add(values, [*lines, f"{', '.join(v.text for v in values)} = {call}"])


def wrapped(transform: str, uniform: bool = True) -> Callable[[Block], None]:
    """A function of one or two arrays, called through a transformation."""

    def add(b: Block) -> None:
        x, y = b.operand(), b.operand()
        if x is None or y is None:
            return
        params = [parameter(b.settings, v) for v in (x, y)]
        name, inner = b.settings.name("f"), function(b, params, uniform)
        first, shape = result(inner)
        lines = define(name, params, inner, [first])
        call = (
            f"{name}({x.text}, {y.text})"
            if not transform
            else f"{transform}({name})({x.text}, {y.text})"
        )
        assign(b, [shape], lines, call)

    return add


def cond(b: Block) -> None:
    x, i = b.operand(), b.operand(_INT, lambda v: v.shape == ())
    predicate = _predicate(b, i)
    if x is None or predicate is None:
        return
    names, lines, shape = [], [], None
    for _ in range(2):
        params = [parameter(b.settings, x)]
        name, inner = b.settings.name("f"), function(b, params, uniform=False)
        text, shape = result(inner, shape)
        lines += define(name, params, inner, [text])
        names.append(name)
    assert shape is not None
    assign(b, [shape], lines, f"lax.cond({predicate}, {', '.join(names)}, {x.text})")


def _predicate(b: Block, i: Value | None) -> str | None:
    """A bool of shape (): of an integer, which has no derivative, or else of a rough value."""
    if i is not None:
        return f"{i.text} > {b.settings.integer(0, 3)}"
    y = None if b.settings.smooth else b.operand()
    return None if y is None else f"jnp.sum({y.text}) > 0.3"


def switch(b: Block) -> None:
    x, i = b.operand(), b.operand(_INT, lambda v: v.shape == ())
    if x is None or i is None:
        return
    names, lines = [], []
    for _ in range(3):
        params = [parameter(b.settings, x)]
        name, inner = b.settings.name("f"), function(b, params, uniform=False)
        lines += define(name, params, inner, [result(inner, x.shape)[0]])
        names.append(name)
    assign(b, [x.shape], lines, f"lax.switch({i.text}, [{', '.join(names)}], {x.text})")


def scan(b: Block) -> None:
    init = b.operand()
    xs = b.operand(accept=lambda v: v.ndim > 0)
    if init is None or xs is None:
        return
    params = [parameter(b.settings, init), parameter(b.settings, xs, xs.shape[1:])]
    name, inner = b.settings.name("f"), function(b, params)
    carry, _ = result(inner, init.shape)
    y, y_shape = result(inner)
    n = xs.shape[0]
    shapes = [init.shape]
    if len(y_shape) < 3 and n * len(y_shape) <= MAX_ELEMENTS and b.settings.choose([True, False]):
        shapes.append((n, *y_shape))
    else:
        y = "None"
    lines = define(name, params, inner, [carry, y])
    reverse = b.settings.choose(["", ", reverse=True"])
    call = f"lax.scan({name}, {init.text}, {xs.text}{reverse})"
    assign(b, shapes, lines, call if len(shapes) == 2 else f"{call}[0]")


def fori(b: Block) -> None:
    init = b.operand()
    if init is None:
        return
    index = Value(b.settings.name(), (), _INT, 4)
    params = [index, parameter(b.settings, init)]
    name, inner = b.settings.name("f"), function(b, params)
    lines = define(name, params, inner, [result(inner, init.shape)[0]])
    steps = b.settings.integer(0, 3)
    assign(b, [init.shape], lines, f"lax.fori_loop(0, {steps}, {name}, {init.text})")


def while_(b: Block) -> None:
    """A loop that a traced integer ends, or (in rough programs) a traced value."""
    init, i = b.operand(), b.operand(_INT, lambda v: v.shape == ())
    if init is None:
        return
    steps = i.text if i is not None else str(b.settings.integer(0, 3))
    count = Value(b.settings.name(), (), _INT, 4)
    state = parameter(b.settings, init)
    pair, name, test = (b.settings.name(k) for k in "vff")
    inner = function(b, [count, state], uniform=False)
    body = define(name, [count, state], inner, [f"{count.text} + 1", result(inner, init.shape)[0]])
    extra = "" if b.settings.smooth else f" & (jnp.sum({state.text}) < 9.5)"
    lines = [
        *body,
        f"def {test}({count.text}, {state.text}):",
        f"    return ({count.text} < {steps}){extra}",
    ]
    loop = f"lambda {pair}: {test}(*{pair}), lambda {pair}: {name}(*{pair})"
    call = f"lax.while_loop({loop}, (0, {init.text}), max_steps=3)[1]"
    assign(b, [init.shape], lines, call)


def mapped(b: Block) -> None:
    """vmap or lax.map over the leading axis of a value."""
    xs = b.operand(accept=lambda v: v.ndim > 0)
    if xs is None:
        return
    params = [parameter(b.settings, xs, xs.shape[1:])]
    name, inner = b.settings.name("f"), function(b, params)
    text, shape = result(inner)
    if len(shape) > 2:
        return
    lines = define(name, params, inner, [text])
    call = b.settings.choose(["fx.vmap({})({})", "lax.map({}, {})"]).format(name, xs.text)
    assign(b, [(xs.shape[0], *shape)], lines, call)


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
    p, q = parameter(b.settings, x), parameter(b.settings, x)
    name, rule = b.settings.name("f"), b.settings.name("f")
    y = Value(b.settings.name(), x.shape, "f", 1, x.slope)
    b.add(
        [y],
        [
            "@fx.custom_jvp",
            f"def {name}({p.text}):",
            f"    return jnp.sin({p.text})",
            f"def {rule}({p.text}, {q.text}):",
            f"    return {name}({p.text}[0]), {q.text}[0] * jnp.cos({p.text}[0])",
            f"{name}.defjvp({rule})",
            f"{y.text} = {name}({x.text})",
        ],
    )


def differentiated(b: Block) -> None:
    """The gradient of an inner function, as a value."""
    x = b.operand()
    if x is None or b.depth + 1 >= MAX_DEPTH:
        return
    p = parameter(b.settings, x)
    name = b.settings.name("f")
    text, size, slope = f"fx.grad({name})({x.text})", 1.0, x.slope
    y = Value(b.settings.name(), x.shape, "f", size, slope)
    b.add(
        [y],
        [
            f"def {name}({p.text}):",
            f"    return jnp.sum(jnp.sin({p.text}))",
            f"{y.text} = {text}",
        ],
    )


CONTROL: list[Callable[[Block], None]] = [
    wrapped("fx.jit"),
    wrapped("fx.checkpoint"),
    wrapped(""),
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
