"""Names that JAX keeps in `jax.experimental`."""

from fx.calls.callback import io_callback

__all__ = ["io_callback"]
