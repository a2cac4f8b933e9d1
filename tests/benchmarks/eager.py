"""What an operation costs without `jit`: chains of twenty beside NumPy and JAX; and the import.

    python tests/benchmarks/eager.py

Prints microseconds an operation, the best of several rounds, and over NumPy.
"""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def arithmetic(m: Any, x: Any, y: Any) -> Any:
    """Twenty products, sums and differences."""
    for _ in range(5):
        x = x * y + x - y * y
    return x


def functions(m: Any, x: Any, y: Any) -> Any:
    """Twenty functions of one array or two."""
    for _ in range(5):
        x = m.maximum(m.tanh(m.abs(m.sin(x))), y)
    return x


def reductions(m: Any, x: Any, y: Any) -> Any:
    """Ten sums, each subtracted again."""
    for _ in range(10):
        x = x - m.sum(x)
    return x


def microseconds(call: Callable[[], Any], operations: int = 20) -> float:
    """Of an operation, the best of twenty rounds."""
    call()
    best = np.inf
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(100):
            call()
        best = min(best, time.perf_counter() - start)
    return best / 100 / operations * 1e6


def main() -> None:
    libs = {"numpy": np, "fx": importlib.import_module("fx.numpy")}
    if importlib.util.find_spec("jax"):
        libs["jax"] = importlib.import_module("jax.numpy")
    print("| chain | elements | " + " | ".join(f"{lib} us" for lib in libs) + " | fx/numpy |")
    print("|---|---:|" + "---:|" * (len(libs) + 1))
    for chain in (arithmetic, functions, reductions):
        for n in (10, 1000):
            x, y = (np.linspace(a, 1, n, dtype=np.float32) for a in (0.1, 0.2))
            took = {}
            for lib, m in libs.items():
                args = (m, m.asarray(x), m.asarray(y))
                took[lib] = microseconds(lambda args=args, chain=chain: chain(*args))
            cells = " | ".join(f"{t:.2f}" for t in took.values())
            print(f"| {chain.__name__} | {n} | {cells} | {took['fx'] / took['numpy']:.1f} |")
    code = "import time; t = time.perf_counter(); import fx; print(time.perf_counter() - t)"
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(4)
    ]
    print(f"\nimport fx: {min(float(r.stdout) for r in runs):.2f} s")


if __name__ == "__main__":
    main()
