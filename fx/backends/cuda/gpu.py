"""The backend of the platform "gpu", made when it is first asked for."""

from fx.backends.cuda import CudaBackend
from fx.backends.cuda.runtime import Gpu
from fx.core.backend import Backend


def make_backend() -> Backend:
    """The backend of the first GPU; an error that says what is missing if there is none."""
    return CudaBackend(Gpu())
