"""Meshes, partition specs and shardings: how the axes of arrays are spread over devices.

On one host a sharding is a placement: the array keeps its value in one piece of memory, and its
`.sharding` says which device has which part. `shard_map` runs a program on the parts.
"""

from __future__ import annotations

import contextlib
import enum
import math
import operator
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fx.core.backend import Device, cpu_devices
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.signatures import declare, shown


class AxisType(enum.Enum):
    """How JAX's compiler treats a mesh axis. fx accepts them all and treats them alike."""

    Auto = "auto"
    Explicit = "explicit"
    Manual = "manual"


class _Unconstrained:
    def __repr__(self) -> str:
        return "UNCONSTRAINED"


def _names_in(names: Any) -> frozenset[Any]:
    try:
        return frozenset(names)
    except TypeError:
        raise FxTypeError(
            f"PartitionSpec expects sets of axis names, got {shown(names)}."
        ) from None


class PartitionSpec:
    """For each axis of an array, the mesh axes that it is cut along.

    Args:
        *partitions: for each array axis a mesh axis name, a tuple of names (the first one the
            outermost), or None. Array axes beyond the last entry are whole.

    Example:
        >>> import fx
        >>> fx.P("x", None, ("y", "z"))
        PartitionSpec('x', None, ('y', 'z'))
    """

    __slots__ = ("partitions", "reduced", "unreduced")

    UNCONSTRAINED = _Unconstrained()

    def __init__(self, *partitions: Any, unreduced: Any = (), reduced: Any = ()):
        self.partitions = tuple(_entry(p) for p in partitions)
        self.unreduced, self.reduced = _names_in(unreduced), _names_in(reduced)

    def axes(self, i: int) -> tuple[Any, ...]:
        """The mesh axes that array axis `i` is cut along."""
        return names_of(self.partitions[i]) if i < len(self.partitions) else ()

    def used(self) -> list[Any]:
        """All mesh axes named, in order."""
        return [name for p in self.partitions for name in names_of(p)]

    def index(self, value: Any) -> int:
        """The first array axis whose entry is `value`."""
        return self.partitions.index(_entry(value))

    def count(self, value: Any) -> int:
        """How many entries are `value`."""
        return self.partitions.count(_entry(value))

    def __len__(self) -> int:
        return len(self.partitions)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.partitions)

    def __getitem__(self, i: Any) -> Any:
        return self.partitions[i]

    def __add__(self, other: Any) -> PartitionSpec:
        return PartitionSpec(*self, *other)

    def __radd__(self, other: Any) -> PartitionSpec:
        return PartitionSpec(*other, *self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PartitionSpec) and (
            self.partitions == other.partitions and self.unreduced == other.unreduced
        )

    def __hash__(self) -> int:
        return hash((self.partitions, self.unreduced))

    def __reduce__(self) -> Any:
        return PartitionSpec, self.partitions

    def __repr__(self) -> str:
        return f"PartitionSpec({', '.join(map(repr, self.partitions))})"


def _entry(partition: Any) -> Any:
    """A tuple of one name is that name; an empty one is None."""
    if isinstance(partition, list):
        partition = tuple(partition)
    if isinstance(partition, tuple):
        return {0: None, 1: partition[0] if partition else None}.get(len(partition), partition)
    return partition


def names_of(partition: Any) -> tuple[Any, ...]:
    """The mesh axes of one entry of a spec."""
    if partition is None or partition is PartitionSpec.UNCONSTRAINED:
        return ()
    return partition if isinstance(partition, tuple) else (partition,)


class _MeshBase:
    """What a mesh of devices and one without devices share."""

    axis_names: tuple[Any, ...]
    axis_sizes: tuple[int, ...]
    axis_types: tuple[AxisType, ...]

    @property
    def shape(self) -> OrderedDict[Any, int]:
        """Axis name -> size."""
        return OrderedDict(zip(self.axis_names, self.axis_sizes, strict=True))

    @property
    def shape_tuple(self) -> tuple[tuple[Any, int], ...]:
        return tuple(self.shape.items())

    @property
    def size(self) -> int:
        """The number of devices."""
        return math.prod(self.axis_sizes)

    @property
    def empty(self) -> bool:
        return not self.axis_names

    @property
    def abstract_mesh(self) -> AbstractMesh:
        return AbstractMesh(self.axis_sizes, self.axis_names, self.axis_types)

    def _of_type(self, kind: AxisType) -> tuple[Any, ...]:
        pairs = zip(self.axis_names, self.axis_types, strict=True)
        return tuple(name for name, found in pairs if found is kind)

    @property
    def auto_axes(self) -> tuple[Any, ...]:
        return self._of_type(AxisType.Auto)

    @property
    def explicit_axes(self) -> tuple[Any, ...]:
        return self._of_type(AxisType.Explicit)

    @property
    def manual_axes(self) -> tuple[Any, ...]:
        return self._of_type(AxisType.Manual)

    def _key(self) -> Any:
        return self.axis_names, self.axis_sizes

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._key() == other._key()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        sizes = ", ".join(f"{name!r}: {size}" for name, size in self.shape.items())
        return f"{type(self).__name__}({sizes})"

    __repr__ = __str__


def _checked_axes(
    what: str, sizes: Sequence[int], names: Any, types: Any
) -> tuple[tuple[Any, ...], tuple[AxisType, ...]]:
    names = (names,) if isinstance(names, str) else names
    given = [sizes, names] + ([] if types is None or isinstance(types, AxisType) else [types])
    if not all(isinstance(g, (tuple, list)) for g in given):
        raise FxTypeError(f"{what}: sizes, names and types of axes must be tuples, got {given}.")
    names = tuple(names)
    if any(name.__hash__ is None for name in names):
        raise FxTypeError(f"{what}: names of axes must be strings, got {names}.")
    if len(names) != len(sizes):
        raise FxValueError(
            f"{what}: axes of sizes {tuple(sizes)}, one name for each expected, got {names}."
        )
    if len(set(names)) != len(names):
        raise FxValueError(f"{what}: axis names must differ, got {names}.")
    types = (AxisType.Auto,) * len(names) if types is None else types
    types = (types,) * len(names) if isinstance(types, AxisType) else tuple(types)
    if len(types) != len(names):
        raise FxValueError(f"{what}: {len(types)} axis_types for {len(names)} axes.")
    return names, types


class AbstractMesh(_MeshBase):
    """Axis names and sizes without devices.

    Example:
        >>> import fx
        >>> fx.sharding.AbstractMesh((2, 4), ("x", "y"))
        AbstractMesh('x': 2, 'y': 4)
    """

    @public
    def __init__(self, axis_sizes: Sequence[int], axis_names: Any, axis_types: Any = None):
        self.axis_sizes = tuple(int(s) for s in axis_sizes)
        self.axis_names, self.axis_types = _checked_axes(
            "AbstractMesh", self.axis_sizes, axis_names, axis_types
        )


class Mesh(_MeshBase):
    """Devices in a grid whose axes have names.

    Args:
        devices: an array of devices (a list makes one axis).
        axis_names: a name for each axis of the grid.
        axis_types: accepted as in JAX.

    As a context manager it is the mesh that specs without one refer to.

    Raises:
        FxValueError: names do not match the grid.

    Example:
        >>> import fx, numpy as np
        >>> fx.sharding.Mesh(np.array(fx.devices()), "x")
        Mesh('x': 1)
    """

    @public
    def __init__(self, devices: Any, axis_names: Any, axis_types: Any = None):
        grid = np.asarray(devices, dtype=object)
        if grid.ndim and not all(isinstance(d, Device) for d in grid.flat):
            raise FxTypeError(
                "Mesh expects an array of devices, e.g. np.array(fx.devices()); "
                f"got {type(devices).__name__} of {sorted({type(d).__name__ for d in grid.flat})}."
            )
        self.devices = grid
        self.axis_sizes = grid.shape
        self.axis_names, self.axis_types = _checked_axes("Mesh", grid.shape, axis_names, axis_types)
        self._entered: list[Any] = []

    def _key(self) -> Any:
        return self.axis_names, self.axis_sizes, tuple(self.devices.flat)

    @property
    def device_ids(self) -> np.ndarray:
        return np.array([d.id for d in self.devices.flat]).reshape(self.devices.shape)

    @property
    def local_devices(self) -> list[Device]:
        return list(self.devices.flat)

    @property
    def local_mesh(self) -> Mesh:
        return self

    @property
    def is_multi_process(self) -> bool:
        return False

    def __enter__(self) -> Mesh:
        self._entered.append(_current.mesh)
        _current.mesh = self
        return self

    def __exit__(self, *error: Any) -> None:
        _current.mesh = self._entered.pop()


class _CurrentMesh(threading.local):
    mesh: Any = None


_current = _CurrentMesh()


def current_mesh() -> Any:
    """The mesh in scope, or None."""
    return _current.mesh


class set_mesh:
    """Make a mesh the one in scope: from now on, or as a context manager for a block.

    Args:
        mesh: a `Mesh`, or None for none.

    Example:
        >>> import fx
        >>> with fx.set_mesh(fx.make_mesh((2,), ("x",))):
        ...     fx.sharding.get_mesh()
        Mesh('x': 2)
    """

    @public
    def __init__(self, mesh: Any):
        if mesh is not None and not isinstance(mesh, _MeshBase):
            raise FxTypeError(f"set_mesh expects a Mesh, got {type(mesh).__name__}.")
        self._before = _current.mesh
        _current.mesh = mesh

    def __enter__(self) -> Any:
        return _current.mesh

    def __exit__(self, *error: Any) -> None:
        _current.mesh = self._before


@contextlib.contextmanager
def use_abstract_mesh(mesh: AbstractMesh) -> Iterator[AbstractMesh]:
    """The mesh in scope within a block, given without devices."""
    saved, _current.mesh = _current.mesh, mesh
    try:
        yield mesh
    finally:
        _current.mesh = saved


def get_mesh() -> Mesh:
    """The mesh in scope; an empty one where there is none."""
    mesh = _current.mesh
    return mesh if isinstance(mesh, Mesh) else Mesh(np.empty((), object), ())


def get_abstract_mesh() -> AbstractMesh:
    """Names and sizes of the mesh in scope; empty where there is none."""
    mesh = _current.mesh
    return AbstractMesh((), ()) if mesh is None else mesh.abstract_mesh


@public
def make_mesh(
    axis_shapes: Sequence[int],
    axis_names: Sequence[str],
    axis_types: Any = None,
    *,
    devices: Sequence[Device] | None = None,
) -> Mesh:
    """A mesh with given sizes and names.

    Args:
        axis_shapes: the size of each axis.
        axis_names: its name.
        axis_types: accepted as in JAX.
        devices: in the order of the grid. By default CPU devices, which are threads: there are as
            many as the mesh needs.

    Raises:
        FxValueError: the number of devices is not the product of the sizes, or names do not match.

    Example:
        >>> import fx
        >>> fx.make_mesh((2, 4), ("data", "model"))
        Mesh('data': 2, 'model': 4)
    """
    sizes = tuple(operator.index(s) for s in axis_shapes)
    if any(s < 1 for s in sizes):
        raise FxValueError(f"make_mesh: sizes must be at least 1, got {sizes}.")
    count = math.prod(sizes)
    if count > 1 << 16:
        raise FxValueError(f"make_mesh: sizes {sizes} make {count} devices, more than 65536.")
    found = cpu_devices(count) if devices is None else list(devices)
    if len(found) != count:
        raise FxValueError(
            f"make_mesh: a mesh of sizes {sizes} has {count} devices, but devices= has "
            f"{len(found)}. Leave devices out to have CPU devices made."
        )
    grid = np.empty(count, object)
    grid[:] = found
    return Mesh(grid.reshape(sizes), tuple(axis_names), axis_types)


# ------------------------------------------------------------------ shardings
class Sharding:
    """Base: which device has which part of an array."""

    memory_kind: str | None = None

    @property
    def device_set(self) -> set[Device]:
        raise NotImplementedError

    def devices_indices_map(self, global_shape: Sequence[int]) -> dict[Device, Any]:
        """Device -> the slices of the array that it has."""
        raise NotImplementedError

    def shard_shape(self, global_shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of one device's part."""
        raise NotImplementedError

    @property
    def addressable_devices(self) -> set[Device]:
        return self.device_set

    def addressable_devices_indices_map(self, global_shape: Sequence[int]) -> dict[Device, Any]:
        return self.devices_indices_map(global_shape)

    @property
    def num_devices(self) -> int:
        return len(self.device_set)

    @property
    def is_fully_addressable(self) -> bool:
        return True

    @property
    def has_addressable_devices(self) -> bool:
        return True

    @property
    def is_fully_replicated(self) -> bool:
        raise NotImplementedError

    def is_equivalent_to(self, other: Sharding, ndim: int) -> bool:
        """Whether every device has the same part of an array of `ndim` axes under both."""
        if self.device_set != other.device_set:
            return False
        shape = (math.lcm(self.num_devices, other.num_devices),) * ndim
        return self.devices_indices_map(shape) == other.devices_indices_map(shape)


class SingleDeviceSharding(Sharding):
    """An array that is whole on one device."""

    def __init__(self, device: Device, *, memory_kind: str | None = None):
        self._device = device
        self.memory_kind = memory_kind

    @property
    def device_set(self) -> set[Device]:
        return {self._device}

    @property
    def is_fully_replicated(self) -> bool:
        return True

    def devices_indices_map(self, global_shape: Sequence[int]) -> dict[Device, Any]:
        return {self._device: (slice(None),) * len(global_shape)}

    def shard_shape(self, global_shape: Sequence[int]) -> tuple[int, ...]:
        return tuple(global_shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SingleDeviceSharding) and self._device == other._device

    def __hash__(self) -> int:
        return hash(self._device)

    def __repr__(self) -> str:
        return f"SingleDeviceSharding(device={self._device!r})"


class NamedSharding(Sharding):
    """An array cut along the axes of a mesh.

    Args:
        mesh: a `Mesh`.
        spec: a `PartitionSpec`: for each array axis the mesh axes that cut it.
        memory_kind: accepted as in JAX.

    Raises:
        FxValueError: the spec names an axis that the mesh does not have, or one twice.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> sharding = fx.NamedSharding(fx.make_mesh((2,), ("x",)), fx.P("x"))
        >>> x = fx.device_put(jnp.arange(4), sharding)
        >>> [shard.data.tolist() for shard in x.addressable_shards]
        [[0, 1], [2, 3]]
    """

    @public
    def __init__(self, mesh: Any, spec: PartitionSpec, *, memory_kind: str | None = None):
        if not isinstance(mesh, _MeshBase):
            raise FxTypeError(
                f"NamedSharding expects a Mesh, got {type(mesh).__name__}. Use fx.make_mesh."
            )
        check_spec("NamedSharding", mesh, spec)
        self.mesh: Any = mesh
        self.spec = spec
        self.memory_kind = memory_kind

    @property
    def device_set(self) -> set[Device]:
        return set(self.mesh.devices.flat)

    @property
    def is_fully_replicated(self) -> bool:
        return all(self.mesh.shape[name] == 1 for name in self.spec.used())

    def check(self, what: str, shape: Sequence[int]) -> None:
        """Raise `ShapeError` unless the mesh axes divide the array axes."""
        check_divides(what, self.mesh, self.spec, shape)

    def shard_shape(self, global_shape: Sequence[int]) -> tuple[int, ...]:
        self.check("shard_shape", global_shape)
        counts = self._counts(len(global_shape))
        return tuple(n // c for n, c in zip(global_shape, counts, strict=True))

    def _counts(self, ndim: int) -> list[int]:
        sizes = self.mesh.shape
        return [math.prod(sizes[name] for name in self.spec.axes(i)) for i in range(ndim)]

    def devices_indices_map(self, global_shape: Sequence[int]) -> dict[Device, Any]:
        part, counts = self.shard_shape(global_shape), self._counts(len(global_shape))
        sizes, found = self.mesh.shape, {}
        for place, device in np.ndenumerate(self.mesh.devices):
            where = dict(zip(self.mesh.axis_names, place, strict=True))
            index = []
            for i, (length, count) in enumerate(zip(part, counts, strict=True)):
                block = 0
                for name in self.spec.axes(i):
                    block = block * sizes[name] + where[name]
                whole = count == 1
                index.append(slice(None) if whole else slice(block * length, (block + 1) * length))
            found[device] = tuple(index)
        return found

    def update(self, **changes: Any) -> NamedSharding:
        """A copy with another mesh, spec or memory_kind."""
        return NamedSharding(
            changes.get("mesh", self.mesh),
            changes.get("spec", self.spec),
            memory_kind=changes.get("memory_kind", self.memory_kind),
        )

    def with_memory_kind(self, kind: str) -> NamedSharding:
        return self.update(memory_kind=kind)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedSharding) and (
            self.mesh == other.mesh and self.spec == other.spec
        )

    def __hash__(self) -> int:
        return hash((self.mesh, self.spec))

    def __repr__(self) -> str:
        return f"NamedSharding(mesh={self.mesh!r}, spec={self.spec!r})"


def check_spec(what: str, mesh: _MeshBase, spec: Any) -> None:
    """Raise unless a spec names axes of the mesh, each at most once."""
    if not isinstance(spec, PartitionSpec):
        raise FxTypeError(
            f"{what} expects a PartitionSpec, got {type(spec).__name__}. Write fx.P('x', None)."
        )
    used = spec.used()
    for name in used:
        if name not in mesh.axis_names:
            raise FxValueError(
                f"{what}: {spec} names the axis {name!r}, which {mesh} does not have."
            )
    if len(set(used)) != len(used):
        raise FxValueError(
            f"{what}: {spec} names a mesh axis twice. An axis of devices can cut one array axis; "
            "write None for the others."
        )


def check_divides(what: str, mesh: _MeshBase, spec: PartitionSpec, shape: Sequence[int]) -> None:
    """Raise `ShapeError` unless a spec fits an array of a shape."""
    if len(spec) > len(shape):
        raise ShapeError(
            f"{what}: {spec} has {len(spec)} entries for an array of shape {tuple(shape)}. Give at "
            "most one for each axis."
        )
    for i, size in enumerate(shape):
        count = math.prod(mesh.shape[name] for name in spec.axes(i))
        if size % count:
            raise ShapeError(
                f"{what}: {spec} cuts axis {i} of an array of shape {tuple(shape)} in {count} "
                f"parts, and {count} does not divide {size}. Pad the axis to a multiple of {count} "
                "or write None in its place."
            )


declare("Sharding", "a sharding, such as NamedSharding", lambda x: isinstance(x, Sharding))
