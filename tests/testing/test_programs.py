"""The strategy of programs: that they run, print, shrink, and have the operations they promise."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import fx
from fx import testing
from fx.testing import Program
from tests.programs.harness import assert_close, row

OPTIONS = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["float32", "float64", "bfloat16", "float16"]),
        "differentiable": st.booleans(),
        "control_flow": st.booleans(),
        "pytrees": st.booleans(),
        "scalar": st.booleans(),
        "max_arguments": st.integers(1, 4),
    }
)


@given(OPTIONS, st.data())
def test_programs_run_and_stay_finite(options: dict, data: st.DataObject) -> None:
    program = data.draw(testing.programs(**options))
    for i in range(2):
        out = program(*row(program.batch(2), i))
        for x in fx.tree.leaves(out):
            assert np.isfinite(np.asarray(x).astype(np.float64)).all()
            assert x.dtype == fx.dtypes.canonicalize(options["dtype"])
        if options["scalar"]:
            assert fx.tree.leaves(out)[0].shape == ()
        if not options["pytrees"]:
            assert isinstance(out, fx.Array)
            assert all(isinstance(x, fx.Array) for x in program.args)


@given(testing.programs(differentiable=False), st.booleans())
def test_repr_is_the_program(program: Program, as_text: bool) -> None:
    """Pasted into a file, the printed program is the same function."""
    scope: dict = {}
    exec(str(program) if as_text else repr(program), scope)
    assert_close(scope["args"], program.args, 0, "args")
    assert_close(scope["program"](*scope["args"]), program(*program.args), 0, "program")


def test_repr_runs_alone() -> None:
    """... in a fresh interpreter, too."""
    program = find(
        testing.programs(collectives="i"), lambda p: "scan" in p.source and "psum" in p.source
    )
    tail = "\nfx.vmap(program, axis_name='i')(*fx.tree.map(lambda x: jnp.stack([x, x]), args))\n"
    run = subprocess.run(
        [sys.executable, "-c", repr(program) + tail], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


@given(testing.programs(collectives="i"), st.sampled_from([1, 2, 3, 8]))
def test_collectives_run_on_any_number_of_devices(program: Program, size: int) -> None:
    args = program.batch(size)
    out = fx.vmap(program, axis_name="i")(*args)
    for x in fx.tree.leaves(out):
        assert x.shape[0] == size
        assert np.isfinite(np.asarray(x)).all()


def test_batch_starts_with_the_example() -> None:
    program = find(testing.programs(), lambda p: len(p.argnums) == 2)
    batch = program.batch(4)
    assert_close(fx.tree.map(lambda x: x[0], batch), program.args, 0, "row 0")
    assert_close(program.batch(4), batch, 0, "seed 0")
    assert all(x.shape[0] == 4 for x in fx.tree.leaves(batch))
    assert all(x.shape[0] == 0 for x in fx.tree.leaves(program.batch(0)))


SMOOTH = ["lax.cond(", "lax.switch(", "lax.scan(", "lax.fori_loop(", "lax.while_loop(", "lax.map("]
SMOOTH += ["fx.jit(", "fx.checkpoint(", "fx.vmap(", "fx.grad(", "fx.jvp(", "fx.linearize("]
SMOOTH += ["fx.custom_jvp", "associative_scan", "jnp.dot", "jnp.einsum", ".at[", "jnp.stack"]
ROUGH = ["jnp.sort", "jnp.argmax", "jnp.maximum", "jnp.round", "jnp.where", "stop_gradient"]
COLLECTIVE = ["psum(", "pmean(", "ppermute(", "all_gather(", "axis_index(", "psum_scatter("]
COLLECTIVE += ["all_to_all(", "pshuffle("]


GENERATE = settings(
    max_examples=5000,
    phases=[Phase.generate],
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize(
    ("texts", "options"),
    [
        (SMOOTH, {}),
        (ROUGH, {"differentiable": False}),
        (COLLECTIVE, {"collectives": "i"}),
    ],
)
def test_every_operation_is_drawn(texts: list[str], options: dict) -> None:
    missing = set(texts)

    def all_seen(program: Program) -> bool:
        missing.difference_update([text for text in missing if text in program.source])
        return not missing

    find(testing.programs(**options), all_seen, settings=GENERATE)


def test_programs_shrink_to_the_operation_that_matters() -> None:
    program = find(testing.programs(max_equations=6), lambda p: "jnp.exp(" in p.source)
    assert program.source.count("\n") <= 4, program.source
    assert all(x.size <= 1 for x in fx.tree.leaves(program.args))


@given(testing.programs())
@settings(max_examples=100)
def test_differentiable_programs_hold_no_rough_operation(program: Program) -> None:
    assert not any(text in program.source for text in ROUGH if text != "jnp.where")


@given(testing.programs(control_flow=False, differentiable=False))
def test_without_control_flow(program: Program) -> None:
    assert "def f" not in program.source
    assert len(program.argnums) == len(program.args)


def test_long_programs_are_drawn() -> None:
    program = find(
        testing.programs(max_equations=200),
        lambda p: p.source.count(" = ") >= 60,
        settings=GENERATE,
    )
    fx.jit(program)(*program.args)


def test_a_failing_law_shrinks_to_a_minimal_program() -> None:
    """A wrong claim, that no program has a value above 1.5, ends in one or two statements."""
    program = find(
        testing.programs(max_equations=6),
        lambda p: max(float(np.max(x)) for x in fx.tree.leaves(p(*p.args))) > 1.5,
        settings=settings(GENERATE, phases=[Phase.generate, Phase.shrink]),
    )
    assert program.source.count("\n") <= 5, program.source
