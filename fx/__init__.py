"""fx: functional transformations of Python programs: grad, jit, vmap and pmap."""

from fx.core import pretty as _pretty  # installs the printer
import fx.ops
import fx.backends.numpy
import fx.numpy  # installs the methods of Array
import fx.random
from fx.calls.checkpoint import checkpoint, checkpoint_policies
from fx.calls.closures import closure_convert
from fx.calls.custom import custom_jvp, custom_vjp
from fx.calls.jit import eval_shape, jit, make_jaxpr
from fx.calls.pmap import pmap
from fx.config import config, debug_infs, debug_nans, disable_jit
from fx.core.array import Array
from fx.core.avals import ShapedArray, ShapeDtypeStruct
from fx.dtypes import default_dtype
from fx.transforms.grad import (
    grad,
    jvp,
    linear_transpose,
    linearize,
    value_and_grad,
    vjp,
)
from fx.transforms.mapping import vmap

remat = checkpoint
