"""What the workloads of all libraries share: data, the GPU switch, and the registry."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

GPU = os.environ.get("DEVICE", "cpu") == "gpu"
RNG = np.random.default_rng(0)

# name -> a function that makes the data and returns the call to time
Table = dict[str, Callable[[], Callable[[], Any]]]


def f32(*shape: int, scale: float = 1.0) -> np.ndarray:
    """Normal numbers in single precision."""
    return (RNG.normal(size=shape) * scale).astype(np.float32)


def registry() -> tuple[Table, Callable[..., Any], Callable[..., Any]]:
    """A table and its two decorators; `large` workloads are for GPUs only."""
    table: Table = {}

    def workload(make: Callable[[], Callable[[], Any]]) -> Any:
        table[make.__name__] = make
        return make

    def large(make: Callable[[], Callable[[], Any]]) -> Any:
        return workload(make) if GPU else make

    return table, workload, large
