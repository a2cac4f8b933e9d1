"""Native code stays inside its arrays: each lies beside pages that may not be touched.

Who reads or writes outside kills the process, so the programs run in one of their own, which says
before each what it is.
"""

from __future__ import annotations

import faulthandler
import subprocess
import sys
import warnings

import numpy as np
import pytest

import fx.numpy as jnp
from fx import lax
from tests.backends.agreement import agree
from tests.backends.test_contractions import contraction, seeded
from tests.backends.test_llvm import LARGE
from tests.backends.test_loops import loop
from tests.backends.test_windows import KINDS as WINDOWS
from tests.op_table import TABLE

pytest.importorskip("llvmlite")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")

MANY = 300


def _table(count):
    """The op table, with the first and the last dtype of a row unless many are wanted."""
    for row in TABLE:
        kinds = row.dtypes if count >= MANY else dict.fromkeys((row.dtypes[0], row.dtypes[-1]))
        for number in range(len(row.examples)):
            for dtype in kinds:
                yield f"{row} {number} {dtype}", row.function, row.arguments(number, dtype), None


def _drawn(generator, seeds):
    for seed in seeds:
        f, args, what, *exact = generator(seeded(seed))
        yield f"seed {seed}: {what}", f, args, exact[0] if exact else True


def _columns(_):
    """Padding around columns, each of whose elements fills vectors."""

    def f(x):
        return lax.pad(x, jnp.zeros((), x.dtype), [(2, 3, 0), (1, 1, 0)])

    for dtype in ("float32", "float64", "int64", "int8", "bool"):
        for n in (1, 7, 1024):
            yield f"a column of {n} {dtype}", f, (np.ones((n, 1), dtype),), True


def _large(_):
    """Kernels whose work is cut into blocks and chunks."""
    for name, (shape, f) in LARGE.items():
        x = np.random.default_rng(0).integers(-3, 4, shape).astype(np.float64)
        yield name, f, (x,), False


GROUPS = {
    "column": _columns,
    "large": _large,
    "contraction": lambda n: _drawn(contraction, range(n)),
    **{kind: lambda n, g=g: _drawn(g, range(n)) for kind, (g, _) in WINDOWS.items()},
    "loop": lambda n: _drawn(loop, range(n)),
    "table": _table,
}


def main(group: str, count: str) -> None:
    """Run the programs of a group."""
    faulthandler.enable()
    warnings.simplefilter("ignore")
    for what, f, args, exact in GROUPS[group](int(count)):
        print(what, flush=True)
        agree(f, *args, exact=bool(exact), guarded=True)
    print("done", flush=True)


def run(group, count):
    code = f"from tests.backends.test_memory_safety import main; main({group!r}, '{count}')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    last = (done.stdout.splitlines() or ["nothing ran"])[-1]
    assert last == "done", f"{last}\nexit status {done.returncode}\n{done.stderr[-3000:]}"


@pytest.mark.parametrize("group", GROUPS)
def test_nothing_outside_is_touched(group):
    run(group, 15 if "net" in group else 40)


@pytest.mark.slow
@pytest.mark.parametrize("group", [g for g in GROUPS if g not in ("column", "large")])
def test_nothing_outside_is_touched_by_many(group):
    run(group, MANY)


def test_the_fence_stands():
    code = """
import ctypes, sys
import numpy as np
from tests.backends.agreement import Fence
x = Fence(sys.argv[1] == "end").empty((5,), np.float32)
x[...] = 1
ctypes.memmove(x.ctypes.data + int(sys.argv[2]), bytes(1), 1)
"""
    for end, at, alive in (("end", 19, True), ("end", 20, False), ("start", -1, False),
                           ("start", 0, True)):  # fmt: skip
        done = subprocess.run([sys.executable, "-c", code, end, str(at)], capture_output=True)
        assert (done.returncode == 0) == alive
