"""Functions with derivative rules of their own, under the names of `jax.custom_derivatives`."""

from fx.calls.closures import closure_convert
from fx.calls.custom import custom_jvp, custom_vjp
from fx.calls.gradients import custom_gradient

__all__ = ["closure_convert", "custom_gradient", "custom_jvp", "custom_vjp"]
