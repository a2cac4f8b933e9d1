"""Derivatives of every differentiable function: forward, reverse, and both of each again.

Against central differences, in float64 and, where the function is defined there, in complex128.
"""

from __future__ import annotations

import pytest

import fx
from fx import testing
from tests.functions.spec import Row, caller, leaves, smooth_point
from tests.functions.table import TABLE

SMOOTH = [r for r in TABLE if r.differentiable]
COMPLEX = [
    r for r in SMOOTH if r.complex_grad and any("c" in a.kinds and a.differentiable for a in r.args)
]


def check(r: Row, dtype: str) -> None:
    function = caller(r, "fx")
    with fx.default_dtype("float64"):
        testing.check_grads(
            lambda *xs: [x for x in leaves(function(*xs)) if isinstance(x, fx.Array)],
            tuple(smooth_point(r, dtype)),
            order=r.order,
            rtol=1e-4,
            atol=1e-4,
        )


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("r", SMOOTH, ids=str)
def test_real(r):
    check(r, "float64")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("r", COMPLEX, ids=str)
def test_complex(r):
    check(r, "complex128")
