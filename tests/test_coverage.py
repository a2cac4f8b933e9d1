"""What the README says about the names that exist: it is so, and what is missing has a reason."""

import re
from pathlib import Path

import pytest

from tests.coverage import MISSING, main, names, share, table

README = Path(__file__).parent.parent / "README.md"
# The least that there must be, in percent: of the names that two or more of the repositories use,
# and of all used names.
LEAST = {"two": (100, 97), "any": (98, 97)}


def of_jax():
    return [n for n in names() if not n.module.startswith("optax")]


@pytest.mark.parametrize("which", ["two", "any"])
def test_names_that_programs_use_exist(which):
    for found, least in zip((of_jax(), names()), LEAST[which], strict=True):
        have, count = share([n for n in found if which == "any" or n.repositories > 1])
        assert count > 300
        assert 100 * have >= least * count, [n.key for n in found if not n.present]


def test_what_is_listed_as_missing_is_missing_and_nothing_else():
    assert {n.key for n in names() if not n.present} == set(MISSING)
    assert all(len(reason) > 5 for reason in MISSING.values())


def test_names_are_listed_once_with_positive_counts():
    keys = [n.key for n in names()]
    assert len(keys) == len(set(keys))
    assert all(1 <= n.repositories <= 12 and n.uses >= n.repositories for n in names())


def test_the_readme_quotes_the_totals():
    totals = re.findall(
        r"\*\*(JAX|JAX and Optax)\*\* \| (\d+) / (\d+) .*? \| (\d+) / (\d+)", table()
    )
    assert len(totals) == 2
    text = " ".join(README.read_text().split())
    for _, have, count, every, total in totals:
        assert f"{have} of {count}" in text and f"{every} of {total}" in text


def test_the_command_prints_the_table_and_the_reasons(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["coverage", "--missing"])
    main()
    printed = capsys.readouterr().out
    assert printed.startswith(table()) and "no reason" not in printed
    assert all(f"{module}.{name}: {why}" in printed for (module, name), why in MISSING.items())
