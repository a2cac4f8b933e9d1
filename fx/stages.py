"""What a function is on its way to running, under the names of `jax.stages`."""

from fx.calls.jit import JitFunction
from fx.calls.jit import JitFunction as Wrapped
from fx.calls.stages import Compiled, Lowered
from fx.calls.stages import Lowered as Traced  # tracing and lowering are one step

__all__ = ["Compiled", "JitFunction", "Lowered", "Traced", "Wrapped"]
