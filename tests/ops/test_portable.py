"""Portable primitives obey the laws; their derivatives are those of the functions."""

import numpy as np
import pytest

from fx.core.array import Array
from fx.core.primitive import P
from tests import laws

FUNCTIONS = ["portable_exp", "portable_log", "portable_log1p", "portable_erf", "portable_erf_inv"]


def array(*values, dtype=np.float64):
    return Array(np.array(values, dtype))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_obey_the_laws(name):
    laws.check_laws(getattr(P, name), array(0.1, 0.5, 0.9))
    laws.check_laws(getattr(P, name), array([0.1, 0.5], [0.7, 0.2]))


def test_fma_obeys_the_laws():
    x, y, z = array(1.0, 2.0, -3.0), array(0.5, -1.0, 2.0), array(4.0, 5.0, 6.0)
    laws.check_laws(P.fma, x, y, z)
    scalar = Array(np.asarray(1.5))
    laws.check_laws(P.fma, scalar, y, z)
    laws.check_laws(P.fma, x, scalar, scalar)


def test_unit_interval_obeys_the_laws():
    words = array(0, 2**31, 2**32 - 1, dtype=np.uint32)

    def f(x):
        return P.unit_interval(x, dtype=np.dtype(np.float32))

    laws.check_jit(f, words)
    laws.check_vmap(f, words)
