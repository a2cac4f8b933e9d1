"""The array API test suite of the data-apis consortium on `fx.numpy`.

The suite comes as a git repository, https://github.com/data-apis/array-api-tests (with the
submodule `array-api`), and needs the packages `ndindex` and `pytest-json-report`. From a checkout:

    python -m tests.array_api CHECKOUT --max-examples 200

runs it whole. With FX_ARRAY_API_SUITE=CHECKOUT in the environment our own tests run it as well,
with few examples. What it does not pass is in `skips.txt`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

VERSION = "2024.12"
VARIABLE = "FX_ARRAY_API_SUITE"
SKIPS = Path(__file__).with_name("skips.txt")
_ROOT = Path(__file__).parents[2]


def modules(checkout: Path) -> list[str]:
    """The suite's files of tests, relative to the checkout."""
    found = sorted(p.name for p in (checkout / "array_api_tests").glob("test_*.py"))
    if not found or not (checkout / "array-api" / "src").is_dir():
        raise FileNotFoundError(
            f"{checkout} has no array_api_tests/test_*.py, or its submodule array-api is empty. "
            "Expected a checkout of data-apis/array-api-tests, made with --recurse-submodules."
        )
    return [f"array_api_tests/{name}" for name in found]


def command(max_examples: int, tests: Sequence[str]) -> list[str]:
    """The command that runs tests of the suite, in the folder of the checkout."""
    return [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"),
        *(f"--max-examples={max_examples}", "--derandomize", "--disable-deadline"),
        *("--disable-warnings", f"--skips-file={SKIPS}", *tests),
    ]


def environment() -> dict[str, str]:
    """What the suite reads of the environment, and where fx is."""
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    settings = {"ARRAY_API_TESTS_MODULE": "fx.numpy", "ARRAY_API_TESTS_VERSION": VERSION}
    return os.environ | settings | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def run(
    checkout: Path, max_examples: int, tests: Sequence[str], capture: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run tests of the suite in a process of their own.

    It has a configuration, plugins and a hypothesis profile that are not ours.
    """
    return subprocess.run(
        command(max_examples, tests),
        cwd=checkout,
        env=environment(),
        capture_output=capture,
        text=True,
        check=False,
    )
