"""The README's tour runs, and its map of the source is complete."""

import doctest
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_tour_runs():
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    test = doctest.DocTestParser().get_doctest(code, {}, "README.md", "README.md", 0)
    assert len(test.examples) > 20
    results = doctest.DocTestRunner(optionflags=flags).run(test)
    assert results.failed == 0


def test_the_map_names_every_part_of_the_package():
    parts = {p.name for p in (ROOT / "fx").iterdir() if p.is_dir() and p.name != "__pycache__"}
    table = README.split("## Map of the source")[1].split("## Benchmarks")[0]
    assert {p for p in parts if f"{p}/" not in table} == set()


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target
