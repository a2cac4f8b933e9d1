"""Settings of all tests: how many examples hypothesis draws, and no time limit on one."""

import os

from hypothesis import HealthCheck, settings

# No deadline: the first call of a program traces and compiles, the next ones do not, and the
# machines that run the tests are shared.
_COMMON = {
    "deadline": None,
    "print_blob": True,
    "suppress_health_check": [HealthCheck.too_slow],
}
settings.register_profile("default", max_examples=50, **_COMMON)
settings.register_profile("thorough", max_examples=1000, **_COMMON)
settings.load_profile(os.environ.get("FX_TEST_PROFILE", "default"))
