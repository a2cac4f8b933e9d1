"""Bugs planted in generated kernels are found by the checks that the other tests make.

A text is changed by one replacement; then `check` must fail. Without the change it passes, which
each test sees first.
"""

from __future__ import annotations

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import lax
from tests.backends.cuda.harness import Guarded, case, check, needs_compiler, sources_of

pytestmark = needs_compiler


def f32(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


PLACES = np.array([1, 3, 3, 20, 0])  # two are the same, one is outside
PROGRAMS = {
    "map": (lambda x: jnp.tanh(x) * 2, (f32(1001),)),
    "rows": (fx.nn.softmax, (f32(3, 3000),)),
    "short rows": (fx.nn.softmax, (f32(5, 33),)),
    "columns": (lambda x: x.sum(0), (f32(300, 45),)),
    "across": (lambda x: x.T * 2, (f32(70, 45),)),
    "product": (lambda a, b: jnp.maximum(a @ b, 0), (f32(45, 37), f32(37, 50))),
    "prefixes": (lambda x: jnp.cumsum(x, 1), (f32(2, 1000),)),
    "sort": (jnp.sort, (f32(2, 300),)),
    "scatter": (lambda x, at: x.at[at].add(x[:5], mode="drop"), (f32(9, 40), PLACES)),
    "pad": (lambda x: lax.pad(x, 0.0, [(1, 2, 0), (2, 1, 0)]), (f32(5, 30),)),
    "take": (lambda x, at: x[at], (f32(40), np.array([3, -1, 50, 7, 39]))),
}


def found(name, change):
    """Whether the check fails with a changed text; what was not changed is no bug."""
    program = [case(name, *PROGRAMS[name])]
    changed = [change(s.text) != s.text for s in sources_of(program)]
    assert any(changed), "the text has nothing to replace"
    try:
        check(program, Guarded(change))
    except (AssertionError, RuntimeError):
        return True
    return False


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_found_in_what_is_right(name):
    check([case(name, *PROGRAMS[name])])


def without(what, number):
    """A change that removes one of several occurrences."""

    def change(text):
        parts = text.split(what)
        if len(parts) <= number + 1:
            return text
        return what.join(parts[: number + 1]) + what.join(["", *parts[number + 1 :]])[len(what) :]

    return change


BARRIER = "__syncthreads();"


def barriers():
    """(program, number of a barrier) for all that their kernels have."""
    made = []
    for name in PROGRAMS:
        most = max(s.text.count(BARRIER) for s in sources_of([case(name, *PROGRAMS[name])]))
        made += [(name, i) for i in range(most)]
    return made


@pytest.mark.parametrize(("name", "number"), barriers())
def test_a_missing_barrier(name, number):
    assert found(name, without(BARRIER, number))


OFF_BY_ONE = [
    ("map", "g < 1001", "g < 1000"),
    ("map", "g < 1001", "g < 1002"),
    ("rows", "t + n * 256", "t + n * 255"),
    ("rows", "n < 8", "n < 7"),
    ("short rows", "e < 33", "e < 32"),
    ("short rows", "by = 8", "by = 4"),
    ("columns", "e < 300", "e < 299"),
    ("columns", "n * 32 + x", "n * 32 + x + 1"),
    ("columns", "n = 1;", "n = 2;"),
    ("across", "tile0[x][r]", "tile0[r][x]"),
    ("across", "< 70", "< 71"),
    ("across", "< 45", "< 44"),
    ("product", "k0 += 16", "k0 += 15"),
    ("product", "d < 16", "d < 15"),
    ("product", "< 37", "< 36"),
    ("prefixes", "lane >= by", "lane > by"),
    ("prefixes", "n = warp - 1", "n = warp - 2"),
    ("prefixes", "e0 > 0", "e0 > 256"),
    ("sort", "low = middle + 1", "low = middle + 2"),
    ("sort", "(run ^ 1)", "(run + 1)"),
    ("scatter", "< 5", "< 4"),
    ("pad", ">= 2", ">= 1"),
    ("take", "39)", "38)"),
]


@pytest.mark.parametrize(("name", "right", "wrong"), OFF_BY_ONE)
def test_off_by_one(name, right, wrong):
    assert found(name, lambda text: text.replace(right, wrong))


WRONG_MASKS = [
    ("short rows", "live = m0 < 5", "live = m0 < 4"),
    ("columns", "if (y == 0 && live)", "if (y == 0)"),
    ("columns", "if (y == 0 && live)", "if (live)"),
    ("across", " && i5 < 70", ""),
    ("product", "q1 < 37", "q1 < 48"),
    ("product", " && m5 < 50", ""),
    ("prefixes", "if (e < 1000) ", ""),
    ("pad", "&& b1 >= 2 ", ""),
    ("scatter", "is_inside<i64>(x0, 8)", "true"),
]


@pytest.mark.parametrize(("name", "right", "wrong"), WRONG_MASKS)
def test_a_wrong_mask(name, right, wrong):
    assert found(name, lambda text: text.replace(right, wrong))
