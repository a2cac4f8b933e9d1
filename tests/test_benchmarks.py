"""The benchmark commands run and print their tables."""

import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parent / "benchmarks"
COMPARE = BENCHMARKS / "compare.py"
FUNCTIONS = BENCHMARKS / "eager_functions.py"


def test_compare_prints_a_row():
    done = subprocess.run(
        [sys.executable, str(COMPARE), "--libs", "fx", "--rounds", "1", "dispatch_add4"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "| dispatch_add4 |" in done.stdout
    assert "Error" not in done.stdout


def test_eager_functions_prints_a_row_and_a_summary():
    done = subprocess.run(
        [sys.executable, str(FUNCTIONS), "--budget", "0.01", "roll"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(BENCHMARKS.parent.parent)},
    )
    assert "| roll of rows |" in done.stdout
    assert "Of 2 calls" in done.stdout
