"""Index plans as primitives: slices for boxes, dynamic slices for traced integers, gather and
scatter for arrays, a choice for traced masks.

Whatever touches each element at most once is read, changed and put back (`box`, `window`, mask);
only index arrays, which may name an element twice, need a scatter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fx.core.array import Array, scalar
from fx.core.avals import ShapedArray
from fx.core.primitive import P, zeros
from fx.errors import FxTypeError, NonConcreteBooleanIndexError, ShapeError
from fx.lax.creation import full_like
from fx.lax.indexing import scatter_apply
from fx.numpy.index_plan import BLOCK, NEW, Plan
from fx.ops.dimension_numbers import GatherScatterMode, scatter_numbers


class Flags(NamedTuple):
    """How gather and scatter are to treat their indices."""

    mode: GatherScatterMode
    unique: bool = False
    ordered: bool = False


def reshaped(x: Any, shape: tuple[int, ...]) -> Any:
    """`x` in another shape, without an equation if it has that one."""
    return x if x.shape == shape else P.reshape(x, new_sizes=shape)


# ------------------------------------------------------------------ the static part
def _ranges(basic: tuple[Any, ...]) -> list[range]:
    return [range(b, b + 1) if isinstance(b, int) else b for b in basic]


def _is_everything(shape: tuple[int, ...], ranges: list[range]) -> bool:
    return all(r == range(n) for r, n in zip(ranges, shape, strict=True))


def _ascending(r: range) -> range:
    """The same positions from low to high; range(0, 0) for none."""
    if not r:
        return range(0, 0)
    return r if r.step > 0 else r[::-1]


def take_box(x: Any, plan: Plan) -> Any:
    """The elements that the static part of an index selects; integer axes are dropped."""
    ranges = _ranges(plan.basic)
    if not _is_everything(plan.shape, ranges):
        rising = [_ascending(r) for r in ranges]
        x = P.slice(
            x,
            start_indices=tuple([r.start for r in rising]),
            limit_indices=tuple([r[-1] + 1 if r else 0 for r in rising]),
            strides=None if all(r.step == 1 for r in rising) else tuple([r.step for r in rising]),
        )
        x = _flipped(x, ranges)
    return reshaped(x, plan.box_shape())


def put_box(x: Any, plan: Plan, box: Any) -> Any:
    """`x` with those elements replaced."""
    ranges = _ranges(plan.basic)
    box = reshaped(box, tuple([len(r) for r in ranges]))
    if _is_everything(plan.shape, ranges):
        return box
    rising = [_ascending(r) for r in ranges]
    box = _flipped(box, ranges)
    if all(r.step == 1 or len(r) < 2 for r in rising):
        dtype = np.dtype(np.int64 if max(plan.shape) > np.iinfo(np.int32).max else np.int32)
        return P.dynamic_update_slice(x, box, *[scalar(r.start, dtype) for r in rising])
    # With gaps between them: spread them out, and choose them where they came to lie.
    config = tuple(
        (r.start, n - (r[-1] + 1 if r else 0), r.step - 1)
        for r, n in zip(rising, plan.shape, strict=True)
    )
    false = scalar(False, np.dtype(bool))
    true = P.broadcast_in_dim(
        scalar(True, np.dtype(bool)), shape=box.shape, broadcast_dimensions=()
    )
    inside = P.pad(true, false, padding_config=config)
    spread = P.pad(box, zeros(ShapedArray((), x.dtype)), padding_config=config)
    return P.select_n(inside, x, spread)


def _flipped(x: Any, ranges: list[range]) -> Any:
    backwards = tuple(i for i, r in enumerate(ranges) if r.step < 0 and len(r) > 1)
    return P.rev(x, dimensions=backwards) if backwards else x


# ------------------------------------------------------------------ traced integers
def _window_sizes(plan: Plan) -> tuple[int, ...]:
    sizes = list(plan.box_shape())
    for axis, _ in plan.arrays:
        sizes[plan.box_axis(axis)] = 1
    return tuple(sizes)


def _leaf_shape(plan: Plan) -> tuple[int, ...]:
    """The box without the axes indexed by integers."""
    gone = {plan.box_axis(axis) for axis, _ in plan.arrays}
    return tuple([n for i, n in enumerate(plan.box_shape()) if i not in gone])


def _in_window(box: Any, plan: Plan, flags: Flags, change: Callable[[Any], Any]) -> Any:
    """The box with the window at traced integers changed; one outside is moved or left out."""
    starts, sizes = plan.starts(), _window_sizes(plan)
    old = P.dynamic_slice(box, *starts, slice_sizes=sizes)
    new = reshaped(change(reshaped(old, _leaf_shape(plan))), sizes)
    if flags.mode is GatherScatterMode.FILL_OR_DROP:
        inside = None
        for axis, _ in plan.arrays:
            start = starts[plan.box_axis(axis)]
            zero, last = scalar(0, start.dtype), scalar(plan.shape[axis] - 1, start.dtype)
            fits = getattr(P, "and")(P.ge(start, zero), P.le(start, last))
            inside = fits if inside is None else getattr(P, "and")(inside, fits)
        new = P.select_n(inside, old, new)
    return P.dynamic_update_slice(box, new, *starts)


# ------------------------------------------------------------------ reading
def read(x: Any, plan: Plan, flags: Flags, fill_value: Any = None) -> Any:
    """The elements of a plan."""
    if plan.mask is not None:
        plan.mask.values._concrete(
            NonConcreteBooleanIndexError, "an index by a boolean mask, x[mask],"
        )
    box = take_box(x, plan)
    fills = flags.mode is GatherScatterMode.FILL_OR_DROP
    if plan.batch is None and plan.arrays and not fills:
        box = P.dynamic_slice(box, *plan.starts(), slice_sizes=_window_sizes(plan))
    elif plan.batch is not None or plan.arrays:
        sizes = _window_sizes(plan)
        box = P.gather(
            box,
            plan.corners(),
            dimension_numbers=plan.numbers(),
            slice_sizes=sizes,
            indices_are_sorted=flags.ordered,
            unique_indices=flags.unique or plan.known_unique(),
            mode=flags.mode,
            fill_value=fill_value,
        )
    return reshaped(box, plan.sizes())


# ------------------------------------------------------------------ writing
_CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "set": lambda old, y: y,
    "add": lambda old, y: P.add(old, y),
    "subtract": lambda old, y: P.sub(old, y),
    "multiply": lambda old, y: P.mul(old, y),
    "divide": lambda old, y: P.div(old, y),
    "power": lambda old, y: P.pow(old, y),
    "min": lambda old, y: P.min(old, y),
    "max": lambda old, y: P.max(old, y),
}
_SCATTERS = {
    "set": "scatter",
    "add": "scatter_add",
    "subtract": "scatter_add",
    "multiply": "scatter_mul",
    "divide": "scatter_mul",
    "power": "scatter_mul",
    "min": "scatter_min",
    "max": "scatter_max",
}


def update(x: Any, plan: Plan, name: str, y: Any, flags: Flags) -> Any:
    """`x` with the elements of a plan changed.

    Args:
        x: an array.
        plan: which elements.
        name: a key of the changes, or "apply".
        y: the operand, of the dtype of x; for "apply" a function.
        flags: what to do about indices out of bounds.
    """
    box = take_box(x, plan)
    if plan.mask is not None:
        box = _in_masked(box, plan, name, y, flags)
    elif plan.batch is not None:
        box = _scattered(box, plan, name, y, flags)
    else:
        change = _change(name, y, plan, _leaf_shape(plan))
        box = _in_window(box, plan, flags, change) if plan.arrays else change(box)
    return put_box(x, plan, box)


def _change(name: str, y: Any, plan: Plan, shape: tuple[int, ...]) -> Callable[[Any], Any]:
    """The change of elements that form an array of `shape`: the indexed ones in their order."""
    if name == "apply":
        return lambda old: applied(y, old)
    operand = reshaped(fit(y, plan.sizes(), name), shape)
    return lambda old: _CHANGES[name](old, operand)


def applied(function: Callable[[Any], Any], old: Any) -> Any:
    """A user's function of elements, which must keep their shape; the dtype is restored."""
    new = function(old)
    if not hasattr(new, "dtype") or new.shape != old.shape:
        raise ShapeError(
            f"x.at[...].apply: the function must keep the shape {old.shape} of the indexed "
            f"elements, but its result is {new!r}."
        )
    return cast(new, old.dtype)


def cast(x: Any, dtype: np.dtype) -> Any:
    """`x` in a dtype."""
    return x if x.dtype == dtype else P.convert_element_type(x, new_dtype=dtype)


def fit(y: Any, shape: tuple[int, ...], name: str) -> Any:
    """An operand broadcast to the shape of the indexed elements."""
    given = y.shape
    lead = next((i for i, n in enumerate(given) if n != 1), len(given))
    surplus = min(max(len(given) - len(shape), 0), lead)  # NumPy drops axes of size 1 in front
    y = reshaped(y, given[surplus:])
    offset = len(shape) - y.ndim
    if offset < 0 or any(n not in (1, m) for n, m in zip(y.shape, shape[offset:], strict=True)):
        raise ShapeError(
            f"x.at[...].{name}: an operand of shape {given} does not broadcast to the shape "
            f"{shape} of the indexed elements."
        )
    if y.shape == shape:
        return y
    kept = tuple(range(offset, len(shape)))
    return P.broadcast_in_dim(y, shape=shape, broadcast_dimensions=kept)


def _in_masked(box: Any, plan: Plan, name: str, y: Any, flags: Flags) -> Any:
    """The box changed where a mask holds."""
    mask = plan.mask
    assert mask is not None
    if plan.batch is not None:
        raise NonConcreteBooleanIndexError(
            f"x.at[...].{name}: a traced boolean mask of shape {mask.values.shape} cannot be "
            "combined with index arrays, since the number of its positions is not known. Use "
            "fx.numpy.where."
        )
    shape = _leaf_shape(plan)
    gone = [axis for axis, _ in plan.arrays]
    first = plan.box_axis(mask.axis) - sum(axis < mask.axis for axis in gone)
    covered = range(first, first + mask.count)
    kept = tuple(covered)
    where = mask.values if type(mask.values) is not np.ndarray else Array(mask.values)
    if where.ndim:
        where = P.broadcast_in_dim(where, shape=shape, broadcast_dimensions=kept)
    if name != "apply":
        if BLOCK in plan.tokens:
            _check_one(y, plan, name)
        # In the result the mask's axes are one, of which an operand may hold one row only.
        y = fit(y, plan.sizes((1,)), name)
        y = reshaped(y, tuple([1 if i in covered else n for i, n in enumerate(shape)]))
        y = (
            P.broadcast_in_dim(y, shape=shape, broadcast_dimensions=tuple(range(len(shape))))
            if y.shape != shape
            else y
        )

    def change(old: Any) -> Any:
        new = applied(y, old) if name == "apply" else _CHANGES[name](old, y)
        return P.select_n(where, old, new)

    return _in_window(box, plan, flags, change) if plan.arrays else change(box)


def _check_one(y: Any, plan: Plan, name: str) -> None:
    """Raise if an operand has one row for each position of a mask."""
    behind = len(plan.tokens) - plan.tokens.index(BLOCK)
    if y.ndim >= behind and y.shape[y.ndim - behind] != 1:
        assert plan.mask is not None
        plan.mask.values._concrete(
            NonConcreteBooleanIndexError,
            f"x.at[mask].{name}(y) with one element of y for each position of the mask (y has "
            f"shape {y.shape})",
        )


def _scattered(box: Any, plan: Plan, name: str, y: Any, flags: Flags) -> Any:
    """The box changed at the positions of index arrays."""
    numbers = scatter_numbers(plan.numbers())
    shape = tuple([n for n, token in zip(plan.sizes(), _spread(plan), strict=True) if token != NEW])
    corners = plan.corners()
    options = {
        "indices_are_sorted": flags.ordered,
        "unique_indices": flags.unique or plan.known_unique(),
        "mode": flags.mode,
    }
    if name == "apply":
        return scatter_apply(
            box, corners, lambda old: applied(y, old), numbers, update_shape=shape, **options
        )
    operand = reshaped(fit(y, plan.sizes(), name), shape)
    if name == "subtract":
        operand = P.neg(operand)
    scatter = getattr(P, _SCATTERS[name])
    if name in ("divide", "power"):
        # All divisors (all exponents) of an element are multiplied first.
        factors = scatter(full_like(box, 1), corners, operand, dimension_numbers=numbers, **options)
        return _CHANGES[name](box, factors)
    return scatter(box, corners, operand, dimension_numbers=numbers, **options)


def _spread(plan: Plan) -> list[int]:
    """Tokens of the result with one for each of its axes."""
    spread: list[int] = []
    for token in plan.tokens:
        spread.extend([BLOCK] * len(plan.batch or ()) if token == BLOCK else [token])
    return spread


def check_update(x: Any, name: str) -> None:
    """Raise for changes that a dtype does not allow."""
    if name == "divide" and x.dtype.kind in "iub":
        raise FxTypeError(
            f"x.at[...].divide of {x.aval.short()}: a quotient is not an integer. Use "
            "x.astype(float) first, or x.at[...].apply with //."
        )
