"""Linear systems given by functions, under the names of `jax.scipy.sparse`."""

from fx.scipy.sparse import linalg

__all__ = ["linalg"]
