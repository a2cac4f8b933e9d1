"""The public vmap, and what it shares with pmap: axes given as trees, sizes that must agree."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from fx.core.array import Array, is_arraylike, to_array
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.pytree import (
    flatten_prefix,
    keystr,
    tree_flatten,
    tree_flatten_with_path,
    tree_leaves,
    tree_unflatten,
)
from fx.transforms.stage import FlatFunction, name_of, origin_of
from fx.transforms.vmap import materialize, vmap_flat


def is_none(x: Any) -> bool:
    """For `is_leaf`: None means "not mapped" in a tree of axes."""
    return x is None


def check_axes(axes: Any, what: str, option: str) -> None:
    """Raise unless a tree of axes holds only integers and None."""
    for axis in tree_leaves(axes, is_leaf=is_none):
        if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int)):
            raise FxTypeError(
                f"{what}: {option} expects integers and None (or trees of them), got {axis!r}."
            )


def map_inputs(
    what: str, fun: Any, args: Any, kwargs: Any, in_axes: Any, axis_size: int | None
) -> tuple[list[Array], Any, list[int | None], int]:
    """Flatten the arguments of a mapped function and find their axes and the common size."""
    if isinstance(in_axes, (tuple, list)) and len(in_axes) != len(args):
        raise FxValueError(
            f"{what} of {name_of(fun)}: in_axes has {len(in_axes)} entries for {len(args)} "
            "positional arguments. Give one entry an argument, or a single axis for all."
        )
    leaves, tree = tree_flatten((args, kwargs))
    spec = in_axes if not isinstance(in_axes, list) else tuple(in_axes)
    args_tree = tree_flatten(tuple(args))[1]
    dims: list[Any] = flatten_prefix(f"{what} in_axes", spec, args_tree, is_leaf=is_none)
    dims += [0] * (len(leaves) - len(dims))  # keyword arguments map axis 0

    arrays: list[Array] = []
    sizes: list[int | None] = []
    for i, (x, dim) in enumerate(zip(leaves, dims, strict=True)):
        if not is_arraylike(x):
            where = _path(args, kwargs, i)
            raise FxTypeError(
                f"{what} of {name_of(fun)} expects arrays, got {type(x).__name__} at {where}. "
                "Close over Python values with functools.partial."
            )
        x = to_array(x)
        arrays.append(x)
        if dim is None:
            sizes.append(None)
            continue
        if not -x.ndim <= dim < x.ndim:
            raise ShapeError(
                f"{what} of {name_of(fun)}: in_axes maps axis {dim} of {_path(args, kwargs, i)}, "
                f"which has shape {x.shape}. Use None for an argument that is not mapped."
            )
        dims[i] = dim % x.ndim
        sizes.append(x.shape[dims[i]])
    found = [s for s in sizes if s is not None]
    size = axis_size if axis_size is not None else (found[0] if found else None)
    if size is None:
        raise FxValueError(
            f"{what} of {name_of(fun)} needs at least one mapped argument (an in_axes entry that "
            "is not None) or axis_size=."
        )
    if any(s != size for s in found):
        table = ", ".join(
            f"{_path(args, kwargs, i)} has {s}" for i, s in enumerate(sizes) if s is not None
        )
        wanted = f" (axis_size={axis_size})" if axis_size is not None else ""
        raise ShapeError(
            f"{what} of {name_of(fun)}: mapped axes must have one size{wanted}, but {table}."
        )
    return arrays, tree, dims, size


def _path(args: Any, kwargs: Any, index: int) -> str:
    paths = tree_flatten_with_path((args, kwargs))[0]
    path = paths[index][0]
    name = keystr(path[1:])
    return f"argument {name}" if path[0].idx == 0 else f"keyword {name}"  # type: ignore[union-attr]


def out_dims(what: str, out_axes: Any, out_tree: Any, ranks: Sequence[int]) -> list[int | None]:
    """The axis of each result; `ranks` are those of the results with the mapped axis."""
    dims = flatten_prefix(f"{what} out_axes", out_axes, out_tree, is_leaf=is_none)
    checked: list[int | None] = []
    for dim, rank in zip(dims, ranks, strict=True):
        if dim is not None and not -rank <= dim < rank:
            raise ShapeError(
                f"{what}: out_axes has {dim} for a result of {rank} axes with the mapped one."
            )
        checked.append(None if dim is None else dim % rank)
    return checked


@public
def vmap(
    fun: Callable[..., Any],
    in_axes: Any = 0,
    out_axes: Any = 0,
    axis_name: Any = None,
    axis_size: int | None = None,
    spmd_axis_name: Any = None,
) -> Callable[..., Any]:
    """Map a function over an axis of its arguments, as one batched program.

    Args:
        fun: a function of arrays in pytrees.
        in_axes: for each positional argument the axis to map, None for one that is not mapped,
            or a tree prefix of these. Keyword arguments map axis 0.
        out_axes: where the mapped axis goes in the results, likewise; None for a result that
            does not depend on it.
        axis_name: a name for collectives such as `fx.lax.psum`.
        axis_size: the size, needed only where nothing is mapped.
        spmd_axis_name: accepted as in JAX, without effect.

    Returns:
        A function with the arguments of `fun`.

    Raises:
        ShapeError: sizes of mapped axes differ, or an axis does not exist.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.vmap(jnp.dot, in_axes=(0, None))(jnp.eye(3), jnp.arange(3.0))
        Array([0., 1., 2.], dtype=float32)
    """
    if not callable(fun):
        raise FxTypeError(f"vmap expects a function, got {type(fun).__name__}.")
    if not isinstance(in_axes, (int, tuple, list, type(None))):
        raise FxTypeError(
            f"vmap: in_axes expects an int, None, or a tuple with an entry for each positional "
            f"argument, got {type(in_axes).__name__}."
        )
    check_axes(in_axes, "vmap", "in_axes")
    check_axes(out_axes, "vmap", "out_axes")
    origin = origin_of(fun)

    @public
    @functools.wraps(fun)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        arrays, tree, dims, size = map_inputs("vmap", fun, args, kwargs, in_axes, axis_size)
        flat = FlatFunction(fun, tree, what="vmap")
        outs, found = vmap_flat(flat, arrays, dims, name=axis_name, size=size, origin=origin)
        ranks = [x.ndim + (d is None) for x, d in zip(outs, found, strict=True)]
        wanted = out_dims("vmap", out_axes, flat.out_tree, ranks)
        results = []
        for x, d, want in zip(outs, found, wanted, strict=True):
            if want is None:
                if d is not None:
                    raise FxValueError(
                        f"vmap of {name_of(fun)}: out_axes is None for a result that depends on "
                        "the mapped axis. Give an axis, or reduce it with a collective."
                    )
                results.append(x)
            else:
                results.append(materialize(x, d, size, want))
        return tree_unflatten(flat.out_tree, results)

    return mapped
