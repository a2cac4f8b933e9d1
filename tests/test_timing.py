"""timeit: what it calls, and what it says."""

import pytest

import fx
import fx.numpy as jnp
from fx.errors import FxValueError
from fx.timing import Timing


def test_timeit_counts_its_calls():
    calls = []

    def f(x, *, n):
        calls.append(n)
        return x

    timing = fx.timeit(f, jnp.ones(3), n=2, seconds=0.0)
    assert len(calls) == 2 + len(timing.times) == 5
    assert timing.times == sorted(timing.times) and timing.min == timing.times[0]
    assert timing.name == "f"


def test_a_timing_prints_well():
    timing = Timing("f", 1.5, [3e-6, 1e-6, 2.5e-3, 2e-6])
    assert repr(timing) == "f: 1 µs (median 2.5 µs, 4 calls; first call 1.5 s)"
    assert repr(Timing("f", 2e-3, [5e-8])).startswith(
        "f: 50 ns (median 50 ns, 1 calls; first call 2"
    )


def test_the_first_call_of_a_jitted_function_is_told_apart():
    timing = fx.timeit(fx.jit(lambda x: jnp.tanh(x) * 3.5), jnp.ones(3), seconds=0.01)
    assert timing.first > timing.median


def test_negative_time():
    with pytest.raises(FxValueError, match="negative"):
        fx.timeit(jnp.sin, 1.0, seconds=-1)
