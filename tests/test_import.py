"""`import fx` is quick, and brings in only what it needs."""

import os
import subprocess
import sys

_PROGRAM = """
import sys, time
start = time.process_time()  # the processor's, which other programs on the machine do not stretch
import fx
print(time.process_time() - start)
heavy = {"hypothesis", "matplotlib", "safetensors", "scipy", "tqdm", "cupy", "llvmlite"}
print(sorted(heavy & set(sys.modules)))
"""


def test_import_takes_less_than_a_quarter_of_a_second(tmp_path):
    command = [sys.executable, "-X", f"pycache_prefix={tmp_path}", "-c", _PROGRAM]
    seconds = []
    for _ in range(4):  # the first one compiles
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env=_environment()
        )
        time, heavy = done.stdout.splitlines()
        assert heavy == "[]"
        seconds.append(float(time))
        if seconds[-1] < 0.25:
            return
    raise AssertionError(f"import fx took {seconds} seconds")


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
