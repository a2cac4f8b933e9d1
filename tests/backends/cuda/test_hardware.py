"""What runs on the simulator runs on a GPU, where there is one: `pytest tests/backends/cuda`."""

import pytest

import fx
from tests.backends.agreement import all_same, raw
from tests.backends.cuda.harness import Hardware, case, check
from tests.backends.cuda.test_ops import GENERATORS, PARTS, drawn, op_cases
from tests.backends.cuda.training import STEPS


@pytest.fixture(scope="module")
def machine():
    try:
        return Hardware()
    except fx.errors.FxRuntimeError as error:
        pytest.skip(str(error).partition("\n")[0])


@pytest.mark.parametrize("part", range(PARTS))
def test_op_table(machine, part):
    check(op_cases(part, PARTS, every=True), machine)


@pytest.mark.parametrize("name", GENERATORS)
def test_seeded_programs(machine, name):
    check(drawn(name, range(12)), machine)


@pytest.mark.parametrize("name", STEPS)
def test_training(machine, name):
    """Some steps on arrays that stay on the device."""
    check([case(name, *STEPS[name]())], machine)
    function, args = STEPS[name]()
    inner = getattr(function, "__wrapped__", function)

    def run():
        step, now = fx.jit(lambda *a: inner(*a)), args
        for _ in range(3):
            out = step(*now)
            now = (*out[:-1], *now[len(out) - 1 :])
        return [raw(x) for x in fx.tree.leaves(out)]

    with fx.config.scope(cpu_backend="numpy"):
        want = run()
    with fx.config.scope(platform="gpu"):
        all_same(run(), want, False)
