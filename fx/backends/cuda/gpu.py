"""The backend of the platform "gpu". Importing this raises if there is none, and says why."""

from fx.backends.cuda import CudaBackend
from fx.backends.cuda.runtime import Gpu
from fx.core.backend import register_backend

register_backend("cuda", CudaBackend(Gpu()))
