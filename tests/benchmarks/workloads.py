"""Times the workloads of one library; `compare.py` runs this once for each library in turn.

    python tests/benchmarks/workloads.py LIB [NAME ...]     LIB: fx | jax | torch | torch-compile
    DEVICE=gpu python tests/benchmarks/workloads.py ...     on the GPU, with the large ones too
    FIRST=1 python tests/benchmarks/workloads.py ...        the first result only

Nothing is checked here but time. A line of JSON for each workload:
{"name", "first_s" (trace, compile, run), "min_ms", "med_ms", "peak_mb"}.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import GPU

BUDGET_S = 1.5
FIRST = bool(os.environ.get("FIRST"))

os.environ.setdefault("JAX_PLATFORMS", "cuda" if GPU else "cpu")
os.environ.setdefault("FX_PLATFORM", "gpu" if GPU else "cpu")


def measure(name: str, run: Callable[[], Any], sync: Callable[[Any], Any]) -> dict[str, Any]:
    """The times of a call, after two that warm up."""
    start = time.perf_counter()
    sync(run())
    first = time.perf_counter() - start
    if FIRST:
        return {"name": name, "first_s": round(first, 4), "peak_mb": _peak_mb()}
    sync(run())
    times: list[float] = []
    end = time.perf_counter() + BUDGET_S
    while len(times) < 5 or (time.perf_counter() < end and len(times) < 20000):
        start = time.perf_counter()
        sync(run())
        times.append(time.perf_counter() - start)
    return {
        "name": name,
        "first_s": round(first, 4),
        "min_ms": min(times) * 1e3,
        "med_ms": float(np.median(times)) * 1e3,
        "peak_mb": _peak_mb(),
    }


def _peak_mb() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    lib, *names = sys.argv[1:]
    if lib in ("fx", "jax"):
        table, sync = importlib.import_module("functional").functional(lib)
    else:
        table, sync = importlib.import_module("pytorch").pytorch(lib == "torch-compile")
    for name in names or table:
        if name not in table:
            continue
        try:
            row = measure(name, table[name](), sync)
        except Exception as error:  # one workload that fails leaves the others their figures
            row = {"name": name, "error": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
