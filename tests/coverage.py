"""How much of what research programs use of JAX and Optax there is in fx.

    python -m tests.coverage            # the table
    python -m tests.coverage --missing  # and the names that are missing, with reasons

`api_names.tsv` has the names that at least one of twelve public research repositories uses, in how
many of them, and how often.
"""

from __future__ import annotations

import argparse
import csv
import functools
import importlib
from dataclasses import dataclass
from pathlib import Path

NAMES = Path(__file__).with_name("api_names.tsv")

# Where the documentation of Optax puts a name under its own heading, it is in one of these.
OPTAX = {
    "optax.assignment": ["fx.optim", "fx.optim.assignment"],
    "optax.contrib": ["fx.optim.contrib"],
    "optax.losses": ["fx.optim", "fx.optim.losses"],
    "optax.optimizer_schedules": ["fx.optim", "fx.optim.contrib"],
    "optax.microbatching": ["fx.optim.microbatching"],
    "optax.perturbations": ["fx.optim.perturbations"],
    "optax.projections": ["fx.optim.projections"],
    "optax.utilities": ["fx.optim", "fx.optim.tree_utils"],
}

# (module, name) -> why it is missing.
_CONTRIBUTED = "one of Optax's contributed optimizers, each used by one repository at most"
MISSING: dict[tuple[str, str], str] = {
    ("jax", "distributed"): "fx runs in one process; its devices are threads of it",
    ("jax", "lib"): "JAX's bindings to XLA",
    ("optax.assignment", "hungarian_algorithm"): "no gradient transformation",
    **dict.fromkeys(
        [
            ("optax.contrib", name)
            for name in (
                "acprop",
                "ademamix",
                "adopt",
                "cocob",
                "dog",
                "dowg",
                "galore",
                "mechanize",
                "simplified_ademamix",
                "sophia",
            )
        ],
        _CONTRIBUTED,
    ),
}


@dataclass(frozen=True)
class Name:
    """A name of JAX's or Optax's API: its module, and in how many repositories it is used."""

    module: str
    name: str
    repositories: int
    uses: int

    @property
    def key(self) -> tuple[str, str]:
        return self.module, self.name

    @property
    def homes(self) -> list[str]:
        """The modules of fx that may have it."""
        if self.module == "jax":
            return ["fx"]
        if self.module.startswith("optax"):
            return OPTAX.get(self.module, ["fx.optim"])
        return [f"fx.{self.module}"]

    @property
    def present(self) -> bool:
        return any(_has(home, self.name) for home in self.homes)


def _has(home: str, name: str) -> bool:
    try:
        return hasattr(importlib.import_module(home), name)
    except ModuleNotFoundError as error:
        if error.name and home.startswith(error.name):
            return False
        raise


@functools.cache
def names() -> list[Name]:
    """All names that are used."""
    with NAMES.open() as file:
        return [
            Name(r["module"], r["name"], int(r["repositories"]), int(r["uses"]))
            for r in csv.DictReader(file, delimiter="\t")
        ]


def share(found: list[Name]) -> tuple[int, int]:
    """How many are present, of how many."""
    return sum(n.present for n in found), len(found)


def table() -> str:
    """Present and used names for each module, as Markdown."""
    groups: dict[str, list[Name]] = {}
    for n in names():
        groups.setdefault("optax" if n.module.startswith("optax") else n.module, []).append(n)
    totals = {
        "**JAX**": [n for n in names() if not n.module.startswith("optax")],
        "**JAX and Optax**": names(),
    }
    lines = ["| module | used by two or more | used by any |", "|---|---:|---:|"]
    for title, found in (groups | totals).items():
        cells = []
        for part in ([n for n in found if n.repositories > 1], found):
            have, count = share(part)
            percent = f" ({100 * have / count:.1f} %)" if title.startswith("*") else ""
            cells.append(f"{have} / {count}{percent}")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--missing", action="store_true", help="list the missing names, too")
    options = parser.parse_args()
    print(table())
    if options.missing:
        print()
        for n in names():
            if not n.present:
                print(f"{n.module}.{n.name}: {MISSING.get(n.key, 'no reason is given')}")


if __name__ == "__main__":
    main()
