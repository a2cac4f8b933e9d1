"""Strategies of arrays: their dtypes, their shapes, and arrays of both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument
from hypothesis.extra import numpy as npst

from fx import dtypes as dt
from fx.core.array import Array

_KINDS = {
    "bool": ("bool",),
    "integer": ("int8", "int16", "int32", "int64"),
    "unsigned": ("uint8", "uint16", "uint32", "uint64"),
    "floating": ("float32", "float64", "bfloat16", "float16"),
    "complex": ("complex64", "complex128"),
}


def dtypes(kinds: Iterable[str] | None = None) -> st.SearchStrategy[np.dtype]:
    """The dtypes of fx arrays, bfloat16 included.

    Args:
        kinds: which of "bool", "integer", "unsigned", "floating" and "complex"; all by default.

    Returns:
        A strategy of NumPy dtypes. Examples shrink to the first of float32, int32, bool, ...

    Example:
        >>> from hypothesis import find
        >>> find(dtypes(["floating"]), lambda dtype: dtype.itemsize == 2)
        dtype(bfloat16)
    """
    chosen = ("floating", "integer", "bool", "unsigned", "complex") if kinds is None else kinds
    names: list[str] = []
    for kind in [chosen] if isinstance(chosen, str) else chosen:
        if kind not in _KINDS:
            raise InvalidArgument(f"dtypes: kinds has {kind!r}, expected some of {list(_KINDS)}")
        names += _KINDS[kind]
    if not names:
        raise InvalidArgument(f"dtypes: kinds={kinds!r} must name at least one kind")
    return st.sampled_from([dt.canonicalize(name) for name in names])


def shapes(
    *,
    min_dims: int = 0,
    max_dims: int | None = None,
    min_side: int = 0,
    max_side: int | None = None,
) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of arrays, with the edge cases: () and sides of 0 and 1.

    Args:
        min_dims, max_dims: of the rank; `max_dims` is `min_dims + 2` by default.
        min_side, max_side: of each length; `max_side` is `min_side + 3` by default.

    Returns:
        A strategy of tuples. Examples shrink to short shapes with small sides.

    Example:
        >>> from hypothesis import find
        >>> find(shapes(min_side=1), lambda shape: len(shape) == 2)
        (1, 1)
    """
    return npst.array_shapes(
        min_dims=min_dims,
        max_dims=min_dims + 2 if max_dims is None else max_dims,
        min_side=min_side,
        max_side=min_side + 3 if max_side is None else max_side,
    )


def arrays(
    dtype: Any = None,
    shape: Any = None,
    *,
    elements: st.SearchStrategy[Any] | None = None,
    min_value: Any = None,
    max_value: Any = None,
    allow_nan: bool | None = None,
    allow_infinity: bool | None = None,
    allow_subnormal: bool | None = None,
    unique: bool = False,
) -> st.SearchStrategy[Array]:
    """Arrays of fx.

    Args:
        dtype: a dtype, or a strategy of dtypes; by default any of `dtypes()`.
        shape: an int, a tuple, or a strategy of shapes; by default any of `shapes()`.
        elements: a strategy of the elements, in place of the options below.
        min_value, max_value: of the elements, both included. Real dtypes only.
        allow_nan, allow_infinity: whether there may be NaNs and infinities. By default where the
            range allows them: NaN without bounds, an infinity where its side has no bound.
        allow_subnormal: whether there may be subnormal numbers.
        unique: whether all elements differ.

    Returns:
        A strategy of `fx.Array`s. Examples shrink to few elements, and these to zero (or to the
        bound nearest to it).

    Raises:
        InvalidArgument: the options contradict one another, or a bound is not a number of the
            dtype.

    Example:
        >>> from hypothesis import find
        >>> find(arrays("bfloat16", (2,), min_value=0, max_value=1), lambda x: bool(x[0] > 0.5))
        Array([1, 0], dtype=bfloat16)
    """
    options = {
        "min_value": min_value,
        "max_value": max_value,
        "allow_nan": allow_nan,
        "allow_infinity": allow_infinity,
        "allow_subnormal": allow_subnormal,
    }
    given = {k: v for k, v in options.items() if v is not None}
    if elements is not None and given:
        raise InvalidArgument(f"arrays: elements={elements!r} excludes {', '.join(given)}")
    kinds = dtypes() if dtype is None else dtype
    sizes = shapes() if shape is None else shape
    if isinstance(sizes, Sequence):
        sizes = tuple(sizes)

    def of_dtype(one: Any) -> st.SearchStrategy[Array]:
        checked = dt.canonicalize(one)
        held, convert = checked, False
        if checked.kind == "V":
            # hypothesis knows NumPy's own dtypes; bfloat16 is drawn as float32 and rounded.
            if not dt.is_floating(checked):
                raise InvalidArgument(f"arrays: dtype={one!r} has no strategy of elements")
            held, convert = np.dtype(np.float32), True
        chosen = _elements(checked, given) if elements is None else elements
        drawn = npst.arrays(held, sizes, elements=chosen, unique=unique)
        return drawn.map(lambda x: Array(x.astype(checked) if convert else x))

    if isinstance(kinds, st.SearchStrategy):
        return kinds.flatmap(of_dtype)
    return of_dtype(kinds)


def _elements(dtype: np.dtype, given: dict[str, Any]) -> st.SearchStrategy[Any]:
    """The elements of an array of a dtype, within the options that were given."""
    wrong = set(given) - _OPTIONS["f" if dt.is_floating(dtype) else dtype.kind]
    if wrong:
        raise InvalidArgument(
            f"arrays: elements of dtype {dt.short_name(dtype)} have no {', '.join(sorted(wrong))}"
        )
    if dt.is_floating(dtype):
        return _floats(dtype, given)
    return npst.from_dtype(dtype, **given)


_OPTIONS = {
    "b": set(),
    "i": {"min_value", "max_value"},
    "u": {"min_value", "max_value"},
    "f": {"min_value", "max_value", "allow_nan", "allow_infinity", "allow_subnormal"},
    "c": {"allow_nan", "allow_infinity", "allow_subnormal"},
}


def _floats(dtype: np.dtype, given: dict[str, Any]) -> st.SearchStrategy[float]:
    """Numbers that a floating-point dtype has exactly."""
    for name in ("min_value", "max_value"):
        bound = given.get(name)
        if bound is not None and float(np.asarray(bound).astype(dtype)) != float(bound):
            raise InvalidArgument(
                f"arrays: {name}={bound!r} is not a number of dtype {dt.short_name(dtype)}"
            )
    if dtype.kind != "V":
        return st.floats(width=8 * dtype.itemsize, **given)  # type: ignore[arg-type]
    info = dt.finfo(dtype)
    high, tiny = float(info.max), float(info.smallest_normal)

    def rounded(x: float) -> float:
        """The nearest number of the dtype; what would pass its largest is its largest."""
        return float(np.asarray(np.clip(x, -high, high) if np.isfinite(x) else x).astype(dtype))

    drawn = st.floats(width=32, **given).map(rounded)
    if given.get("allow_subnormal") is False:
        drawn = drawn.map(lambda x: x if abs(x) >= tiny or x != x else 0.0)
    return drawn
