"""Every generated kernel compiles for GPUs of three generations, and nothing spills registers."""

import pytest

from fx.backends.cuda import codegen, nvrtc
from tests.backends.cuda.harness import case, sources_of
from tests.backends.cuda.test_ops import GENERATORS, drawn, op_cases
from tests.backends.cuda.training import STEPS

pytestmark = pytest.mark.skipif(
    nvrtc.library() is None, reason="needs nvidia-cuda-nvrtc (pip install 'fx[gpu]')"
)

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")


def compiled(sources, architecture):
    """Compile kernels, and see that each is there and keeps its values in registers."""
    sources = list({s.name: s for s in sources}.values())
    code = nvrtc.compile_text(codegen.module(sources), architecture)
    assert code.cubin[:4] == b"\x7fELF"
    assert set(code.registers) == {s.name for s in sources}
    assert not {name: n for name, n in code.spills.items() if n}, "spilled registers"


def both(sources):
    """Kernels, and what they are where arrays are not aligned."""
    return [*sources, *(s.plain() for s in sources if s.plain is not None)]


@pytest.mark.parametrize(
    "architecture",
    [pytest.param("sm_80", marks=pytest.mark.slow), "sm_90",
     pytest.param("sm_100", marks=pytest.mark.slow)],
)  # fmt: skip
@pytest.mark.parametrize("name", STEPS)
def test_training_steps(name, architecture):
    compiled(both(sources_of([case(name, *STEPS[name]())])), architecture)


def test_op_table():
    compiled(sources_of(op_cases(every=False)), "sm_90")


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_op_table_of_all_dtypes(architecture, part):
    compiled(both(sources_of(op_cases(part, 4, every=True))), architecture)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_seeded_programs(architecture):
    compiled(both(sources_of(c for g in GENERATORS for c in drawn(g, range(3)))), architecture)
