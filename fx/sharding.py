"""How arrays are spread over devices, under the names of `jax.sharding`."""

from fx.calls.placement import reshard
from fx.calls.shard_map import Infer
from fx.core.mesh import (
    AbstractMesh,
    AxisType,
    Mesh,
    NamedSharding,
    PartitionSpec,
    Sharding,
    SingleDeviceSharding,
    get_abstract_mesh,
    get_mesh,
    set_mesh,
    use_abstract_mesh,
)

__all__ = [
    "AbstractMesh",
    "AxisType",
    "Infer",
    "Mesh",
    "NamedSharding",
    "PartitionSpec",
    "Sharding",
    "SingleDeviceSharding",
    "get_abstract_mesh",
    "get_mesh",
    "reshard",
    "set_mesh",
    "use_abstract_mesh",
]
