"""Collectives: operations across the instances of a mapped axis, named by `axis_name`.

Under vmap they act on the batch axis and disappear. Under pmap each device thread meets the
others in a `Communicator`: shared memory, a fixed order of summation, and no deadlock: when one
device fails, the others stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.calls.base import innermost_axis_trace, names_of
from fx.calls.communicator import standing, unbound
from fx.core.array import aval_of, to_array
from fx.core.avals import ShapedArray
from fx.core.primitive import P, Primitive, lit, zeros
from fx.core.trace import state
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.pytree import tree_map
from fx.transforms.vmap import add_axis, materialize, move_axis
from fx.util import without


# ------------------------------------------------------------------ the family
class Collective(Primitive):
    """Base: `axes` in the parameters is a tuple of axis names."""

    def axis_names(self, params: dict[str, Any]) -> tuple[Any, ...]:
        return params["axes"]

    def bind(self, *args: Any, **params: Any) -> Any:
        for name in params["axes"]:
            if name not in state.axes:
                raise unbound(name, self.name)
        trace = innermost_axis_trace(params["axes"], args)
        if trace is not None:
            return trace.process(self, args, params)
        return super().bind(*args, **params)

    __call__ = bind

    def abstract_eval(self, x: ShapedArray, **params: Any) -> ShapedArray:
        return x

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        names = params["axes"]
        if axis.name is None or axis.name not in names:
            (x,), (d,) = args, dims
            return self.pass_batch(axis, x, d, **params)
        (x,), (d,) = args, dims
        shape = x.shape if d is None else without(x.shape, [d])
        self.abstract_eval(aval_of(x).update(shape=shape), **params)  # for its errors
        out, dim = self.over_batch(axis, x, d, **params)
        rest = tuple(n for n in names if n != axis.name)
        if rest:
            out = self.bind(out, **{**params, "axes": rest})
        return out, dim

    def over_batch(self, axis: Any, x: Any, d: int | None, **params: Any) -> Any:
        """Act on the mapped axis of a batch."""
        raise NotImplementedError

    def pass_batch(self, axis: Any, x: Any, d: int | None, **params: Any) -> Any:
        """Act across another axis, with a batch axis along for the ride."""
        return self.bind(x, **params), d


class Reduce(Collective):
    """psum, pmax, pmin."""

    def __init__(self, name: str, combine: str, reduction: str):
        super().__init__(name)
        self.combine = combine
        self.reduction = reduction

    def abstract_eval(self, x: ShapedArray, **params: Any) -> ShapedArray:
        return x.strong()

    def impl(self, xp: Any, x: Any, *, axes: tuple[Any, ...]) -> Any:
        for name in axes:
            meeting, rank = standing(name)
            x = meeting.reduce(rank, x, getattr(xp, self.combine))
        return x

    def over_batch(self, axis: Any, x: Any, d: int | None, **params: Any) -> Any:
        if d is None:
            return (P.mul(x, lit(x, axis.size)) if self.name == "psum" else x), None
        return getattr(P, self.reduction)(x, axes=(d,)), None

    def jvp(self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], *, axes: Any) -> Any:
        (x,), (t,) = primals, tangents
        if self.name == "psum":
            return self.bind(t, axes=axes)
        # The instances that attain the extremum share its tangent equally.
        hit = P.convert_element_type(P.eq(x, out), new_dtype=t.dtype)
        return P.div(P.psum(P.mul(t, hit), axes=axes), P.psum(hit, axes=axes))

    def transpose(self, ct: Any, x: Any, *, axes: Any) -> list[Any]:
        return [P.psum(ct, axes=axes)]


Reduce("psum", "add", "reduce_sum")
Reduce("pmax", "maximum", "reduce_max")
Reduce("pmin", "minimum", "reduce_min")


class LinearCollective(Collective):
    """Data movement: the tangent moves as the value does."""

    def jvp(self, primals: Any, out: Any, tangents: Sequence[Any], **params: Any) -> Any:
        return self.bind(tangents[0], **params)


class AllGather(LinearCollective):
    """Stack (or concatenate, `tiled`) the values of all instances along `dimension`."""

    name = "all_gather"

    def abstract_eval(
        self, x: ShapedArray, *, axes: Any, size: int, dimension: int, tiled: bool
    ) -> ShapedArray:
        shape = list(x.shape)
        if tiled:
            shape[dimension] *= size
        else:
            shape.insert(dimension, size)
        return x.update(shape=tuple(shape))

    def impl(self, xp: Any, x: Any, *, axes: Any, size: int, dimension: int, tiled: bool) -> Any:
        meeting, rank = standing(axes[0])
        values = meeting.exchange(rank, x)
        return xp.concatenate(values, dimension) if tiled else xp.stack(values, dimension)

    def transpose(
        self, ct: Any, x: Any, *, axes: Any, size: int, dimension: int, tiled: bool
    ) -> list[Any]:
        return [P.psum_scatter(ct, axes=axes, size=size, dimension=dimension, tiled=tiled)]

    def over_batch(
        self, axis: Any, x: Any, d: int | None, *, axes: Any, size: int, dimension: int, tiled: bool
    ) -> Any:
        x = materialize(x, d, axis.size, dimension)
        if tiled:
            shape = list(x.shape)
            shape[dimension : dimension + 2] = [shape[dimension] * shape[dimension + 1]]
            x = P.reshape(x, new_sizes=tuple(shape))
        return x, None

    def pass_batch(self, axis: Any, x: Any, d: int | None, *, dimension: int, **params: Any) -> Any:
        x = materialize(x, d, axis.size)
        return self.bind(x, dimension=dimension + 1, **params), 0


AllGather()


class PsumScatter(LinearCollective):
    """Sum over the instances, of which each keeps its part along `dimension`."""

    name = "psum_scatter"

    def abstract_eval(
        self, x: ShapedArray, *, axes: Any, size: int, dimension: int, tiled: bool
    ) -> ShapedArray:
        shape = list(x.shape)
        got = shape[dimension]
        if (got % size if tiled else got != size) != 0:
            wanted = f"a multiple of {size}" if tiled else str(size)
            raise ShapeError(
                f"psum_scatter expects axis {dimension} of {x.short()} to have {wanted} elements, "
                f"the size of the mapped axis, got {got}."
            )
        if tiled:
            shape[dimension] //= size
        else:
            del shape[dimension]
        return x.update(shape=tuple(shape))

    def impl(self, xp: Any, x: Any, *, axes: Any, size: int, dimension: int, tiled: bool) -> Any:
        meeting, rank = standing(axes[0])
        total = meeting.reduce(rank, x, xp.add)
        if not tiled:
            return xp.take(total, rank, dimension)
        return xp.split(total, size, dimension)[rank]

    def transpose(
        self, ct: Any, x: Any, *, axes: Any, size: int, dimension: int, tiled: bool
    ) -> list[Any]:
        return [P.all_gather(ct, axes=axes, size=size, dimension=dimension, tiled=tiled)]

    def over_batch(
        self, axis: Any, x: Any, d: int | None, *, axes: Any, size: int, dimension: int, tiled: bool
    ) -> Any:
        total = P.mul(x, lit(x, axis.size)) if d is None else P.reduce_sum(x, axes=(d,))
        if tiled:
            shape = list(total.shape)
            shape[dimension : dimension + 1] = [size, shape[dimension] // size]
            total = P.reshape(total, new_sizes=tuple(shape))
        return total, dimension

    def pass_batch(self, axis: Any, x: Any, d: int | None, *, dimension: int, **params: Any) -> Any:
        x = materialize(x, d, axis.size)
        return self.bind(x, dimension=dimension + 1, **params), 0


PsumScatter()


class AllToAll(LinearCollective):
    """Cut each value in `size` parts along `split`; part j goes to instance j, which joins what it
    receives along `concat`. Always tiled: the public function reshapes for the other form.
    """

    name = "all_to_all"

    def abstract_eval(
        self, x: ShapedArray, *, axes: Any, size: int, split: int, concat: int
    ) -> ShapedArray:
        shape = list(x.shape)
        if shape[split] % size:
            raise ShapeError(
                f"all_to_all expects axis {split} of {x.short()} to be a multiple of the mapped "
                f"axis' size {size}."
            )
        shape[split] //= size
        shape[concat] *= size
        return x.update(shape=tuple(shape))

    def impl(self, xp: Any, x: Any, *, axes: Any, size: int, split: int, concat: int) -> Any:
        meeting, rank = standing(axes[0])
        parts = meeting.exchange(rank, xp.split(x, size, split))
        return xp.concatenate([p[rank] for p in parts], concat)

    def transpose(
        self, ct: Any, x: Any, *, axes: Any, size: int, split: int, concat: int
    ) -> list[Any]:
        return [self.bind(ct, axes=axes, size=size, split=concat, concat=split)]

    def over_batch(
        self, axis: Any, x: Any, d: int | None, *, axes: Any, size: int, split: int, concat: int
    ) -> Any:
        x = materialize(x, d, axis.size)
        shape = list(x.shape[1:])
        # (instance, ..., part * rest, ...): the parts become the instances and vice versa.
        shape[split : split + 1] = [size, shape[split] // size]
        x = P.reshape(x, new_sizes=(axis.size, *shape))
        x = move_axis(x, split + 1, 0)  # (part, instance, ...)
        x = move_axis(x, 1, concat + 1)  # the instance goes in front of the joined axis
        shape = list(x.shape)
        shape[concat + 1 : concat + 3] = [shape[concat + 1] * shape[concat + 2]]
        return P.reshape(x, new_sizes=tuple(shape)), 0

    def pass_batch(
        self, axis: Any, x: Any, d: int | None, *, split: int, concat: int, **params: Any
    ) -> Any:
        x = materialize(x, d, axis.size)
        return self.bind(x, split=split + 1, concat=concat + 1, **params), 0


AllToAll()


class Ppermute(LinearCollective):
    """Send values along (source, destination) pairs; who receives none gets zeros."""

    name = "ppermute"

    def impl(self, xp: Any, x: Any, *, axes: Any, perm: tuple[tuple[int, int], ...]) -> Any:
        meeting, rank = standing(axes[0])
        values = meeting.exchange(rank, x)
        source = next((s for s, d in perm if d == rank), None)
        return xp.zeros_like(x) if source is None else values[source]

    def transpose(self, ct: Any, x: Any, *, axes: Any, perm: Any) -> list[Any]:
        return [self.bind(ct, axes=axes, perm=tuple((d, s) for s, d in perm))]

    def over_batch(self, axis: Any, x: Any, d: int | None, *, axes: Any, perm: Any) -> Any:
        x = materialize(x, d, axis.size)
        source = {d: s for s, d in perm}
        zero = add_axis(zeros(x.aval.update(shape=x.shape[1:])), 1)
        rows = []
        for i in range(axis.size):
            if i in source:
                s = source[i]
                stop = (s + 1, *x.shape[1:])
                start = (s, *[0] * (x.ndim - 1))
                rows.append(P.slice(x, start_indices=start, limit_indices=stop, strides=None))
            else:
                rows.append(zero)
        return P.concatenate(*rows, dimension=0), 0


Ppermute()


class AxisIndex(Collective):
    """The position of this instance along the axis."""

    name = "axis_index"

    def abstract_eval(self, *, axes: Any) -> ShapedArray:  # type: ignore[override]
        return ShapedArray((), np.dtype(np.int32))

    def impl(self, xp: Any, *, axes: Any) -> Any:
        return xp.asarray(standing(axes[0])[1], np.int32)

    def batch(self, axis: Any, args: Any, dims: Any, *, axes: Any) -> Any:
        return P.iota(dtype=np.dtype(np.int32), shape=(axis.size,), dimension=0), 0


AxisIndex()


# ------------------------------------------------------------------ the public functions
def _no_groups(what: str, groups: Any) -> None:
    if groups is not None:
        raise FxTypeError(
            f"{what} takes no axis_index_groups: map two axes and reduce over one of their names."
        )


def _single(what: str, axis_name: Any) -> Any:
    names = names_of(axis_name)
    if len(names) != 1:
        raise FxTypeError(f"{what} expects one axis name, got {axis_name!r}.")
    return names[0]


@public
def axis_size(axis_name: Any) -> int:
    """The number of instances along a mapped axis, a Python int (a product for several names).

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.vmap(lambda x: x / fx.lax.axis_size("i"), axis_name="i")(jnp.ones(2))
        Array([0.5, 0.5], dtype=float32)
    """
    size = 1
    for name in names_of(axis_name):
        if name not in state.axes:
            raise unbound(name, "axis_size")
        size *= state.axes[name].size
    return size


@public
def axis_index(axis_name: Any) -> Any:
    """The position of this instance along a mapped axis, int32 of shape ().

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.vmap(lambda x: fx.lax.axis_index("i"), axis_name="i")(jnp.ones(3))
        Array([0, 1, 2], dtype=int32)
    """
    names = names_of(axis_name)
    if not names:
        raise FxValueError("axis_index needs the name of an axis, got an empty tuple.")
    index = P.axis_index(axes=names[:1])
    for name in names[1:]:
        part = P.axis_index(axes=(name,))
        index = P.add(P.mul(index, lit(part, axis_size(name))), part)
    return index


@public
def psum(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """Sum over the instances of a mapped axis (or several); every instance gets it.

    Args:
        x: arrays in a pytree. A Python number is multiplied by the axis' size at once.
        axis_name: a name or a tuple of names.
        axis_index_groups: not supported.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.vmap(lambda x: x / fx.lax.psum(x, "i"), axis_name="i")(jnp.asarray([1.0, 3.0]))
        Array([0.25, 0.75], dtype=float32)
    """
    _no_groups("psum", axis_index_groups)
    names = names_of(axis_name)

    def total(leaf: Any) -> Any:
        if isinstance(leaf, (int, float, complex)) and not isinstance(leaf, bool):
            return leaf * axis_size(names)
        leaf = to_array(leaf, "psum")
        if leaf.dtype == np.bool_:
            leaf = P.convert_element_type(leaf, new_dtype=np.dtype(np.int32))
        return P.psum(leaf, axes=names)

    return tree_map(total, x)


@public
def pmean(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """Mean over the instances of a mapped axis; arguments as in `psum`."""
    size = axis_size(axis_name)
    total = psum(x, axis_name, axis_index_groups=axis_index_groups)

    def divide(leaf: Any) -> Any:
        if not isinstance(leaf, (int, float, complex)):
            if leaf.dtype.kind in "iu":
                leaf = P.convert_element_type(leaf, new_dtype=np.dtype(np.float32))
            return P.div(leaf, lit(leaf, size))
        return leaf / size

    return tree_map(divide, total)


@public
def pmax(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """Maximum over the instances of a mapped axis; arguments as in `psum`."""
    _no_groups("pmax", axis_index_groups)
    return tree_map(lambda v: P.pmax(to_array(v, "pmax"), axes=names_of(axis_name)), x)


@public
def pmin(x: Any, axis_name: Any, *, axis_index_groups: Any = None) -> Any:
    """Minimum over the instances of a mapped axis; arguments as in `psum`."""
    _no_groups("pmin", axis_index_groups)
    return tree_map(lambda v: P.pmin(to_array(v, "pmin"), axes=names_of(axis_name)), x)


def _axis(what: str, axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise FxValueError(f"{what}: axis {axis} does not exist in an array of {rank} axes.")
    return axis % rank


@public
def all_gather(
    x: Any, axis_name: Any, *, axis_index_groups: Any = None, axis: int = 0, tiled: bool = False
) -> Any:
    """The values of all instances, stacked along a new axis (`tiled`: concatenated along one).

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.vmap(lambda x: fx.lax.all_gather(x, "i"), axis_name="i")(jnp.arange(2))
        Array([[0, 1],
               [0, 1]], dtype=int32)
    """
    _no_groups("all_gather", axis_index_groups)
    names = names_of(axis_name)
    sizes = [axis_size(name) for name in names]

    def gather(leaf: Any) -> Any:
        leaf = to_array(leaf, "all_gather")
        dimension = _axis("all_gather", axis, leaf.ndim + (not tiled))
        joined = tiled
        for name, size in zip(names[::-1], sizes[::-1], strict=True):
            leaf = P.all_gather(leaf, axes=(name,), size=size, dimension=dimension, tiled=joined)
            joined = True  # further names extend the axis that the first has made
        return leaf

    return tree_map(gather, x)


@public
def psum_scatter(
    x: Any,
    axis_name: Any,
    *,
    scatter_dimension: int = 0,
    axis_index_groups: Any = None,
    tiled: bool = False,
) -> Any:
    """Sum over the instances, each keeping one part along `scatter_dimension`.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.vmap(lambda x: fx.lax.psum_scatter(x, "i"), axis_name="i")(jnp.ones((2, 2)))
        Array([2., 2.], dtype=float32)
    """
    _no_groups("psum_scatter", axis_index_groups)
    *outer, last = [(name, axis_size(name)) for name in names_of(axis_name)]

    def scatter(leaf: Any) -> Any:
        leaf = to_array(leaf, "psum_scatter")
        dim = _axis("psum_scatter", scatter_dimension, leaf.ndim)
        for name, size in outer:
            leaf = P.psum_scatter(leaf, axes=(name,), size=size, dimension=dim, tiled=True)
        name, size = last
        return P.psum_scatter(leaf, axes=(name,), size=size, dimension=dim, tiled=tiled)

    return tree_map(scatter, x)


@public
def all_to_all(
    x: Any,
    axis_name: Any,
    split_axis: int,
    concat_axis: int,
    *,
    axis_index_groups: Any = None,
    tiled: bool = False,
) -> Any:
    """Exchange the mapped axis with an axis of the arrays.

    Args:
        x: arrays in a pytree; `split_axis` has the size of the mapped axis (`tiled`: a multiple).
        axis_name: one name.
        split_axis: the axis whose parts go to the instances.
        concat_axis: where the axis of the senders goes (`tiled`: is joined).
        axis_index_groups: not supported.
        tiled: keep the number of axes.
    """
    _no_groups("all_to_all", axis_index_groups)
    name = _single("all_to_all", axis_name)
    size = axis_size(name)

    def exchange(leaf: Any) -> Any:
        leaf = to_array(leaf, "all_to_all")
        split = _axis("all_to_all", split_axis, leaf.ndim)
        concat = _axis("all_to_all", concat_axis, leaf.ndim)
        if tiled:
            return P.all_to_all(leaf, axes=(name,), size=size, split=split, concat=concat)
        if leaf.shape[split] != size:
            raise ShapeError(
                f"all_to_all expects split_axis {split_axis} of {leaf.aval.short()} to have the "
                f"size of the mapped axis, {size}. Use tiled=True for a multiple of it."
            )
        # Put a unit axis where the senders go, exchange, and drop the split axis, now of size 1.
        leaf = move_axis(leaf, split, 0)
        shape = list(leaf.shape)
        shape.insert(concat + 1, 1)
        leaf = P.reshape(leaf, new_sizes=tuple(shape))
        out = P.all_to_all(leaf, axes=(name,), size=size, split=0, concat=concat + 1)
        return P.squeeze(out, dimensions=(0,))

    return tree_map(exchange, x)


@public
def ppermute(x: Any, axis_name: Any, perm: Sequence[tuple[int, int]]) -> Any:
    """Send each instance's value to another.

    Args:
        x: arrays in a pytree.
        axis_name: one name.
        perm: (source, destination) pairs; no instance twice on either side. Instances that
            receive nothing get zeros.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> shift = lambda x: fx.lax.ppermute(x, "i", [(0, 1), (1, 2)])
        >>> fx.vmap(shift, axis_name="i")(jnp.arange(1, 4))
        Array([0, 1, 2], dtype=int32)
    """
    name = _single("ppermute", axis_name)
    size = axis_size(name)
    pairs = tuple((int(s), int(d)) for s, d in perm)
    for side in zip(*pairs, strict=True):
        if len(set(side)) != len(side) or not all(0 <= i < size for i in side):
            raise FxValueError(
                f"ppermute: perm must have each source and each destination at most once, all "
                f"from 0 to {size - 1}, got {pairs}."
            )
    return tree_map(lambda v: P.ppermute(to_array(v, "ppermute"), axes=(name,), perm=pairs), x)


@public
def pshuffle(x: Any, axis_name: Any, perm: Sequence[int]) -> Any:
    """Instance i gets the value of instance `perm[i]`.

    Args:
        x: arrays in a pytree.
        axis_name: one name.
        perm: a permutation of the instances' positions.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.vmap(lambda x: fx.lax.pshuffle(x, "i", [2, 0, 1]), axis_name="i")(jnp.arange(3))
        Array([2, 0, 1], dtype=int32)
    """
    size = axis_size(_single("pshuffle", axis_name))
    if sorted(perm) != list(range(size)):
        raise FxValueError(
            f"pshuffle: perm must be a permutation of 0 to {size - 1}, got {tuple(perm)}."
        )
    return ppermute(x, axis_name, [(source, i) for i, source in enumerate(perm)])


@public
def pswapaxes(x: Any, axis_name: Any, axis: int, *, axis_index_groups: Any = None) -> Any:
    """Swap the mapped axis with an axis of the arrays, which must be of its size.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> x = jnp.asarray([[1, 2], [3, 4]])
        >>> fx.vmap(lambda row: fx.lax.pswapaxes(row, "i", 0), axis_name="i")(x)
        Array([[1, 3],
               [2, 4]], dtype=int32)
    """
    return all_to_all(x, axis_name, axis, axis, axis_index_groups=axis_index_groups)
