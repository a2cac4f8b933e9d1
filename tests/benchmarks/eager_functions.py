"""Each function of fx.numpy without `jit` beside NumPy: on a million elements, and on sixteen.

    python tests/benchmarks/eager_functions.py            # the table
    python tests/benchmarks/eager_functions.py sort take  # of these functions
    python tests/benchmarks/eager_functions.py --over     # of those that pass a limit

The limits: twice NumPy's time on a million elements, and five microseconds more on sixteen. Times
are the least of several rounds in which the libraries take turns.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import fx.numpy

SIZES = (1_000_000, 16)
RATIO, MORE = 2.0, 5e-6

# Calls by their arguments: `m` is the library; x, y are vectors of float32 in (0.1, 0.9), a, c
# square matrices of them, i, j vectors of int32 in [1, 9], b a vector of bools, z one of complex64,
# s is x in order, h and w are the halves of x, p are positions in x.
FUNCTIONS = {
    "x": "sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arctanh exp exp2 expm1 log log2 "
    "log10 log1p sqrt cbrt square reciprocal negative positive absolute fabs sign floor ceil trunc "
    "rint round degrees radians deg2rad rad2deg sinc i0 signbit isnan isinf isfinite isposinf "
    "isneginf isreal iscomplex real imag conjugate angle nan_to_num frexp modf spacing unwrap "
    "sum prod mean var std max min ptp argmax argmin any all median nansum nanprod nanmean nanvar "
    "nanstd nanmax nanmin nanmedian nanargmax nanargmin count_nonzero average cumsum cumprod "
    "nancumsum nancumprod cumulative_sum cumulative_prod diff ediff1d gradient trapezoid sort "
    "argsort unique flip ravel copy array asarray zeros_like ones_like empty_like atleast_1d "
    "atleast_2d atleast_3d squeeze transpose nonzero flatnonzero argwhere iscomplexobj isrealobj "
    "trim_zeros histogram histogram_bin_edges sort_complex logical_not size shape ndim",
    "x, y": "add subtract multiply divide true_divide floor_divide remainder mod fmod divmod power "
    "float_power arctan2 hypot logaddexp logaddexp2 maximum minimum fmax fmin copysign nextafter "
    "heaviside equal not_equal less less_equal greater greater_equal logical_and logical_or "
    "logical_xor isclose allclose array_equal array_equiv dot vdot inner vecdot matmul append "
    "cov corrcoef broadcast_arrays",
    "i": "invert bitwise_count bincount",
    "i, j": "bitwise_and bitwise_or bitwise_xor gcd lcm left_shift right_shift floor_divide "
    "remainder divmod",
    "z": "absolute angle conjugate real imag exp sqrt",
    "a": "fliplr flipud rot90 transpose matrix_transpose trace diagonal tril triu",
    "a, c": "matmul dot",
    "(x, y)": "concatenate stack hstack vstack dstack column_stack",
    "b": "packbits any all",
}
CALLS = {
    "acos": "m.acos(x)",
    "add number": "m.add(x, 2.0)",
    "power 3": "m.power(x, 3)",
    "sum of rows": "m.sum(a, axis=1)",
    "sum of columns": "m.sum(a, axis=0)",
    "mean of rows": "m.mean(a, axis=1)",
    "var of columns": "m.var(a, axis=0)",
    "max of rows": "m.max(a, axis=1)",
    "argmax of rows": "m.argmax(a, axis=1)",
    "cumsum of columns": "m.cumsum(a, axis=0)",
    "sort of rows": "m.sort(a, axis=1)",
    "argsort of columns": "m.argsort(a, axis=0)",
    "median of rows": "m.median(a, axis=1)",
    "quantile": "m.quantile(x, 0.3)",
    "percentile": "m.percentile(x, 30.0)",
    "nanquantile": "m.nanquantile(x, 0.3)",
    "nanpercentile": "m.nanpercentile(x, 30.0)",
    "ldexp": "m.ldexp(x, i)",
    "clip": "m.clip(x, 0.2, 0.8)",
    "where": "m.where(b, x, y)",
    "where number": "m.where(b, x, 0.0)",
    "select": "m.select([b, x > 0.5], [x, y], 0.0)",
    "choose": "m.choose(i % 2, [x, y])",
    "piecewise": "m.piecewise(x, [x < 0.5], [1.0, 2.0])",
    "interp": "m.interp(x, s, y)",
    "zeros": "m.zeros(n, 'float32')",
    "ones": "m.ones(n, 'float32')",
    "empty": "m.empty(n, 'float32')",
    "full": "m.full(n, 2.5, 'float32')",
    "full_like": "m.full_like(x, 2.5)",
    "arange": "m.arange(n)",
    "linspace": "m.linspace(0.0, 1.0, n)",
    "logspace": "m.logspace(0.0, 1.0, n)",
    "geomspace": "m.geomspace(1.0, 2.0, n)",
    "eye": "m.eye(k)",
    "identity": "m.identity(k)",
    "tri": "m.tri(k)",
    "meshgrid": "m.meshgrid(a[0], a[1])",
    "indices": "m.indices((k, k))",
    "vander": "m.vander(a[0], k)",
    "hanning": "m.hanning(n)",
    "hamming": "m.hamming(n)",
    "blackman": "m.blackman(n)",
    "bartlett": "m.bartlett(n)",
    "kaiser": "m.kaiser(n, 3.0)",
    "reshape": "m.reshape(x, (-1, 4))",
    "expand_dims": "m.expand_dims(x, 0)",
    "broadcast_to": "m.broadcast_to(a[0], (k, k))",
    "swapaxes": "m.swapaxes(a, 0, 1)",
    "moveaxis": "m.moveaxis(a, 0, 1)",
    "rollaxis": "m.rollaxis(a, 1)",
    "permute_dims": "m.permute_dims(a, (1, 0))",
    "roll": "m.roll(x, 3)",
    "roll of rows": "m.roll(a, 1, axis=1)",
    "repeat": "m.repeat(h, 2)",
    "tile": "m.tile(h, 2)",
    "resize": "m.resize(h, (2, h.size))",
    "pad": "m.pad(a, 1)",
    "pad edge": "m.pad(a, 1, mode='edge')",
    "pad reflect": "m.pad(a, 1, mode='reflect')",
    "pad wrap": "m.pad(a, 1, mode='wrap')",
    "block": "m.block([[h, w], [w, h]])",
    "split": "m.split(x, 4)",
    "array_split": "m.array_split(x, 3)",
    "hsplit": "m.hsplit(a, 2)",
    "vsplit": "m.vsplit(a, 2)",
    "unstack": "m.unstack(a[:4])",
    "insert": "m.insert(x, 3, 7.0)",
    "delete": "m.delete(x, 3)",
    "diag": "m.diag(a[0])",
    "diag of matrix": "m.diag(a)",
    "tril_indices": "m.tril_indices(k)",
    "triu_indices": "m.triu_indices(k)",
    "take": "m.take(x, p)",
    "take of rows": "m.take(a, p[:k] % k, axis=0)",
    "take_along_axis": "m.take_along_axis(x, p, 0)",
    "compress": "m.compress(b, x)",
    "extract": "m.extract(b, x)",
    "unravel_index": "m.unravel_index(p, (k, k))",
    "searchsorted": "m.searchsorted(s, x)",
    "digitize": "m.digitize(x, s[:4])",
    "partition": "m.partition(x, n // 2)",
    "argpartition": "m.argpartition(x, n // 2)",
    "lexsort": "m.lexsort((x, i))",
    "isin": "m.isin(x, y[:64])",
    "union1d": "m.union1d(x, y)",
    "intersect1d": "m.intersect1d(x, y)",
    "setdiff1d": "m.setdiff1d(x, y)",
    "setxor1d": "m.setxor1d(x, y)",
    "unique with counts": "m.unique(i, return_counts=True)",
    "histogram2d": "m.histogram2d(x, y)",
    "apply_over_axes": "m.apply_over_axes(m.sum, a, [0])",
    "cross": "m.cross(x[:n // 3 * 3].reshape(-1, 3), y[:n // 3 * 3].reshape(-1, 3))",
    "outer": "m.outer(a[0], a[1])",
    "kron": "m.kron(a[0], a[1])",
    "tensordot": "m.tensordot(a, c, 1)",
    "einsum": "m.einsum('ij,jk->ik', a, c)",
    "einsum of rows": "m.einsum('ij,ij->i', a, c)",
    "matvec": "m.matvec(a, a[0])",
    "vecmat": "m.vecmat(a[0], a)",
    "convolve": "m.convolve(x, y[:8])",
    "correlate": "m.correlate(x, y[:8])",
    "polyval": "m.polyval(y[:4], x)",
    "polyadd": "m.polyadd(x, y)",
    "polysub": "m.polysub(x, y)",
    "polyder": "m.polyder(x)",
    "polyint": "m.polyint(x)",
    "polymul": "m.polymul(x, y[:4])",
    "polyfit": "m.polyfit(x, y, 2)",
    "unpackbits": "m.unpackbits(m.packbits(b))",
    "index of a row": "a[1]",
    "index by a slice": "x[2:-2]",
    "index by positions": "x[p]",
    "index by a mask": "x[b]",
    "linalg.norm": "m.linalg.norm(x)",
    "linalg.norm of rows": "m.linalg.norm(a, axis=1)",
    "linalg.vector_norm": "m.linalg.vector_norm(x)",
    "linalg.matrix_norm": "m.linalg.matrix_norm(a)",
    "linalg.det": "m.linalg.det(a)",
    "linalg.inv": "m.linalg.inv(a)",
    "linalg.solve": "m.linalg.solve(a, c)",
    "fft.fft": "m.fft.fft(z)",
    "fft.rfft": "m.fft.rfft(x)",
    "fft.fft2": "m.fft.fft2(a)",
    "fft.fftshift": "m.fft.fftshift(x)",
    "fft.fftfreq": "m.fft.fftfreq(n)",
}


def calls() -> dict[str, str]:
    """Name of a row -> the call."""
    found = {}
    for arguments, names in FUNCTIONS.items():
        for name in names.split():
            label = name if arguments in ("x", "x, y", "(x, y)") else f"{name}({arguments})"
            found[label] = f"m.{name}({arguments})"
    return found | CALLS


def arguments(n: int) -> dict[str, Any]:
    """What the calls refer to, for about n elements, as NumPy's arrays."""
    rng = np.random.default_rng(0)
    k = int(np.sqrt(n))
    x, y = (rng.uniform(0.1, 0.9, n).astype(np.float32) for _ in range(2))
    a, c = (rng.uniform(0.1, 0.9, (k, k)).astype(np.float32) for _ in range(2))
    i, j = (rng.integers(1, 10, n, np.int32) for _ in range(2))
    return {
        "x": x,
        "y": y,
        "a": a + np.eye(k, dtype=np.float32),
        "c": c,
        "i": i,
        "j": j,
        "b": x > 0.5,
        "z": (x + 1j * y).astype(np.complex64),
        "s": np.sort(x),
        "h": x[: n // 2].copy(),
        "w": x[n // 2 :].copy(),
        "p": rng.integers(0, n, n, np.int32),
        "n": n,
        "k": k,
    }


def call(text: str, library: Any, values: dict[str, Any]) -> Callable[[], Any]:
    """A call of a library on its arrays."""
    mine = {
        name: library.asarray(v) if isinstance(v, np.ndarray) else v for name, v in values.items()
    }
    return eval(compile(f"lambda: {text}", text, "eval"), mine | {"m": library})


def seconds(f: Callable[[], Any], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        f()
    return (time.perf_counter() - start) / repeats


def fastest(functions: list[Callable[[], Any]], budget: float) -> list[float]:
    """The least seconds of each function, in turns, within about `budget` seconds."""
    best = [min(seconds(f, 1) for _ in range(2)) for f in functions]
    turn = max(sum(best), 1e-9)
    repeats = max(1, min(50, int(budget / 8 / turn)))
    for _ in range(max(2, min(40, int(budget / (repeats * turn))))):
        best = [min(b, seconds(f, repeats)) for b, f in zip(best, functions, strict=True)]
    return best


@dataclass(frozen=True)
class Result:
    """Seconds of NumPy and fx, on many elements and on few."""

    name: str
    large: tuple[float, float]
    small: tuple[float, float]

    @property
    def ratio(self) -> float:
        return self.large[1] / self.large[0]

    @property
    def more(self) -> float:
        return self.small[1] - self.small[0]

    @property
    def large_passes(self) -> bool:
        # What takes NumPy no time, such as a view, is held to the limit of small arrays.
        return self.ratio <= RATIO or self.large[1] - self.large[0] <= MORE

    @property
    def small_passes(self) -> bool:
        return self.more <= MORE

    @property
    def passes(self) -> bool:
        return self.large_passes and self.small_passes

    def __str__(self) -> str:
        marks = ("" if self.large_passes else " **over**", "" if self.small_passes else " **over**")
        return (
            f"| {self.name} | {self.large[0] * 1e3:.3f} | {self.large[1] * 1e3:.3f} "
            f"| {self.ratio:.2f}{marks[0]} | {self.small[0] * 1e6:.1f} | {self.small[1] * 1e6:.1f} "
            f"| {self.more * 1e6:+.1f}{marks[1]} |"
        )


def measure(names: list[str], budget: float) -> list[Result]:
    """Results of some calls; `budget` is of seconds for each call and size."""
    sets = [arguments(n) for n in SIZES]
    results = []
    for name in names:
        text = calls()[name]
        times = []
        for values in sets:
            pair = [call(text, library, values) for library in (np, fx.numpy)]
            times.append(tuple(fastest(pair, budget)))
        results.append(Result(name, times[0], times[1]))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="rows; all by default")
    parser.add_argument("--over", action="store_true", help="print those alone that pass a limit")
    parser.add_argument("--budget", type=float, default=0.1, help="seconds for a call and a size")
    options = parser.parse_args()
    chosen = [n for n in calls() if not options.names or n.split()[0] in options.names]
    warnings.simplefilter("ignore")
    with np.errstate(all="ignore"):
        results = measure(chosen, options.budget)
    many, few = (f"{n:,}" for n in SIZES)
    print(f"| function | NumPy ms ({many}) | fx ms | over | NumPy us ({few}) | fx us | more |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for r in results:
        if not (options.over and r.passes):
            print(r)
    large, small = (sum(p) for p in zip(*((r.large_passes, r.small_passes) for r in results),
                                        strict=True))  # fmt: skip
    print(f"\nOf {len(results)} calls {large} take at most {RATIO:g} times NumPy's time on "
          f"{SIZES[0]:,} elements, {small} at most {MORE * 1e6:g} us more on {SIZES[1]}, "
          f"{sum(r.passes for r in results)} both.")  # fmt: skip


if __name__ == "__main__":
    main()
