"""How fx scales: time an element against size, on one core and all; compile time against length.

    python tests/benchmarks/scaling.py [--largest 1e8] [--plot scaling.png]

Prints two tables and draws them: straight lines on logarithmic axes. Each core
count is measured in a process of its own, the best of several calls.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import fx
import fx.numpy as jnp

HERE = pathlib.Path(__file__).resolve()


def gelu(x: Any) -> Any:
    """Elementwise, some arithmetic."""
    return 0.5 * x * (1 + jnp.tanh(0.7978845608 * (x + 0.044715 * x**3)))


def total(x: Any) -> Any:
    """A reduction."""
    return jnp.sum(x * x)


def softmax(x: Any) -> Any:
    """By rows of a hundred."""
    return fx.nn.softmax(x.reshape(-1, 100), -1)


FUNCTIONS = {f.__name__: f for f in (gelu, total, softmax)}


def best(f: Any, x: Any, budget: float = 0.3) -> float:
    """The least seconds of a call, of as many as fit the budget."""
    fx.block_until_ready(f(x))
    least, end = np.inf, time.perf_counter() + budget
    while time.perf_counter() < end:
        start = time.perf_counter()
        fx.block_until_ready(f(x))
        least = min(least, time.perf_counter() - start)
    return float(least)


def sizes(largest: float) -> list[int]:
    """100, 1000, ... elements."""
    return [10**k for k in range(2, 12) if 10**k <= largest]


def elements(largest: float) -> dict[str, list[float]]:
    """Nanoseconds an element of each function, by size."""
    table: dict[str, list[float]] = {}
    for name, f in FUNCTIONS.items():
        jitted = fx.jit(f)
        table[name] = [
            best(jitted, jnp.ones(n, jnp.float32) * 0.5) / n * 1e9 for n in sizes(largest)
        ]
    return table


def chain(n: int) -> Any:
    """A program of about n equations, no two of which are the same."""

    def f(x: Any) -> Any:
        for i in range(n // 3):
            x = jnp.maximum(x * (1 + i / n), 0.1) + i
        return x

    return f


def compiling(lengths: list[int]) -> list[float]:
    """Seconds to the first result of programs of so many equations, with nothing on disk."""
    fx.jit(chain(3))(jnp.ones(16, jnp.float32))  # the compiler itself starts but once
    seconds = []
    for n in lengths:
        start = time.perf_counter()
        fx.jit(chain(n))(jnp.ones(16, jnp.float32))
        seconds.append(time.perf_counter() - start)
    return seconds


def in_process(cores: int, largest: float) -> dict[str, list[float]]:
    """What `elements` gives in a process on so many cores."""
    done = subprocess.run(
        [sys.executable, str(HERE), "--cores", str(cores), "--largest", str(largest)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def draw(
    path: pathlib.Path,
    largest: float,
    by_cores: dict[int, dict[str, list[float]]],
    lengths: list[int],
    seconds: list[float],
) -> None:
    """Both tables as a picture."""
    figure = Figure((11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    styles = ["--", "-", ":"]
    for i, name in enumerate(FUNCTIONS):
        for style, (cores, table) in zip(styles, by_cores.items(), strict=False):
            label = f"{name}, {cores} core{'s' if cores > 1 else ''}"
            left.loglog(sizes(largest), table[name], style, color=f"C{i}", marker=".", label=label)
    left.set(xlabel="elements (float32)", ylabel="ns an element", title="Time an element")
    left.legend(fontsize=8)
    right.loglog(lengths, seconds, marker=".", label="measured")
    line = [seconds[0] * n / lengths[0] for n in lengths]
    right.loglog(lengths, line, ":", color="grey", label="linear")
    right.set(xlabel="equations", ylabel="seconds", title="First result, cold")
    right.legend(fontsize=8)
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=float, default=1e8, help="elements")
    parser.add_argument("--plot", type=pathlib.Path, help="write a picture here")
    parser.add_argument("--cores", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if args.cores:
        if available:
            os.sched_setaffinity(0, available[: args.cores])
        print(json.dumps(elements(args.largest)))
        return
    counts = sorted({1, len(available) or 1})
    by_cores = {n: in_process(n, args.largest) for n in counts}
    print("| elements | " + " | ".join(f"{f} ({n})" for f in FUNCTIONS for n in counts) + " |")
    print("|---:|" + "---:|" * (len(FUNCTIONS) * len(counts)))
    for i, n in enumerate(sizes(args.largest)):
        cells = [f"{by_cores[c][f][i]:.3g}" for f in FUNCTIONS for c in counts]
        print(f"| {n:,} | " + " | ".join(cells) + " |")
    print("\nNanoseconds an element (cores).\n")
    lengths = [100, 300, 1000, 3000, 10000]
    with tempfile.TemporaryDirectory() as cache, fx.config.scope(compilation_cache_dir=cache):
        seconds = compiling(lengths)
    print("| equations | first result s |\n|---:|---:|")
    for n, s in zip(lengths, seconds, strict=True):
        print(f"| {n:,} | {s:.2f} |")
    if args.plot:
        draw(args.plot, args.largest, by_cores, lengths, seconds)


if __name__ == "__main__":
    main()
