"""Training steps through the simulator equal those of the interpreter."""

import pytest

from tests.backends.cuda.harness import case, check, needs_compiler
from tests.backends.cuda.training import STEPS

pytestmark = needs_compiler


@pytest.mark.parametrize("name", STEPS)
def test_one_step(name):
    check([case(name, *STEPS[name]())])
