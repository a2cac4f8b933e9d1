"""The benchmark command runs and prints its table."""

import subprocess
import sys
from pathlib import Path

COMPARE = Path(__file__).parent / "benchmarks" / "compare.py"


def test_compare_prints_a_row():
    done = subprocess.run(
        [sys.executable, str(COMPARE), "--libs", "fx", "--rounds", "1", "dispatch_add4"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "| dispatch_add4 |" in done.stdout
    assert "Error" not in done.stdout
