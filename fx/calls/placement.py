"""Shardings as placements: what `device_put`, `reshard` and the shardings of `jit` do on one host.

The value stays where it is, in one piece. A concrete array remembers its sharding; under a trace
only the sizes are checked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.backend import Device, backend_for
from fx.core.mesh import (
    NamedSharding,
    PartitionSpec,
    Sharding,
    SingleDeviceSharding,
    current_mesh,
)
from fx.core.remote import DeviceArray
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.pytree import flatten_prefix, tree_flatten, tree_map, tree_unflatten
from fx.util import without


def resolve(what: str, sharding: Any) -> Sharding | None:
    """What a user gives for a place, as a sharding; None for no wish."""
    if sharding is None or isinstance(sharding, Sharding):
        return sharding
    if isinstance(sharding, Device):
        return SingleDeviceSharding(sharding)
    if isinstance(sharding, PartitionSpec):
        mesh = current_mesh()
        if mesh is None or mesh.empty:
            raise FxValueError(
                f"{what}: {sharding} says nothing without a mesh. Use it inside `with "
                "fx.set_mesh(mesh):`, or write fx.NamedSharding(mesh, spec)."
            )
        return NamedSharding(mesh, sharding)
    raise FxTypeError(
        f"{what} expects a sharding, a PartitionSpec, a Device or None, got "
        f"{type(sharding).__name__}."
    )


def placed(what: str, x: Any, sharding: Any) -> Any:
    """An array with a sharding; a traced one is only checked."""
    x, place = to_array(x, what), resolve(what, sharding)
    if isinstance(place, NamedSharding):
        place.check(what, x.shape)
    if place is None or type(x) not in (Array, DeviceArray):
        return x
    if isinstance(place, SingleDeviceSharding):
        (device,) = place.device_set
        if device.platform != "cpu":
            return backend_for(device).put(x)  # type: ignore[attr-defined]
    result = Array(x._data if type(x) is Array else np.asarray(x), x.weak_type)
    result._placement = place
    return result


def place_tree(what: str, xs: Any, shardings: Any) -> Any:
    """`placed` for the leaves of a tree; `shardings` is a tree prefix."""
    leaves, tree = tree_flatten(xs)
    places = flatten_prefix(f"{what} shardings", shardings, tree, is_leaf=lambda s: s is None)
    results = [placed(what, x, s) for x, s in zip(leaves, places, strict=True)]
    return tree_unflatten(tree, results)


def constrained(
    fun: Callable[..., Any], in_shardings: Any, out_shardings: Any, static: Sequence[int]
) -> Any:
    """`fun` with the sizes of its arguments and results checked against shardings.

    `static` arguments have none.
    """
    wanted = tuple(in_shardings) if isinstance(in_shardings, list) else in_shardings

    @functools.wraps(fun)
    def function(*args: Any, **kwargs: Any) -> Any:
        kept = {i % len(args) for i in static if -len(args) <= i < len(args)}
        placed_args = iter(place_tree("jit in_shardings", without(args, kept), wanted))
        full = [x if i in kept else next(placed_args) for i, x in enumerate(args)]
        return place_tree("jit out_shardings", fun(*full, **kwargs), out_shardings)

    return function


@public
def with_sharding_constraint(x: Any, shardings: Any) -> Any:
    """The arrays of a tree, to be placed as given.

    Args:
        x: arrays in a pytree.
        shardings: a `NamedSharding`, a `PartitionSpec` (for the mesh in scope) or None, or a tree
            prefix of these.

    Returns:
        The same values. Concrete arrays have the sharding; of traced ones the sizes are checked.

    Raises:
        ShapeError: mesh axes do not divide the array axes that they cut.
        FxValueError: a spec names an axis that the mesh does not have, or there is no mesh.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> with fx.set_mesh(fx.make_mesh((2,), ("x",))):
        ...     y = fx.lax.with_sharding_constraint(jnp.ones(4), fx.P("x"))
        >>> y.sharding.spec
        PartitionSpec('x')
    """
    return place_tree("with_sharding_constraint", x, shardings)


@public
def reshard(xs: Any, out_shardings: Any) -> Any:
    """The arrays of a tree with other shardings; arguments and errors of
    `with_sharding_constraint`.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> sharding = fx.NamedSharding(fx.make_mesh((2,), ("x",)), fx.P("x"))
        >>> fx.reshard(jnp.arange(2), sharding)
        Array([0, 1], dtype=int32)
    """
    return place_tree("reshard", xs, out_shardings)


@public
def pcast(x: Any, axis_name: Any, *, to: str) -> Any:
    """The value unchanged: fx finds out by itself which values differ between devices.

    Args:
        x: arrays in a pytree.
        axis_name: a mesh axis or several.
        to: "varying", "reduced" or "unreduced", accepted as in JAX.
    """
    return tree_map(lambda leaf: to_array(leaf, "pcast"), x)


# ------------------------------------------------------------------ from parts
@public
def make_array_from_callback(
    shape: Sequence[int], sharding: Sharding, data_callback: Callable[..., Any], dtype: Any = None
) -> Array:
    """An array whose parts a function gives.

    Args:
        shape: of the whole.
        sharding: which device has which part.
        data_callback: from the slices of a part to its data; called once for each part.
        dtype: of the result; by default that of the first part.

    Raises:
        ShapeError: the mesh does not divide the shape, or a part has the wrong shape.

    Example:
        >>> import fx, numpy as np
        >>> sharding = fx.NamedSharding(fx.make_mesh((2,), ("x",)), fx.P("x"))
        >>> fx.make_array_from_callback((4,), sharding, lambda index: np.arange(4)[index] * 10)
        Array([ 0, 10, 20, 30], dtype=int64)
    """
    places = sharding.devices_indices_map(shape)
    return _assembled(
        "make_array_from_callback",
        shape,
        sharding,
        {str(index): (index, data_callback(index)) for index in places.values()},
        dtype,
    )


def _assembled(
    what: str, shape: Sequence[int], sharding: Sharding, parts: dict[str, Any], dtype: Any
) -> Array:
    first = to_array(next(iter(parts.values()))[1], what)
    out = np.empty(tuple(shape), first.dtype if dtype is None else dtypes.canonicalize(dtype))
    for index, part in parts.values():
        data = np.asarray(to_array(part, what))
        if out[index].shape != data.shape:
            raise ShapeError(
                f"{what}: the part at {index} has shape {data.shape}, expected {out[index].shape}."
            )
        out[index] = data
    return placed(what, Array(out), sharding)


@public
def make_array_from_single_device_arrays(
    shape: Sequence[int], sharding: Sharding, arrays: Sequence[Any], *, dtype: Any = None
) -> Array:
    """An array from its parts, one for each device, in the order of the sharding's devices.

    Args:
        shape: of the whole.
        sharding: which device has which part.
        arrays: the parts.
        dtype: of the result; by default that of the parts.

    Raises:
        FxValueError: not one part for each device.
        ShapeError: a part has the wrong shape.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> sharding = fx.NamedSharding(fx.make_mesh((2,), ("x",)), fx.P("x"))
        >>> fx.make_array_from_single_device_arrays((4,), sharding, [jnp.zeros(2), jnp.ones(2)])
        Array([0., 0., 1., 1.], dtype=float32)
    """
    what, places = "make_array_from_single_device_arrays", sharding.devices_indices_map(shape)
    if len(arrays) != len(places):
        raise FxValueError(f"{what}: {len(arrays)} arrays for {len(places)} devices.")
    pairs = zip(places.values(), arrays, strict=True)
    return _assembled(what, shape, sharding, {str(i): (i, part) for i, part in pairs}, dtype)


@public
def make_array_from_process_local_data(
    sharding: Sharding, local_data: Any, global_shape: Sequence[int] | None = None
) -> Any:
    """Arrays whose parts the processes hold: of the one process, all.

    Args:
        sharding: which device has which part.
        local_data: the array, or a pytree of arrays.
        global_shape: checked where it is given.

    Raises:
        ShapeError: the shape is another one, or the mesh does not divide it.

    Example:
        >>> import fx, numpy as np
        >>> sharding = fx.NamedSharding(fx.make_mesh((2,), ("x",)), fx.P("x"))
        >>> fx.make_array_from_process_local_data(sharding, np.ones(4, "float32"))
        Array([1., 1., 1., 1.], dtype=float32)
    """

    def one(data: Any) -> Any:
        data = to_array(data, "make_array_from_process_local_data")
        if global_shape is not None and data.shape != tuple(global_shape):
            raise ShapeError(
                f"make_array_from_process_local_data: global_shape is {tuple(global_shape)}, but "
                f"the only process has data of shape {data.shape}."
            )
        return placed("make_array_from_process_local_data", data, sharding)

    return tree_map(one, local_data)
