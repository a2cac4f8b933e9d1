"""A row of the table of functions: a call, and which arguments it takes.

    row("numpy.cumsum", "biufc[N,m]", call="x, axis=0")

is `jnp.cumsum(x, axis=0)` for arrays of rank 2 of every dtype. Arguments are called x, y, z, w, in
order. The letters before the brackets say which dtypes an argument takes (bool, int, unsigned,
float, complex), or else one dtype is named (`i32`); in the brackets stand

    n       a size from 0 to 3, the same for the same letter
    N       a size from 1 to 3
    4       a size
    *       any shape, of rank 0 to 3
    ~       a shape that broadcasts with that of `*`

and behind them may stand a range of the values, as `f[*] 0.1..3`. The same text runs on fx, on
JAX, and on NumPy or SciPy. Everything that is checked of functions reads these rows.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array

try:
    import jax
except ImportError:
    jax = None
try:
    import scipy
except ImportError:
    scipy = None

KINDS = {
    "b": ("bool",),
    "i": ("int8", "int16", "int32", "int64"),
    "u": ("uint8", "uint16", "uint32", "uint64"),
    "f": ("float32", "float16", "bfloat16", "float64"),
    "c": ("complex64", "complex128"),
}
NAMED = {"i32": "int32", "u32": "uint32", "f32": "float32", "f64": "float64", "i64": "int64"}
# Sizes where derivatives are taken.
FIXED = {"n": 3, "m": 4, "k": 2}
ARGUMENTS = "xyzw"

_SPEC = re.compile(r"(\w+)\[([^]]*)\](?: (\S+)\.\.(\S+))?")


@dataclass(frozen=True)
class Arg:
    """What an argument may be: dtypes, a shape with symbols, and a range of values."""

    kinds: str
    dims: tuple[str, ...]
    low: float
    high: float

    @property
    def dtypes(self) -> tuple[str, ...]:
        if self.kinds in NAMED:
            return (NAMED[self.kinds],)
        return tuple(d for k in self.kinds for d in KINDS[k])

    @property
    def fixed(self) -> bool:
        """Whether the dtype is named."""
        return self.kinds in NAMED or self.kinds == "b"

    @property
    def differentiable(self) -> bool:
        return not self.fixed and "f" in self.kinds


@dataclass(frozen=True)
class Row:
    """A call of a public function.

    Attributes:
        name: of the function, below `fx`.
        args: by position.
        call: the text between the parentheses.
        ref: the function of NumPy or SciPy, or a text; "" if there is none (then JAX's values
            count).
        one_dtype: whether all arguments with letters take the same dtype.
        grad: why there is no derivative; "" where there is one.
        order: to which order derivatives are checked.
        complex_grad: whether complex derivatives are, too.
        values: whether values are compared; else types only.
        jax: whether JAX has the function, with the same types.
        weak: whether weak types are those of JAX.
        indices: whether its integers may be of the default dtype where JAX has int32, or the other
            way round, with 64 bits.
        wider: whether there may be dtypes that JAX refuses.
        jit: whether it can be staged.
        rtol: relative to the largest number of the result, in float32.
    """

    name: str
    args: tuple[Arg, ...]
    call: str
    ref: str = ""
    one_dtype: bool = False
    grad: str = ""
    order: int = 2
    complex_grad: bool = True
    values: bool = True
    jax: bool = True
    weak: bool = True
    indices: bool = False
    wider: bool = False
    jit: bool = True
    rtol: float = 2e-5

    def __str__(self) -> str:
        return f"{self.name}({self.call})"

    @property
    def differentiable(self) -> bool:
        return not self.grad


def arg(text: str) -> Arg:
    """An argument from its specification."""
    match = _SPEC.fullmatch(text)
    assert match, f"{text!r} is no specification such as 'bf[*] 0..1'"
    kinds, dims, low, high = match.groups()
    assert kinds in NAMED or set(kinds) <= set(KINDS), kinds
    symbols = tuple(d for d in dims.split(",") if d)
    return Arg(kinds, symbols, float(low or -3), float(high or 3))


def row(name: str, *specs: str, call: str | None = None, ref: str | None = None, **flags: Any):
    """A row of the table; by default it calls the function of all arguments, and what it is
    compared with is the function of NumPy or SciPy of that name."""
    args = tuple(arg(s) for s in specs)
    if call is None:
        call = ", ".join(ARGUMENTS[: len(args)])
    if ref is None:
        ref = {"numpy": "np", "scipy": "scipy"}.get(name.split(".")[0], "")
        ref = ref + name[name.index(".") :] if ref else ""
    if not any(a.differentiable for a in args):
        flags.setdefault("grad", "no argument is a float")
    return Row(name, args, call, ref, **flags)


def rows(names: str, *specs: str, **flags: Any) -> list[Row]:
    """Rows that differ by the names alone, which are separated by blanks: `numpy: sin cos`."""
    module, functions = names.split(": ")
    return [row(f"{module}.{f}", *specs, **flags) for f in functions.split()]


# ------------------------------------------------------------------ calls
def _adjoint(m: Any, x: Any) -> Any:
    return m.conj(m.swapaxes(x, -1, -2))


def _helpers(m: Any) -> dict[str, Any]:
    """Arguments with a property, made of any: for texts of calls."""

    def eye(x: Any) -> Any:
        return m.eye(x.shape[-1], dtype=x.dtype)

    return {
        # positive definite; Hermitian; well conditioned; lower triangular
        "spd": lambda x: m.matmul(x, _adjoint(m, x)) + eye(x),
        "herm": lambda x: x + _adjoint(m, x) + m.diag(m.arange(x.shape[-1])).astype(x.dtype) * 9,
        "well": lambda x: x + 9 * eye(x),
        "lower": lambda x: m.tril(x) + 9 * eye(x),
        # positive numbers with sum 1
        "simplex": lambda x: m.exp(x) / m.sum(m.exp(x), -1, keepdims=True),
    }


@cache
def scope(library: str) -> Mapping[str, Any]:
    """The names that texts of calls may use."""
    if library == "numpy":
        names = {"np": np, "scipy": scipy, "jnp": np}
        return names | _helpers(np)
    root = "fx" if library == "fx" else "jax"
    modules = {"jax": "", "jnp": ".numpy", "lax": ".lax", "nn": ".nn", "random": ".random"}
    modules |= {"scipy": ".scipy", "image": ".image"}
    importlib.import_module(f"{root}.scipy.special")
    found = {short: importlib.import_module(root + path) for short, path in modules.items()}
    return {"np": np} | found | _helpers(found["jnp"])


def _function(library: str, name: str) -> Callable[..., Any]:
    """What `library.name` is: a function hides a module of its name."""
    path, found = library, importlib.import_module(library)
    for part in name.split("."):
        path = f"{path}.{part}"
        found = getattr(found, part) if hasattr(found, part) else importlib.import_module(path)
    return found  # type: ignore[return-value]


def caller(r: Row, library: str) -> Callable[..., Any]:
    """The row as a function of its arguments."""
    names = ", ".join(ARGUMENTS[: len(r.args)])
    inside = dict(scope(library))
    if library != "numpy":
        text = f"F({r.call})"
        inside["F"] = _function("fx" if library == "fx" else "jax", r.name)
    else:
        text = f"{r.ref}({r.call})" if re.fullmatch(r"\w+(\.\w+)+", r.ref) else r.ref
    return eval(compile(f"lambda {names}: {text}", f"<{r}>", "eval"), inside)


def leaves(out: Any) -> list[Any]:
    """The results of a call as a flat list."""
    if isinstance(out, dict):
        return [v for o in out.values() for v in leaves(o)]
    if isinstance(out, (tuple, list)):
        return [v for o in out for v in leaves(o)]
    return [] if out is None else [out]


# ------------------------------------------------------------------ arguments
def shape_of(a: Arg, sizes: Mapping[str, Any], number: int = 0) -> tuple[int, ...]:
    """The shape of an argument, with the symbols replaced."""
    out: list[int] = []
    for d in a.dims:
        if d == "*":
            out += sizes["*"]
        elif d == "~":
            out += sizes[f"~{number}"]
        else:
            out.append(int(d) if d.isdigit() else sizes[d])
    return tuple(out)


def numbers(a: Arg, shape: tuple[int, ...], dtype: str, seed: int, whole: bool) -> np.ndarray:
    """Values of an argument; whole numbers have ties."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtypes.canonicalize(dtype)).kind
    if kind == "b":
        return np.asarray(rng.uniform(size=shape) < 0.5)
    if kind in "iu":
        low, high = math.ceil(a.low), math.floor(a.high)
        if kind == "u":
            low, high = max(low, 0), max(high, 0)
        return np.asarray(rng.integers(low, high + 1, shape)).astype(dtype)

    def part() -> np.ndarray:
        x = rng.uniform(a.low, a.high, shape)
        return np.clip(np.round(x), a.low, a.high) if whole else x

    x = part() + 1j * part() if kind == "c" else part()
    return np.asarray(x).astype(dtypes.canonicalize(dtype))


def smooth_point(r: Row, dtype: str, seed: int = 0) -> list[Array]:
    """Arguments of fixed sizes, of a floating or complex dtype where that is allowed."""
    found = []
    for i, a in enumerate(r.args):
        sizes = {k: FIXED.get(k.lower(), 3) for k in "".join(a.dims)} | {"*": (2, 3)}
        sizes[f"~{i}"] = (3,)
        chosen = dtype if a.differentiable else a.dtypes[-1 if a.fixed else 0]
        if a.differentiable and dtype.startswith("complex") and "c" not in a.kinds:
            chosen = "float64"
        found.append(Array(numbers(a, shape_of(a, sizes, i), chosen, seed + i, False)))
    return found
