"""Every composition of two and of three transformations, in every order, on random programs with
pytrees and control flow, agrees with the composition of their references.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings

from fx.testing import Program, programs
from tests.programs.harness import TRANSFORMS, check_composition

PAIRS = list(itertools.product(TRANSFORMS, repeat=2))
TRIPLES = list(itertools.product(TRANSFORMS, repeat=3))
SMALL = programs(dtype="float64", max_equations=8, max_arguments=2)


def _run(names: tuple[str, ...], examples: int) -> None:
    @settings(max_examples=examples)
    @given(SMALL)
    def law(program: Program) -> None:
        check_composition(program, names)

    law()


@pytest.mark.parametrize("names", PAIRS, ids="-".join)
def test_pairs(names: tuple[str, ...]) -> None:
    _run(names, 10)


@pytest.mark.parametrize("names", TRIPLES, ids="-".join)
def test_triples(names: tuple[str, ...]) -> None:
    _run(names, 3)


@pytest.mark.slow
@pytest.mark.parametrize("names", PAIRS, ids="-".join)
def test_more_pairs(names: tuple[str, ...]) -> None:
    _run(names, 30)


@pytest.mark.slow
@pytest.mark.parametrize("names", TRIPLES, ids="-".join)
def test_more_triples(names: tuple[str, ...]) -> None:
    _run(names, 6)
