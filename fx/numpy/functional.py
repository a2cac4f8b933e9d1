"""Functions lifted to arrays: vectorize, frompyfunc, apply_along_axis, and methods of ufuncs."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from fx.core.array import Array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, ShapeError, checked, public
from fx.numpy.creation import make_array
from fx.numpy.manipulation import permuted, reshaped
from fx.numpy.promotion import array, common_shape, convert, integer, one_axis
from fx.transforms.mapping import vmap

# ------------------------------------------------------------------ vectorize
_ARGUMENT = re.compile(r"\(([^()]*)\)")


def _parse_signature(signature: str) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Core dimensions of arguments and results, from "(m,n),(n)->(m)"."""
    text = signature.replace(" ", "")
    argument = r"\((?:\w+(?:,\w+)*)?\)"
    if not re.fullmatch(rf"(?:{argument}(?:,{argument})*)?->{argument}(?:,{argument})*", text):
        raise FxValueError(
            f"numpy.vectorize: signature {signature!r} is not of the form '(m,n),(n)->(m)'."
        )
    left, right = text.split("->")
    sides = []
    for side in (left, right):
        found = _ARGUMENT.findall(side)
        sides.append([tuple(names.split(",")) if names else () for names in found])
    return sides[0], sides[1]


def _core_sizes(
    args: Sequence[Any], cores: Sequence[tuple[str, ...]], sizes: dict[str, int], what: str
) -> None:
    for i, (x, names) in enumerate(zip(args, cores, strict=True)):
        if x.ndim < len(names):
            raise ShapeError(
                f"numpy.vectorize: {what} {i} needs core dimensions {names}, got shape {x.shape}."
            )
        own = x.shape[x.ndim - len(names) :]
        for name, n in zip(names, own, strict=True):
            expected = int(name) if name.isdigit() else sizes.setdefault(name, n)
            if n != expected:
                raise ShapeError(
                    f"numpy.vectorize: dimension {name} of {what} {i} has size {n}, expected "
                    f"{expected}."
                )


@checked
def vectorize(
    pyfunc: Callable[..., Any],
    *,
    excluded: Collection[int | str] = frozenset(),
    signature: str | None = None,
) -> Callable[..., Any]:
    """A function of scalars (or of small arrays) as one of arrays, which broadcasts.

    Args:
        pyfunc: a function of arrays.
        excluded: positions and names of arguments that are passed on as they are.
        signature: core dimensions, such as "(m,n),(n)->(m)"; scalars by default.

    Returns:
        A function whose arguments' leading axes broadcast. It is `vmap`, once for each axis.

    Raises:
        FxValueError: the signature does not parse.
        ShapeError: core dimensions do not fit.

    Example:
        >>> import fx.numpy as jnp
        >>> f = jnp.vectorize(jnp.vdot, signature="(n),(n)->()")
        >>> f(jnp.ones((2, 3)), jnp.ones(3))
        Array([3., 3.], dtype=float32)
    """
    if any(not isinstance(e, (int, str)) for e in excluded):
        raise FxTypeError(f"numpy.vectorize: excluded holds positions and names, got {excluded!r}.")

    @functools.wraps(pyfunc)
    def vectorized(*args: Any, **kwargs: Any) -> Any:
        fixed = {i: a for i, a in enumerate(args) if i in excluded or a is None}
        named = {k: v for k, v in kwargs.items() if k in excluded}
        lifted_names = [k for k in kwargs if k not in excluded]
        values = [a for i, a in enumerate(args) if i not in fixed]
        arrays = [make_array(v, None, "numpy.vectorize") for v in values]
        arrays += [make_array(kwargs[k], None, "numpy.vectorize") for k in lifted_names]

        def call(*xs: Any) -> Any:
            rest = iter(xs[: len(values)])
            full = [fixed[i] if i in fixed else next(rest) for i in range(len(args))]
            by_name = dict(zip(lifted_names, xs[len(values) :], strict=True))
            return pyfunc(*full, **named, **by_name)

        if signature is None:
            cores: list[tuple[str, ...]] = [()] * len(arrays)
            results = None
        else:
            cores, results = _parse_signature(signature)
            if len(cores) != len(arrays):
                raise FxTypeError(
                    f"numpy.vectorize: signature {signature!r} has {len(cores)} arguments, got "
                    f"{len(arrays)}."
                )
        sizes: dict[str, int] = {}
        _core_sizes(arrays, cores, sizes, "argument")

        def checked(*xs: Any) -> Any:
            out = call(*xs)
            if results is not None:
                outs = out if isinstance(out, (tuple, list)) else [out]
                if len(outs) != len(results):
                    raise FxTypeError(
                        f"numpy.vectorize: signature {signature!r} has {len(results)} results, "
                        f"got {len(outs)}."
                    )
                _core_sizes([array(o, "vectorize") for o in outs], results, dict(sizes), "result")
            return out

        return _mapped(checked, arrays, [len(c) for c in cores])

    return public(vectorized)


def _mapped(function: Callable[..., Any], xs: list[Any], core_ranks: list[int]) -> Any:
    """vmap over all leading axes, which broadcast; axes of size 1 are not mapped."""
    leads = [x.shape[: x.ndim - rank] for x, rank in zip(xs, core_ranks, strict=True)]
    shape = common_shape("numpy.vectorize", leads) if leads else ()
    squeezed, mapped_axes = [], []
    for x, lead in zip(xs, leads, strict=True):
        offset = len(shape) - len(lead)
        drop = tuple(i for i, n in enumerate(lead) if n == 1 and shape[i + offset] != 1)
        mapped_axes.append([i + offset for i in range(len(lead)) if i not in drop])
        squeezed.append(P.squeeze(x, dimensions=drop) if drop else x)
    for axis in reversed(range(len(shape))):
        in_axes = tuple(0 if axis in axes else None for axes in mapped_axes)
        function = vmap(function, in_axes=in_axes, axis_size=shape[axis])
    return function(*squeezed)


# ------------------------------------------------------------------ along axes
@public
def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any
) -> Any:
    """A function of vectors applied to all vectors along an axis.

    Args:
        func1d: from a vector to an array of any shape.
        axis: of the vectors; the result's axes stand in its place.
        arr: array.
        *args, **kwargs: passed on.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.apply_along_axis(jnp.sum, 0, jnp.array([[1, 2], [3, 4]]))
        Array([4, 6], dtype=int32)
    """
    x = array(arr, "numpy.apply_along_axis")
    place = one_axis(axis, x.ndim, "numpy.apply_along_axis")

    def function(v: Any) -> Any:
        return func1d(v, *args, **kwargs)

    for i in range(x.ndim - 1):
        # The innermost map takes the last axis but the vectors'; each result axis stays in place.
        if i < x.ndim - place - 1:
            function = vmap(function, in_axes=1, out_axes=-1)
        else:
            function = vmap(function, in_axes=0, out_axes=0)
    return function(x)


@public
def apply_over_axes(func: Callable[[Any, int], Any], a: Any, axes: Any) -> Array:
    """A reduction applied to several axes in turn; reduced axes stay with size 1.

    Args:
        func: (array, axis) to an array of the same or one smaller rank.
        a: array.
        axes: an integer or a sequence of them.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.apply_over_axes(jnp.sum, jnp.ones((2, 3)), [0, 1])
        Array([[6.]], dtype=float32)
    """
    x = array(a, "numpy.apply_over_axes")
    for axis in axes if isinstance(axes, (tuple, list)) else (axes,):
        place = one_axis(axis, x.ndim, "numpy.apply_over_axes")
        out = array(func(x, place), "numpy.apply_over_axes")
        if out.ndim == x.ndim - 1:
            out = P.reshape(out, new_sizes=out.shape[:place] + (1,) + out.shape[place:])
        if out.ndim != x.ndim:
            raise FxValueError(
                "numpy.apply_over_axes: the function must keep the rank or lower it by 1, got "
                f"rank {out.ndim} from {x.ndim}."
            )
        x = out
    return x


# ------------------------------------------------------------------ ufuncs
class ufunc:
    """A function of scalars as a universal function of arrays; made by `frompyfunc`.

    Args:
        func: a function of `nin` arrays of shape ().
        nin: number of arguments.
        nout: number of results.
        identity: what `reduce` gives over nothing.

    Example:
        >>> import fx.numpy as jnp
        >>> f = jnp.frompyfunc(lambda x, y: 2 * x + y, nin=2, nout=1, identity=0)
        >>> f(jnp.array([1, 2]), 10)
        Array([12, 14], dtype=int32)
        >>> f.outer(jnp.array([1, 2]), jnp.array([10, 20]))
        Array([[12, 22],
               [14, 24]], dtype=int32)
    """

    @checked
    def __init__(
        self,
        func: Callable[..., Any],
        nin: int,
        nout: int,
        *,
        name: str | None = None,
        nargs: int | None = None,
        identity: Any = None,
    ):
        self.nin = integer(nin, "numpy.frompyfunc", "nin")
        self.nout = integer(nout, "numpy.frompyfunc", "nout")
        self.nargs = self.nin if nargs is None else nargs
        self.identity = identity
        self._call = vectorize(func)
        self.__name__ = name or getattr(func, "__name__", "ufunc")
        self.__doc__ = func.__doc__

    def __repr__(self) -> str:
        return f"<fx.numpy.ufunc '{self.__name__}'>"

    def __call__(self, *args: Any) -> Any:
        if len(args) != self.nin:
            raise FxTypeError(f"{self.__name__} takes {self.nin} arrays, got {len(args)}.")
        return self._call(*args)

    def _binary(self, what: str) -> None:
        if self.nin != 2 or self.nout != 1:
            raise FxTypeError(f"{self.__name__}.{what} needs a function of two arrays.")

    @public
    def outer(self, A: Any, B: Any, /) -> Array:
        """The function of each element of `A` with each of `B`."""
        self._binary("outer")
        return outer_product(self, A, B)

    @public
    def reduce(
        self,
        a: Any,
        axis: int | None = 0,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = None,
    ) -> Array:
        """Fold along an axis, from the first element on."""
        self._binary("reduce")
        start = self.identity if initial is None else initial
        return fold_along(self, a, axis, dtype, keepdims, start, where)

    @public
    def accumulate(self, a: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Array:
        """All partial folds along an axis."""
        self._binary("accumulate")
        return accumulate_along(self, a, axis, dtype)

    @public
    def at(self, a: Any, indices: Any, b: Any = None, /, *, inplace: bool = True) -> Array:
        """A copy with the function applied to the elements at positions, one after another."""
        return apply_at(self, a, indices, b, inplace)


@public
def frompyfunc(func: Callable[..., Any], /, nin: int, nout: int, *, identity: Any = None) -> ufunc:
    """A function of scalars as a universal function of arrays.

    Args:
        func: a function of `nin` arrays of shape ().
        nin, nout: numbers of arguments and results.
        identity: what `reduce` gives over nothing.

    Example:
        >>> import fx.numpy as jnp
        >>> jnp.frompyfunc(lambda x: x + 1, 1, 1)(jnp.array([1, 2]))
        Array([2, 3], dtype=int32)
    """
    return ufunc(func, nin, nout, identity=identity)


def outer_product(function: Callable[..., Any], a: Any, b: Any) -> Any:
    """`function` of each pair of elements."""
    x, y = make_array(a, None, "outer"), make_array(b, None, "outer")
    return function(reshaped(x, x.shape + (1,) * y.ndim), y)


def _front(a: Any, axis: int | None, dtype: Any, name: str) -> tuple[Any, int, bool]:
    x = make_array(a, None, name)
    if dtype is not None:
        x = x.astype(dtype)
    if axis is None:
        return reshaped(x, (-1,)), 0, True
    place = one_axis(axis, x.ndim, name)
    return permuted(x, (place, *(i for i in range(x.ndim) if i != place))), place, False


def fold_along(
    function: Callable[..., Any],
    a: Any,
    axis: int | None,
    dtype: Any,
    keepdims: bool,
    initial: Any,
    where: Any = None,
) -> Any:
    """Fold a binary function along an axis, element after element."""
    x, place, flat = _front(a, axis, dtype, "reduce")
    if where is not None:
        if initial is None:
            raise FxValueError("reduce: where= needs initial= or an identity.")
        mask, _, _ = _front(where, axis, None, "reduce")
        x = P.select_n(
            mask,
            P.broadcast_in_dim(
                convert(array(initial, "reduce"), x.dtype), shape=x.shape, broadcast_dimensions=()
            ),
            x,
        )
    n = x.shape[0]
    if not n and initial is None:
        raise FxValueError("reduce over an empty axis needs an initial value or an identity.")
    total = (
        x[0]
        if initial is None
        else P.broadcast_in_dim(
            convert(array(initial, "reduce"), x.dtype), shape=x.shape[1:], broadcast_dimensions=()
        )
    )
    for i in range(1 if initial is None else 0, n):
        total = function(total, x[i])
    if keepdims:
        rank = make_array(a, None, "reduce").ndim
        shape = (1,) * rank if flat else total.shape[:place] + (1,) + total.shape[place:]
        total = reshaped(total, shape)
    return total


def accumulate_along(function: Callable[..., Any], a: Any, axis: int, dtype: Any) -> Any:
    """All partial folds of a binary function along an axis."""
    x, place, _ = _front(a, axis, dtype, "accumulate")
    if not x.shape[0]:
        return array(a, "accumulate")
    rows = [x[0]]
    for i in range(1, x.shape[0]):
        rows.append(function(rows[-1], x[i]))
    joined = P.concatenate(*[reshaped(r, (1, *r.shape)) for r in rows], dimension=0)
    order = list(range(1, joined.ndim))
    order.insert(place, 0)
    return permuted(joined, order)


def apply_at(function: Callable[..., Any], a: Any, indices: Any, b: Any, inplace: bool) -> Any:
    """A copy with a function applied at positions, in order."""
    if inplace:
        raise FxValueError("ufunc.at: fx arrays are immutable. Pass inplace=False; use the result.")
    x = make_array(a, None, "at")
    if b is None:
        return x.at[indices].set(function(x[indices]))
    shape = x[indices].shape
    values = P.broadcast_in_dim(
        v := make_array(b, None, "at"),
        shape=shape,
        broadcast_dimensions=tuple(range(len(shape) - v.ndim, len(shape))),
    )
    if not shape:
        return x.at[indices].set(convert(function(x[indices], values), x.dtype))
    places = P.iota(dtype=np.dtype(np.int32), shape=(x.size,), dimension=0)
    chosen = reshaped(reshaped(places, x.shape)[indices], (-1,))
    flat, values = reshaped(x, (-1,)), reshaped(values, (-1,))
    for i in range(chosen.shape[0]):
        new = convert(function(flat[chosen[i]], values[i]), x.dtype)
        flat = flat.at[chosen[i]].set(new)
    return reshaped(flat, x.shape)
