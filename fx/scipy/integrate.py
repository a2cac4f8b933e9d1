"""Integrals of samples under the names of `jax.scipy.integrate`."""

from fx.numpy.cumulative import trapezoid

__all__ = ["trapezoid"]
