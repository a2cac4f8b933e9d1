"""fx beside its peers on the same programs: the figures of the README.

    python tests/benchmarks/compare.py [--libs fx,jax,torch] [--rounds 3] [--json FILE] [NAME ...]
    python tests/benchmarks/compare.py --memory [...]       the peak of each workload by itself

Libraries that are not installed are left out. They take turns, each in a fresh process, for some
rounds; a workload's figure is the best of its rounds, since other work on the machine only ever
adds time. Prints a table in Markdown: milliseconds a call, fx over each peer (below 1: fx is
faster), and the seconds to the first result (trace, compile, run); for fx also with the kernels
that a run before has left on disk ("warm").
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import math
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
_BEST = ("min_ms", "med_ms", "first_s", "peak_mb")


# Memory that a virtual machine was not asked for yet comes slowly, the first time: 2 ms a megabyte
# were seen. Nobody should pay that for all.
_TOUCH = """
import os, numpy
free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
x = numpy.empty(min(free // 2, 8 << 30), numpy.uint8)
x[:] = 1
"""


def run(lib: str, names: list[str], **env: str) -> list[dict[str, Any]]:
    """The rows that one process prints."""
    root = HERE.parent.parent
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, str(HERE / "workloads.py"), lib, *names],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **env},
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def measure(libs: list[str], names: list[str], rounds: int) -> dict[str, dict[str, Any]]:
    """workload -> library -> its best figures."""
    table: dict[str, dict[str, Any]] = {}

    def note(lib: str, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            seen = table.setdefault(row["name"], {}).setdefault(lib, row)
            for key in _BEST:
                if key in row and key in seen:
                    seen[key] = min(seen[key], row[key])

    subprocess.run([sys.executable, "-c", _TOUCH], check=True)
    for turn in range(rounds):
        # Another one begins each time, so that nobody always has what it is to be the first.
        first = turn % len(libs)
        for lib in (*libs[first:], *libs[:first]):
            with tempfile.TemporaryDirectory() as cache:
                note(lib, run(lib, names, FX_CACHE_DIR=cache))
                if lib == "fx":
                    note("warm", run(lib, names, FX_CACHE_DIR=cache, FIRST="1"))
    return table


def memory(libs: list[str], names: list[str]) -> str:
    """A table of the peak of each workload in a process of its own, in MB."""
    names = names or [row["name"] for row in run(libs[0], [], FIRST="1")]
    lines = ["| workload | " + " | ".join(f"{lib} MB" for lib in libs) + " |"]
    lines.append("|---|" + "---:|" * len(libs))
    for name in names:
        peaks = [next((r.get("peak_mb", "") for r in run(lib, [name])), "") for lib in libs]
        lines.append(f"| {name} | " + " | ".join(str(p) for p in peaks) + " |")
    return "\n".join(lines)


def machine(libs: list[str]) -> str:
    """Processor, cores and versions, for the line above the table."""
    cpu = platform.processor() or platform.machine()
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        cpu = next((s.split(":")[1].strip() for s in lines if s.startswith("model name")), cpu)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    packages = ["numpy", *(lib for lib in libs if lib != "fx")]
    versions = [f"{p} {importlib.metadata.version(p)}" for p in packages]
    return f"{cpu}, {cores} cores; Python {platform.python_version()}, " + ", ".join(versions)


def markdown(table: dict[str, dict[str, Any]], libs: list[str]) -> str:
    """The table and the geometric means of fx over its peers."""
    first, *peers = libs
    titles = ["workload", *[f"{lib} ms" for lib in libs], *[f"{first}/{p}" for p in peers]]
    timed = [first, "warm", *peers] if first == "fx" else libs
    titles += [f"{lib} first s" for lib in timed]
    lines = ["| " + " | ".join(titles) + " |", "|---|" + "---:|" * (len(titles) - 1)]
    ratios: dict[str, list[float]] = {p: [] for p in peers}
    for name, by in table.items():
        ms = {lib: by.get(lib, {}).get("min_ms") for lib in libs}
        cells = [name, *[_number(ms[lib]) for lib in libs]]
        for p in peers:
            own, other = ms[first], ms[p]
            if own and other:
                ratios[p].append(own / other)
            cells.append(f"{own / other:.2f}" if own and other else "")
        cells += [_number(by.get(lib, {}).get("first_s")) for lib in timed]
        lines.append("| " + " | ".join(cells) + " |")
        lines += [f"  {lib}: {by[lib]['error']}" for lib in libs if "error" in by.get(lib, {})]
    for p, values in ratios.items():
        if values:
            mean = math.exp(sum(map(math.log, values)) / len(values))
            lines.append(f"\nGeometric mean {first}/{p}: {mean:.2f} over {len(values)} workloads.")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--libs", default="fx,jax,torch", help="comma-separated, fx first")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="peaks instead of times")
    parser.add_argument("--json", type=pathlib.Path, help="also write all figures here")
    parser.add_argument("names", nargs="*", help="workloads; all when none is named")
    args = parser.parse_args()
    libs = [p for p in args.libs.split(",") if p == "fx" or importlib.util.find_spec(p)]
    print(machine(libs) + "\n")
    if args.memory:
        print(memory(libs, args.names))
        return
    table = measure(libs, args.names, args.rounds)
    print(markdown(table, libs))
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(libs), "table": table}, indent=1))


if __name__ == "__main__":
    main()
