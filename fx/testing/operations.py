"""The operations of random programs, as a table: templates for what acts on each element, and a
function for each of the others, which adds a statement to a block or does nothing if no value fits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from fx.testing.blocks import MAX_ELEMENTS, Block, Value, broadcast, reshaped


class Unary(NamedTuple):
    """An elementwise function, its bound and the bound of its derivative on [-m, m]."""

    template: str
    size: Callable[[float], float]
    slope: Callable[[float], float]


class Binary(NamedTuple):
    """Likewise for two operands; `slopes` bounds the derivative in each."""

    template: str
    size: Callable[[float, float], float]
    slopes: Callable[[float, float], tuple[float, float]]


SMOOTH_UNARY = [
    Unary("jnp.sin({0})", lambda m: min(m, 1), lambda m: 1),
    Unary("jnp.cos({0})", lambda m: 1, lambda m: min(m, 1)),
    Unary("jnp.tanh({0})", lambda m: min(m, 1), lambda m: 1),
    Unary("-{0}", lambda m: m, lambda m: 1),
    Unary("jnp.exp({0})", math.exp, math.exp),
    Unary("jnp.expm1({0})", math.exp, math.exp),
    Unary("jnp.exp2({0})", math.exp2, math.exp2),
    Unary("jnp.square({0})", lambda m: m * m, lambda m: 2 * m),
    Unary("{0} ** 3", lambda m: m**3, lambda m: 3 * m * m),
    Unary("jnp.arctan({0})", lambda m: min(m, 1.6), lambda m: 1),
    Unary("jnp.arcsinh({0})", lambda m: m, lambda m: 1),
    Unary("jnp.sinh({0})", math.sinh, math.cosh),
    Unary("jnp.cosh({0})", math.cosh, math.cosh),
    Unary("lax.logistic({0})", lambda m: 1, lambda m: 0.25),
    Unary("lax.erf({0})", lambda m: 1, lambda m: 1.2),
    Unary("lax.integer_pow({0}, 4)", lambda m: m**4, lambda m: 4 * m**3),
    Unary("jnp.log1p(jnp.square({0}))", lambda m: m, lambda m: 1),
    Unary("jnp.log(2.0 + jnp.cos({0}))", lambda m: 1.1, lambda m: 1),
    Unary("jnp.sqrt(1.0 + jnp.square({0}))", lambda m: 1 + m, lambda m: 1),
    Unary("lax.rsqrt(1.0 + jnp.square({0}))", lambda m: 1, lambda m: 0.5),
    Unary("jnp.cbrt(2.0 + jnp.sin({0}))", lambda m: 1.5, lambda m: 0.4),
    Unary("1.0 / (2.0 + jnp.sin({0}))", lambda m: 1, lambda m: 1),
    Unary("jnp.arctanh(0.25 * jnp.sin({0}))", lambda m: 0.3, lambda m: 0.3),
    Unary("jnp.arccos(0.5 * jnp.sin({0}))", lambda m: 2.2, lambda m: 0.6),
    Unary("2.5 * {0} - 1.0", lambda m: 2.5 * m + 1, lambda m: 2.5),
]

ROUGH_UNARY = [
    Unary("jnp.abs({0})", lambda m: m, lambda m: 1),
    Unary("jnp.sign({0})", lambda m: 1, lambda m: 0),
    Unary("jnp.floor({0})", lambda m: m + 1, lambda m: 0),
    Unary("jnp.round({0})", lambda m: m + 1, lambda m: 0),
    Unary("jnp.maximum({0}, 0.0)", lambda m: m, lambda m: 1),
    Unary("jnp.clip({0}, -0.5, 0.75)", lambda m: 1, lambda m: 1),
    Unary("lax.stop_gradient({0})", lambda m: m, lambda m: 0),
    Unary("jnp.where({0} > 0.3, {0}, 0.5 * {0})", lambda m: m, lambda m: 1),
    Unary("jnp.nan_to_num({0})", lambda m: m, lambda m: 1),
]

SMOOTH_BINARY = [
    Binary("{0} + {1}", lambda a, b: a + b, lambda a, b: (1, 1)),
    Binary("{0} * {1}", lambda a, b: a * b, lambda a, b: (b, a)),
    Binary("{0} - {1}", lambda a, b: a + b, lambda a, b: (1, 1)),
    Binary("{0} / (2.0 + jnp.cos({1}))", lambda a, b: a, lambda a, b: (1, a)),
    Binary("jnp.arctan2({0}, 1.5 + jnp.sin({1}))", lambda a, b: 1.6, lambda a, b: (2, 1)),
    Binary("jnp.hypot({0}, 1.0 + jnp.square({1}))", lambda a, b: a + b + 1, lambda a, b: (1, 2)),
    Binary("jnp.logaddexp({0}, {1})", lambda a, b: max(a, b) + 0.7, lambda a, b: (1, 1)),
    Binary("jnp.power(1.5 + jnp.sin({0}), {1})", lambda a, b: 2.5**b, lambda a, b: (16, 6)),
]

ROUGH_BINARY = [
    Binary("jnp.maximum({0}, {1})", max, lambda a, b: (1, 1)),
    Binary("jnp.minimum({0}, {1})", max, lambda a, b: (1, 1)),
    Binary("jnp.where({0} < {1}, {0}, {1})", max, lambda a, b: (1, 1)),
    Binary("{0} * ({1} > 0.25)", lambda a, b: a, lambda a, b: (1, 0)),
    Binary("jnp.fmod({0}, 1.0 + jnp.square({1}))", lambda a, b: a, lambda a, b: (1, 2 * a)),
]


def unary(b: Block) -> None:
    x = b.operand()
    if x is not None:
        options = SMOOTH_UNARY if b.settings.smooth else SMOOTH_UNARY + ROUGH_UNARY
        op = b.settings.choose(options)
        b.emit(
            op.template.format(x.text), x.shape, "f", op.size(x.size), op.slope(x.size) * x.slope
        )


def binary(b: Block) -> None:
    x, y = b.operand(), b.operand()
    if x is None or y is None:
        return
    op = b.settings.choose(SMOOTH_BINARY if b.settings.smooth else SMOOTH_BINARY + ROUGH_BINARY)
    right, shape = y.text, broadcast(x.shape, y.shape)
    if shape is None or math.prod(shape) > MAX_ELEMENTS:
        right, shape = f"jnp.mean({y.text})", x.shape
    dx, dy = op.slopes(x.size, y.size)
    size = op.size(x.size, y.size)
    b.emit(op.template.format(x.text, right), shape, "f", size, dx * x.slope + dy * y.slope)


# ------------------------------------------------------------------ reductions and scans
def reduction(b: Block) -> None:
    x = b.operand(accept=lambda v: v.ndim > 0)
    if x is None:
        return
    names = ["sum", "mean", "prod"] + ([] if b.settings.smooth else ["max", "min"])
    name = b.settings.choose(names)
    axis = b.settings.choose([None, *range(x.ndim)])
    keep = b.settings.choose([False, True])
    count = x.elements if axis is None else x.shape[axis]
    shape = tuple(
        1 if (axis is None or i == axis) else n
        for i, n in enumerate(x.shape)
        if keep or (axis is not None and i != axis)
    )
    size, factor = x.size, 1.0
    if name == "sum":
        size, factor = x.size * count, count
    elif name == "prod":
        if count > 6:
            return
        size, factor = x.size**count, count * max(x.size, 1) ** (count - 1)
    keepdims = ", keepdims=True" if keep else ""
    b.emit(f"jnp.{name}({x.text}, axis={axis}{keepdims})", shape, "f", size, factor * x.slope)


def logsumexp(b: Block) -> None:
    x = b.operand(accept=lambda v: v.ndim > 0)
    if x is not None:
        axis = b.settings.choose(range(x.ndim))
        text = f"jnp.log(jnp.sum(jnp.exp({x.text}), axis={axis}))"
        b.emit(text, drop(x.shape, axis), "f", x.size + math.log(x.shape[axis]), x.slope)


def cumulative(b: Block) -> None:
    x = b.operand(accept=lambda v: v.ndim > 0)
    if x is None:
        return
    axis = b.settings.choose(range(x.ndim))
    count = x.shape[axis]
    options = (
        ["jnp.cumsum", "lax.cumlogsumexp"] if b.settings.smooth else ["jnp.cumsum", "lax.cummax"]
    )
    name = b.settings.choose(options)
    grows = {"jnp.cumsum": count * x.size, "lax.cummax": x.size}.get(name, x.size + math.log(count))
    slope = x.slope * (count if name == "jnp.cumsum" else 1)
    b.emit(f"{name}({x.text}, axis={axis})", x.shape, "f", grows, slope)


def ordering(b: Block) -> None:
    x = b.operand(accept=lambda v: v.ndim > 0)
    if x is None or b.settings.smooth:
        return
    axis = b.settings.choose(range(x.ndim))
    name = b.settings.choose(["sort", "argmax", "argmin"])
    if name == "sort":
        b.emit(f"jnp.sort({x.text}, axis={axis})", x.shape, "f", x.size, x.slope)
    else:
        b.emit(f"jnp.{name}({x.text}, axis={axis})", drop(x.shape, axis), "i", x.shape[axis])


# ------------------------------------------------------------------ shapes
def drop(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    """A shape without one axis."""
    return shape[:axis] + shape[axis + 1 :]


def rearrangement(b: Block) -> None:
    x = b.operand(accept=lambda v: v.ndim > 0)
    if x is None:
        return
    axis = b.settings.choose(range(x.ndim))
    n, t = x.shape[axis], x.text
    at = (":, " * axis) + "{}" if axis else "{}"
    start = b.settings.integer(0, n - 1)
    picks = [start, 0, n - 1]
    where = f"(jnp.arange({n}) % 2 == 0)" + ("" if x.ndim - axis == 1 else f"[{_new(x, axis)}]")
    options: list[tuple[str, tuple[int, ...]]] = [
        (f"{t}.T", x.shape[::-1]),
        (f"{t}[{at.format(start)}]", drop(x.shape, axis)),
        (f"{t}[{at.format(f'{start}:')}]", replace(x.shape, axis, n - start)),
        (f"{t}[{at.format('::-1')}]", x.shape),
        (f"{t}.reshape(-1)", (x.elements,)),
        (f"{t}[{at.format('None')}]", (*x.shape[:axis], 1, *x.shape[axis:])),
        (f"jnp.roll({t}, {start + 1}, axis={axis})", x.shape),
        (f"jnp.take({t}, jnp.array({picks}), axis={axis})", replace(x.shape, axis, len(picks))),
        (f"jnp.moveaxis({t}, {axis}, 0)", (n, *drop(x.shape, axis))),
        (f"jnp.repeat({t}, 2, axis={axis})", replace(x.shape, axis, 2 * n)),
        (f"jnp.where({where}, {t}, 0.5)", x.shape),
        (f"lax.dynamic_index_in_dim({t}, {_index(b)}, {axis}, False)", drop(x.shape, axis)),
        (f"{t}.at[{at.format(start)}].set(0.25)", x.shape),
    ]
    text, shape = b.settings.choose(options)
    if len(shape) <= 3 and 0 < math.prod(shape) <= MAX_ELEMENTS:
        b.emit(text, shape, "f", max(x.size, 0.5), x.slope)


def _new(x: Value, axis: int) -> str:
    return ", ".join([":"] + ["None"] * (x.ndim - axis - 1))


def _index(b: Block) -> str:
    """A traced index if there is one, which is clamped; else 0."""
    value = b.operand("i", lambda v: v.shape == ())
    return "0" if value is None else value.text


def replace(shape: tuple[int, ...], axis: int, n: int) -> tuple[int, ...]:
    """A shape with the length of one axis changed."""
    return (*shape[:axis], n, *shape[axis + 1 :])


def spread(b: Block) -> None:
    x = b.operand(accept=lambda v: v.ndim < 3)
    if x is not None:
        n = b.settings.integer(1, 3)
        if n * x.elements <= MAX_ELEMENTS:
            shape = (n, *x.shape)
            b.emit(f"jnp.broadcast_to({x.text}, {shape})", shape, "f", x.size, x.slope)


def joining(b: Block) -> None:
    x, y = b.operand(), b.operand()
    if x is None or y is None:
        return
    axis = b.settings.choose(range(max(x.ndim, 1)))
    other = reshaped(y, x.shape)
    if x.ndim and b.settings.choose([True, False]):
        text = f"jnp.concatenate([{x.text}, {other}], axis={axis})"
        shape = replace(x.shape, axis, 2 * x.shape[axis])
    else:
        text = f"jnp.stack([{x.text}, {other}], axis={axis})"
        shape = (*x.shape[:axis], 2, *x.shape[axis:])
    if len(shape) <= 3 and math.prod(shape) <= MAX_ELEMENTS:
        b.emit(text, shape, "f", max(x.size, y.size), max(x.slope, y.slope))


def update(b: Block) -> None:
    x, y = b.operand(accept=lambda v: v.ndim > 0), b.operand()
    if x is None or y is None:
        return
    name = b.settings.choose(["set", "add", "multiply"])
    place = b.settings.choose([str(b.settings.integer(0, x.shape[0] - 1)), "jnp.array([0, 0])"])
    if name != "add" and "array" in place:
        return  # which of two writes to one place wins is not defined
    shape = x.shape[1:]
    text = f"{x.text}.at[{place}].{name}({reshaped(y, shape)})"
    size, slope = {
        "set": (max(x.size, y.size), max(x.slope, y.slope)),
        "add": (x.size + 2 * y.size, x.slope + 2 * y.slope),
        "multiply": (max(x.size, x.size * y.size), x.slope * max(y.size, 1) + y.slope * x.size),
    }[name]
    b.emit(text, x.shape, "f", size, slope)


# ------------------------------------------------------------------ contractions
def contraction(b: Block) -> None:
    x = b.operand(accept=lambda v: v.ndim > 0)
    if x is None:
        return
    y = b.operand(accept=lambda v: v.ndim > 0 and v.shape[0] == x.shape[-1])
    if y is not None and y.ndim <= 2:
        text, shape = f"jnp.dot({x.text}, {y.text})", (*x.shape[:-1], *y.shape[1:])
    else:
        y, shape = x, (*x.shape[:-1], *x.shape[:-1])
        text = f"jnp.tensordot({x.text}, {y.text}, axes=(({x.ndim - 1},), ({x.ndim - 1},)))"
    if len(shape) <= 3 and math.prod(shape) <= MAX_ELEMENTS:
        n = x.shape[-1]
        slope = n * (x.size * y.slope + y.size * x.slope)
        b.emit(text, shape, "f", n * x.size * y.size, slope)


def outer(b: Block) -> None:
    x, y = (b.operand(accept=lambda v: v.ndim == 1) for _ in range(2))
    if x is not None and y is not None and x.elements * y.elements <= MAX_ELEMENTS:
        slope = x.size * y.slope + y.size * x.slope
        text = f'jnp.einsum("i,j->ji", {x.text}, {y.text})'
        b.emit(text, (*y.shape, *x.shape), "f", x.size * y.size, slope)


# ------------------------------------------------------------------ integers and bools
def discrete(b: Block) -> None:
    """Integers and bools, and ways back from them; they have no derivatives."""
    x, y, i = b.operand(), b.operand(), b.operand("i")
    options: list[tuple[str, tuple[int, ...], str, float]] = []
    if i is not None:
        options += [
            (f"({i.text} * 3 + 1) % 5", i.shape, "i", 5),
            (f"jnp.cos(1.5 * {i.text}).astype({b.settings.dtype!r})", i.shape, "f", 1),
            (f"jnp.bitwise_and({i.text}, 3)", i.shape, "i", 4),
        ]
    if x is not None and y is not None and not b.settings.smooth:
        options += [
            (f"{x.text} > {reshaped(y, x.shape)}", x.shape, "b", 1),
            (f"jnp.round({x.text}).astype(jnp.int32)", x.shape, "i", x.size + 1),
        ]
    mask = b.operand("b")
    if mask is not None and x is not None:
        options += [
            (f"jnp.where({mask.text}, {reshaped(x, mask.shape)}, 0.5)", mask.shape, "f", x.size),
            (f"jnp.logical_not({mask.text})", mask.shape, "b", 1),
            (f"jnp.sum({mask.text}, dtype=jnp.int32)", (), "i", mask.elements),
        ]
    if options:
        text, shape, kind, size = b.settings.choose(options)
        slope = x.slope if x is not None else 0.0
        b.emit(text, shape, kind, size, slope)


# ------------------------------------------------------------------ collectives
def collective(b: Block) -> None:
    x = b.operand()
    if x is None or b.settings.axis_name is None or not b.uniform:
        return
    axis = repr(b.settings.axis_name)
    t, m, s = x.text, x.size, x.slope
    n = f"lax.axis_size({axis})"
    ring = f"[(i, (i + 1) % {n}) for i in range({n})]"
    rows = f"jnp.stack([jnp.sin({t} + i) for i in range({n})])"
    options = [
        (f"lax.psum({t}, {axis}) / {n}", m, s),
        (f"lax.pmean({t}, {axis})", m, s),
        (f"lax.ppermute({t}, {axis}, {ring})", m, s),
        (f"lax.ppermute({t}, {axis}, {ring}[:-1])", m, s),
        (f"jnp.mean(jnp.sin(lax.all_gather({t}, {axis})), axis=0)", min(m, 1), s),
        (f"lax.all_gather({t}, {axis})[-1]", m, s),
        (f"{t} * jnp.cos(lax.axis_index({axis}).astype({b.settings.dtype!r}))", m, s),
        (f"lax.psum_scatter({rows}, {axis}) / {n}", 1, s),
        (f"jnp.mean(lax.all_to_all({rows}, {axis}, 0, 0), axis=0)", 1, s),
        (f"lax.pshuffle({t}, {axis}, list(range({n}))[::-1])", m, s),
    ]
    if not b.settings.smooth:
        options += [(f"lax.pmax({t}, {axis})", m, s), (f"lax.pmin({t}, {axis})", m, s)]
    text, size, slope = b.settings.choose(options)
    b.emit(text, x.shape, "f", size, slope)


FIRST_ORDER: list[Callable[[Block], None]] = [
    unary,
    binary,
    unary,
    binary,
    binary,
    reduction,
    logsumexp,
    cumulative,
    ordering,
    rearrangement,
    rearrangement,
    spread,
    joining,
    update,
    contraction,
    outer,
    discrete,
]
