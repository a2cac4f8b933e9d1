"""fx: composable transformations of Python programs: grad, jit, vmap and pmap over a typed IR.

    import fx
    import fx.numpy as jnp

The names are those of `jax`. Submodules that a program may not need (`fx.nn`, `fx.optim`,
`fx.testing`, ...) are imported when they are first used.
"""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

import fx.backends.numpy  # the interpreter; others are imported when they are used
import fx.core.pretty  # noqa: F401  gives jaxprs their repr
from fx import debug, dtypes, errors, lax, numpy, sharding, tree, tree_util, typing
from fx.calls.callback import pure_callback
from fx.calls.checkpoint import checkpoint, checkpoint_policies
from fx.calls.checkpoint import checkpoint as remat
from fx.calls.closures import closure_convert
from fx.calls.custom import custom_jvp, custom_vjp
from fx.calls.gradients import custom_gradient
from fx.calls.jit import clear_caches, eval_shape, jit, make_jaxpr
from fx.calls.placement import (
    make_array_from_callback,
    make_array_from_process_local_data,
    make_array_from_single_device_arrays,
    reshard,
)
from fx.calls.pmap import pmap
from fx.calls.shard_map import shard_map, smap
from fx.config import (
    check_tracer_leaks,
    checking_leaks,
    config,
    debug_infs,
    debug_key_reuse,
    debug_nans,
    default_device,
    default_matmul_precision,
    disable_jit,
    enable_checks,
    enable_custom_prng,
    log_compiles,
    numpy_dtype_promotion,
    numpy_rank_promotion,
)
from fx.core.array import Array
from fx.core.avals import ShapedArray, ShapeDtypeStruct
from fx.core.mesh import NamedSharding, make_mesh, set_mesh
from fx.core.mesh import PartitionSpec as P
from fx.core.refs import Ref, empty_ref, free_ref, freeze, new_ref
from fx.core.trace import ensure_compile_time_eval, named_call, named_scope
from fx.devices import (
    block_until_ready,
    default_backend,
    device_count,
    device_get,
    device_put,
    devices,
    doctor,
    effects_barrier,
    live_arrays,
    local_device_count,
    local_devices,
    process_count,
    process_index,
    typeof,
)
from fx.dtypes import default_dtype
from fx.timing import timeit
from fx.transforms.grad import grad, jvp, linear_transpose, linearize, value_and_grad, vjp
from fx.transforms.jacobian import hessian, jacfwd, jacobian, jacrev
from fx.transforms.mapping import vmap

if _TYPE_CHECKING:
    from fx import (
        ad_checkpoint,
        api_util,
        custom_derivatives,
        data,
        experimental,
        export,
        flatten_util,
        image,
        monitoring,
        nn,
        optim,
        profiler,
        random,
        scipy,
        stages,
        testing,
        train,
    )

__version__ = "0.1.0"

_LAZY = (
    "export",
    "image",
    "api_util",
    "custom_derivatives",
    "monitoring",
    "profiler",
    "stages",
    "ad_checkpoint",
    "data",
    "experimental",
    "flatten_util",
    "nn",
    "optim",
    "random",
    "scipy",
    "testing",
    "train",
)

__all__ = [
    "Array",
    "NamedSharding",
    "P",
    "Ref",
    "ShapeDtypeStruct",
    "ShapedArray",
    "ad_checkpoint",
    "api_util",
    "block_until_ready",
    "check_tracer_leaks",
    "checking_leaks",
    "checkpoint",
    "checkpoint_policies",
    "clear_caches",
    "closure_convert",
    "config",
    "custom_derivatives",
    "custom_gradient",
    "custom_jvp",
    "custom_vjp",
    "data",
    "debug",
    "debug_infs",
    "debug_key_reuse",
    "debug_nans",
    "default_backend",
    "default_device",
    "default_dtype",
    "default_matmul_precision",
    "device_count",
    "device_get",
    "device_put",
    "devices",
    "disable_jit",
    "doctor",
    "dtypes",
    "effects_barrier",
    "empty_ref",
    "enable_checks",
    "enable_custom_prng",
    "ensure_compile_time_eval",
    "errors",
    "eval_shape",
    "experimental",
    "export",
    "flatten_util",
    "free_ref",
    "freeze",
    "grad",
    "hessian",
    "image",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jit",
    "jvp",
    "lax",
    "linear_transpose",
    "linearize",
    "live_arrays",
    "local_device_count",
    "local_devices",
    "log_compiles",
    "make_array_from_callback",
    "make_array_from_process_local_data",
    "make_array_from_single_device_arrays",
    "make_jaxpr",
    "make_mesh",
    "monitoring",
    "named_call",
    "named_scope",
    "new_ref",
    "nn",
    "numpy",
    "numpy_dtype_promotion",
    "numpy_rank_promotion",
    "optim",
    "pmap",
    "process_count",
    "process_index",
    "profiler",
    "pure_callback",
    "random",
    "remat",
    "reshard",
    "scipy",
    "set_mesh",
    "shard_map",
    "sharding",
    "smap",
    "stages",
    "testing",
    "timeit",
    "train",
    "tree",
    "tree_util",
    "typeof",
    "typing",
    "value_and_grad",
    "vjp",
    "vmap",
]


def __getattr__(name: str) -> _Any:
    if name in _LAZY:
        return _importlib.import_module(f"fx.{name}")
    raise AttributeError(f"module 'fx' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
