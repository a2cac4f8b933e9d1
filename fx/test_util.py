"""The names of `jax.test_util`: derivatives checked against finite differences."""

from fx.testing import check_grads, check_jvp, check_vjp

__all__ = ["check_grads", "check_jvp", "check_vjp"]
