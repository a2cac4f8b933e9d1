"""Joining arrays, splitting them, and raising their rank."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from fx.core.array import Array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.numpy.creation import make_array
from fx.numpy.dispatch import alike, short_way
from fx.numpy.manipulation import reshaped
from fx.numpy.promotion import (
    a_dtype,
    array,
    convert,
    integer,
    one_axis,
    promote,
)


# ------------------------------------------------------------------ join
def _sequence(xs: Any, name: str) -> list[Any]:
    """The arrays to join; an array counts as the sequence of its rows."""
    if isinstance(xs, (Array, np.ndarray)):
        xs = array(xs, name)
        xs = list(xs) if xs.ndim else xs
    if not isinstance(xs, Iterable) or isinstance(xs, (Array, str, bytes, type)):
        raise FxTypeError(
            f"{name} expects a sequence of arrays, got {type(xs).__name__}. Put the arrays into a "
            "list or tuple."
        )
    items = list(xs)
    if not items:
        raise FxValueError(f"{name} needs at least one array, got an empty sequence.")
    return items


def joined_along(xs: Sequence[Any], axis: int, name: str) -> Any:
    """Arrays joined along an existing axis, after promotion."""
    xs = [make_array(x, None, name) if isinstance(x, (list, tuple)) else x for x in xs]
    xs = promote(name, *xs)
    shapes = [x.shape for x in xs]
    place = one_axis(axis, xs[0].ndim, name)
    if len({s[:place] + s[place + 1 :] for s in shapes}) > 1 or len({len(s) for s in shapes}) > 1:
        raise ShapeError(
            f"{name} along axis {axis} expects arrays whose other axes agree, got shapes "
            f"{', '.join(str(s) for s in shapes)}."
        )
    return P.concatenate(*xs, dimension=place) if len(xs) > 1 else xs[0]


def _concatenate_short(arrays: Any, axis: Any = 0) -> Any:
    data = alike(arrays)
    if data is None or axis is None:
        return None
    return Array(np.concatenate(data, axis), all_weak(arrays))


def all_weak(xs: Any) -> bool:
    """Whether all concrete arrays are weakly typed."""
    return all(x.weak_type for x in xs)


@short_way(_concatenate_short)
def concatenate(arrays: Any, axis: int | None = 0, dtype: Any = None) -> Array:
    """Join arrays along an existing axis.

    Args:
        arrays: sequence of arrays whose other axes agree; dtypes are promoted.
        axis: along which; None flattens first.
        dtype: of the result.

    Raises:
        ShapeError: other axes differ.
        FxValueError: no arrays, or the axis is out of range (scalars have none).

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.concatenate([jnp.array([1, 2]), jnp.array([3.0])])
        Array([1., 2., 3.], dtype=float32)
    """
    xs = _sequence(arrays, "numpy.concatenate")
    if axis is None:
        xs = [reshaped(make_array(x, None, "numpy.concatenate"), (-1,)) for x in xs]
    out = joined_along(xs, 0 if axis is None else axis, "numpy.concatenate")
    wanted = a_dtype(dtype, "numpy.concatenate")
    return out if wanted is None else convert(out, wanted)


@public
def concat(arrays: Any, /, *, axis: int | None = 0) -> Array:
    """`concatenate` under the array API's name.

    Args:
        arrays: sequence of arrays whose other axes agree.
        axis: along which; None flattens first.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.concat([jnp.array([1]), jnp.array([2])])
        Array([1, 2], dtype=int32)
    """
    return concatenate(arrays, axis)


def _stack_short(arrays: Any, axis: Any = 0) -> Any:
    data = alike(arrays)
    return None if data is None else Array(np.stack(data, axis), all_weak(arrays))


@short_way(_stack_short)
def stack(arrays: Any, axis: int = 0, out: None = None, dtype: Any = None) -> Array:
    """Join arrays of one shape along a new axis.

    Args:
        arrays: sequence of arrays; dtypes are promoted.
        axis: where the new axis is in the result.
        out: must be None.
        dtype: of the result.

    Raises:
        ShapeError: shapes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.stack([jnp.array([1, 2]), jnp.array([3, 4])])
        Array([[1, 2],
               [3, 4]], dtype=int32)
    """
    items = _sequence(arrays, "numpy.stack")
    xs = promote("numpy.stack", *[make_array(x, None, "numpy.stack") for x in items])
    shapes = {x.shape for x in xs}
    if len(shapes) > 1:
        raise ShapeError(
            f"numpy.stack expects arrays of one shape, got {', '.join(str(x.shape) for x in xs)}."
        )
    place = one_axis(axis, xs[0].ndim + 1, "numpy.stack")
    full = xs[0].shape[:place] + (1,) + xs[0].shape[place:]
    rows = [P.reshape(x, new_sizes=full) for x in xs]
    result = P.concatenate(*rows, dimension=place) if len(rows) > 1 else rows[0]
    wanted = a_dtype(dtype, "numpy.stack")
    return result if wanted is None else convert(result, wanted)


@public
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Array, ...]:
    """The slices along an axis, each without that axis.

    Args:
        x: array of rank at least 1.
        axis: along which.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.unstack(jnp.array([[1, 2], [3, 4]]), axis=1)
        (Array([1, 3], dtype=int32), Array([2, 4], dtype=int32))
    """
    y = array(x, "numpy.unstack")
    if not y.ndim:
        raise ShapeError(
            f"numpy.unstack expects an array of rank at least 1, got {y.aval.short()}."
        )
    place = one_axis(axis, y.ndim, "numpy.unstack")
    if not y.shape[place]:
        return ()
    parts = P.split(y, sizes=(1,) * y.shape[place], dimension=place)
    return tuple([P.squeeze(p, dimensions=(place,)) for p in parts])


def _at_least(x: Any, rank: int) -> Any:
    """NumPy's rule for one more axis of each rank."""
    if rank == 1:
        return x if x.ndim else P.reshape(x, new_sizes=(1,))
    if rank == 2:
        return x if x.ndim >= 2 else P.reshape(x, new_sizes=(1, x.size))
    if x.ndim >= 3:
        return x
    if x.ndim == 2:
        return P.reshape(x, new_sizes=(*x.shape, 1))
    return P.reshape(x, new_sizes=(1, x.size, 1))


def _raiser(rank: int, shown: str) -> Callable[..., Any]:
    name = f"atleast_{rank}d"

    def function(*arys: Any) -> Any:
        if not arys:
            raise FxTypeError(f"numpy.{name} needs at least one array.")
        out = [_at_least(make_array(x, None, f"numpy.{name}"), rank) for x in arys]
        return out[0] if len(out) == 1 else out

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""Arrays with axes of size 1 added up to rank {rank}.

    Args:
        *arys: array-likes.

    Returns:
        An Array, or a list for several arguments.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.{name}(1.0).shape
        {shown}
    """
    return public(function)


atleast_1d = _raiser(1, "(1,)")
atleast_2d = _raiser(2, "(1, 1)")
atleast_3d = _raiser(3, "(1, 1, 1)")


def _stacker(name: str, rank: int, axis: Callable[[Any], int], text: str, shown: str) -> Any:
    def function(tup: Any, dtype: Any = None) -> Array:
        items = _sequence(tup, f"numpy.{name}")
        xs = [_at_least(make_array(x, None, f"numpy.{name}"), rank) for x in items]
        out = joined_along(xs, axis(xs[0]), f"numpy.{name}")
        wanted = a_dtype(dtype, f"numpy.{name}")
        return out if wanted is None else convert(out, wanted)

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""Join arrays {text}.

    Args:
        tup: sequence of arrays; dtypes are promoted.
        dtype: of the result.

    Raises:
        ShapeError: other axes differ.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.{name}([jnp.array([1, 2]), jnp.array([3, 4])]).shape
        {shown}
    """
    return public(function)


vstack = _stacker("vstack", 2, lambda x: 0, "as rows, along the first axis", "(2, 2)")
hstack = _stacker(
    "hstack", 1, lambda x: 0 if x.ndim == 1 else 1, "along the second axis (vectors: the first)",
    "(4,)",
)  # fmt: skip
dstack = _stacker("dstack", 3, lambda x: 2, "along the third axis", "(1, 2, 2)")


@public
def column_stack(tup: Any) -> Array:
    """Join vectors as columns; matrices are joined as they are.

    Args:
        tup: sequence of arrays with equally many rows.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.column_stack([jnp.array([1, 2]), jnp.array([3, 4])])
        Array([[1, 3],
               [2, 4]], dtype=int32)
    """
    xs = [make_array(x, None, "numpy.column_stack") for x in _sequence(tup, "numpy.column_stack")]
    columns = [x if x.ndim >= 2 else P.reshape(x, new_sizes=(x.size, 1)) for x in xs]
    return joined_along(columns, 1, "numpy.column_stack")


@public
def append(arr: Any, values: Any, axis: int | None = None) -> Array:
    """Join two arrays.

    Args:
        arr, values: arrays.
        axis: along which; both are flattened by default.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.append(jnp.array([1, 2]), 3)
        Array([1, 2, 3], dtype=int32)
    """
    xs = [make_array(x, None, "numpy.append") for x in (arr, values)]
    if axis is None:
        xs = [reshaped(x, (-1,)) for x in xs]
    return joined_along(xs, axis or 0, "numpy.append")


@public
def block(arrays: Any) -> Array:
    """Assemble an array from nested lists of blocks.

    Args:
        arrays: blocks; the innermost lists are joined along the last axis.

    Raises:
        FxValueError: lists are empty or of different depths.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.block([[jnp.ones((1, 1)), jnp.zeros((1, 2))]])
        Array([[1., 0., 0.]], dtype=float32)
    """
    depth = _depth(arrays)
    rank = depth
    for leaf in _leaves(arrays):
        rank = max(rank, make_array(leaf, None, "numpy.block").ndim)
    return _assembled(arrays, depth, rank)


def _depth(x: Any) -> int:
    if not isinstance(x, list):
        return 0
    depths = {_depth(v) for v in x}
    if len(depths) != 1:
        raise FxValueError("numpy.block: lists must be nested equally deep and not be empty.")
    return depths.pop() + 1


def _leaves(x: Any) -> list[Any]:
    return [leaf for v in x for leaf in _leaves(v)] if isinstance(x, list) else [x]


def _assembled(x: Any, depth: int, rank: int) -> Any:
    if depth == 0:
        y = make_array(x, None, "numpy.block")
        return P.reshape(y, new_sizes=(1,) * (rank - y.ndim) + y.shape) if y.ndim < rank else y
    return joined_along([_assembled(v, depth - 1, rank) for v in x], -depth, "numpy.block")


# ------------------------------------------------------------------ split
def _pieces(x: Any, sections: Any, place: int, name: str, even: bool) -> list[Array]:
    n = x.shape[place]
    arrays = isinstance(sections, (Array, np.ndarray)) and sections.ndim
    if isinstance(sections, (tuple, list)) or arrays:
        cuts = [integer(c, name, "an index") for c in sections]
        cuts = [min(max(c + n if c < 0 else c, 0), n) for c in cuts]
        edges = [0, *cuts, n]
        if sorted(edges) == edges:
            sizes = tuple(b - a for a, b in itertools.pairwise(edges))
            return list(P.split(x, sizes=sizes, dimension=place))
        before = (slice(None),) * place
        pairs = itertools.pairwise(edges)
        return [x[(*before, slice(a, max(a, b)))] for a, b in pairs]
    count = integer(sections, name, "indices_or_sections")
    if count < 1:
        raise FxValueError(f"{name}: the number of sections must be positive, got {count}.")
    if even and n % count:
        raise FxValueError(
            f"{name} of {x.aval.short()} along axis {place}: {n} elements do not make {count} "
            "equal sections. Use fx.numpy.array_split."
        )
    size, extra = divmod(n, count)
    sizes = (size + 1,) * extra + (size,) * (count - extra)
    return list(P.split(x, sizes=sizes, dimension=place))


@public
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Cut an axis into consecutive pieces.

    Args:
        ary: array.
        indices_or_sections: how many equal pieces, or the positions of the cuts.
        axis: along which.

    Raises:
        FxValueError: the axis does not divide into equal pieces.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.split(jnp.arange(4), 2)
        [Array([0, 1], dtype=int32), Array([2, 3], dtype=int32)]
    """
    x = array(ary, "numpy.split")
    place = one_axis(axis, x.ndim, "numpy.split")
    return _pieces(x, indices_or_sections, place, "numpy.split", True)


@public
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """As `split`; the first pieces are one longer where the axis does not divide evenly.

    Args:
        ary: array.
        indices_or_sections: how many pieces, or the positions of the cuts.
        axis: along which.

    Example:
        >>> import fx.numpy as jnp
        >>> [x.size for x in jnp.array_split(jnp.arange(5), 2)]
        [3, 2]
    """
    x = array(ary, "numpy.array_split")
    place = one_axis(axis, x.ndim, "numpy.array_split")
    return _pieces(x, indices_or_sections, place, "numpy.array_split", False)


def _splitter(name: str, axis: int, shown: str) -> Callable[..., Any]:
    def function(ary: Any, indices_or_sections: Any) -> list[Array]:
        x = array(ary, f"numpy.{name}")
        place = 0 if name == "hsplit" and x.ndim == 1 else axis
        if x.ndim <= place:
            raise ShapeError(
                f"numpy.{name} expects an array of rank at least {place + 1}, got {x.aval.short()}."
            )
        return _pieces(x, indices_or_sections, place, f"numpy.{name}", True)

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    function.__doc__ = f"""As `split`, along axis {axis}.

    Args:
        ary: array of rank at least {axis + 1}.
        indices_or_sections: how many equal pieces, or the positions of the cuts.

    Example:
        >>> import fx.numpy as jnp
        >>> [x.shape for x in jnp.{name}(jnp.ones((2, 2, 2)), 2)]
        {shown}
    """
    return public(function)


vsplit = _splitter("vsplit", 0, "[(1, 2, 2), (1, 2, 2)]")
hsplit = _splitter("hsplit", 1, "[(2, 1, 2), (2, 1, 2)]")
dsplit = _splitter("dsplit", 2, "[(2, 2, 1), (2, 2, 1)]")
