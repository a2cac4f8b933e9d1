"""Settings of all tests: what runs programs, how many examples hypothesis draws."""

import itertools
import os
import sys

from hypothesis import HealthCheck, settings

# The interpreter is what the laws are about, and it needs no compilation for each example; that
# the compiler agrees with it is tested in tests/backends. FX_CPU_BACKEND=llvm runs all on that.
os.environ.setdefault("FX_CPU_BACKEND", "numpy")

# No deadline: the first call of a program traces and compiles, the next ones do not, and the
# machines that run the tests are shared.
_COMMON = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow],
}
# The same examples on every run: a failure is one of the change at hand. The thorough profile draws
# new ones.
settings.register_profile("default", max_examples=50, derandomize=True, **_COMMON)
settings.register_profile("thorough", max_examples=1000, **_COMMON)
settings.load_profile(os.environ.get("FX_TEST_PROFILE", "default"))

_finished = itertools.count(1)


def pytest_runtest_logfinish(nodeid: str, location: object) -> None:
    """Let JAX forget what it compiled, from time to time: each of its programs is some pieces of
    memory, of which Linux gives a process 65,530. Code that gets no more of them crashes."""
    if next(_finished) % 50 == 0 and "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
