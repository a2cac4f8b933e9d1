"""One expression on fx and on JAX: values, staged values, and derivatives must be the same.

A row is the text of an expression (or the body of a function, if it has a `return`) over the names
that a user would import: `jax`, `jnp`, `lax`, `nn`, `random`, `tree`, `np`. `fx` and JAX evaluate
the same text, each with its own modules under these names. What is compared:

    value     eagerly and under jit: values, shapes, dtypes and weak types
    grad      reverse mode: the gradient of a weighted sum of the results, by every float argument
    jvp       forward mode, along fixed tangents
    vmap      over a batch of two, of all arrays
    second    a Hessian-vector product, forward over reverse
    vmapgrad  gradients of the two elements of a batch, under jit

JAX takes most of the time, compiling; many rows are compiled at once, and not optimized.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import numpy as np

import fx
import fx.flatten_util
import fx.image
import fx.nn
import fx.random
from fx import dtypes
from fx.tree_util import tree_flatten, tree_unflatten

try:
    import jax
    from jax import image as image_of_jax
    from jax.flatten_util import ravel_pytree as ravel_pytree_of_jax
except ImportError:
    jax = ravel_pytree_of_jax = image_of_jax = None

MODES = ("value", "grad", "jvp", "vmap", "second", "vmapgrad")
# In the default run each row takes value and grad, and one of these in turn.
ROTATING = ("jvp", "vmap", "second", "vmapgrad")

_SPEC = re.compile(r"(\w+)\[([\d,]*)\](?: (\S+)\.\.(\S+))?")
_DTYPES = {
    "f32": np.float32,
    "f16": np.float16,
    "bf16": dtypes.bfloat16,
    "c64": np.complex64,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "u8": np.uint8,
    "u16": np.uint16,
    "u32": np.uint32,
    "b": np.bool_,
}
_RTOL = {"float16": 4e-3, "bfloat16": 3e-2}


@dataclass(frozen=True)
class Row:
    """An expression with its arguments, by name.

    Attributes:
        text: of the expression, or of the body of a function.
        args: pytrees whose leaves are specifications such as "f32[3,4]" (numbers from -2 to 2, or
            integers from -9 to 9) or "i32[5] 0..3", arrays, or Python numbers.
        off: modes in which the row takes no part; "jit" stands for all that trace without values.
        rtol: relative to the largest number of the result.
    """

    text: str
    args: dict[str, Any]
    off: frozenset[str] = frozenset()
    rtol: float = 3e-5
    label: str = field(default="")

    def __str__(self) -> str:
        return self.label


def row(text: str, /, off: str = "", rtol: float = 3e-5, **args: Any) -> Row:
    """A row of a table; `off="grad vmap"` switches modes off."""
    label = " ".join(text.split())
    return Row(text, args, frozenset(off.split()), rtol, label[:90])


def draw(spec: str, seed: int) -> np.ndarray:
    """The array of a specification; floats have no ties."""
    match = _SPEC.fullmatch(spec)
    assert match, f"{spec!r} is no specification such as 'f32[3,4] 0..1'"
    kind, dims, low, high = match.groups()
    shape = tuple(int(d) for d in dims.split(",") if d)
    dtype = np.dtype(_DTYPES[kind])
    rng = np.random.default_rng(1000 * seed + 17 * len(shape) + int(np.prod(shape)))
    if dtype.kind == "b":
        return np.asarray(rng.uniform(size=shape) < 0.5)
    if dtype.kind in "iu":
        least = 0 if dtype.kind == "u" else -9
        first, last = (int(low), int(high)) if low else (least, 9)
        return np.asarray(rng.integers(first, last + 1, shape)).astype(dtype)
    first, last = (float(low), float(high)) if low else (-2.0, 2.0)
    x = rng.uniform(first, last, shape)
    if dtype.kind == "c":
        x = x + 1j * rng.uniform(first, last, shape)
    return np.asarray(x).astype(dtype)


@cache
def namespace(library: str) -> dict[str, Any]:
    """The modules that the texts of rows refer to."""
    common = {"np": np, "partial": partial}
    if library == "fx":
        names = {
            "jax": fx,
            "jnp": fx.numpy,
            "lax": fx.lax,
            "nn": fx.nn,
            "random": fx.random,
            "tree": fx.tree,
            "image": fx.image,
            "ravel_pytree": fx.flatten_util.ravel_pytree,
        }
    else:
        names = {
            "jax": jax,
            "jnp": jax.numpy,
            "lax": jax.lax,
            "nn": jax.nn,
            "random": jax.random,
            "tree": jax.tree,
            "image": image_of_jax,
            "ravel_pytree": ravel_pytree_of_jax,
        }
    return common | names


def program(r: Row, library: str) -> Callable[..., Any]:
    """The row's function of its arguments, by position."""
    names = ", ".join(r.args)
    body = r.text if "return" in r.text else f"return ({r.text})"
    source = f"def program({names}):\n" + textwrap.indent(textwrap.dedent(body).strip(), "    ")
    scope = dict(namespace(library))
    exec(compile(source, f"<{r.label}>", "exec"), scope)
    return scope["program"]


class Problem:
    """A row on one library, as functions of flat lists of arrays.

    Arguments that are floats or complex are `active`: derivatives are taken by them. The others
    are held fixed, but take part in vmap.
    """

    def __init__(self, r: Row, library: str):
        self.lib = fx if library == "fx" else jax
        self.function = program(r, library)
        specs, self.treedef = tree_flatten(list(r.args.values()))
        self.leaves = [draw(s, i) if isinstance(s, str) else s for i, s in enumerate(specs)]
        self.active = [i for i, x in enumerate(self.leaves) if is_inexact(x)]

    def inputs(self) -> dict[str, list[Any]]:
        """The arguments, one of each and two of each array; Python numbers stay."""
        convert = self.lib.numpy.asarray
        one, two = [], []
        for x in self.leaves:
            is_array = isinstance(x, np.ndarray)
            one.append(convert(x) if is_array else x)
            two.append(convert(np.stack([x, np.roll(x, 1)])) if is_array else x)
        return {"one": one, "two": two}

    def value(self, *leaves: Any) -> list[Any]:
        """The results as a flat list."""
        outs = self.lib.tree.leaves(self.function(*tree_unflatten(self.treedef, leaves)))
        return [self.lib.numpy.asarray(x) for x in outs]

    def inexact(self, *leaves: Any) -> list[Any]:
        """Those results that have derivatives."""
        return [x for x in self.value(*leaves) if is_inexact(x)]

    def total(self, *leaves: Any) -> Any:
        """A weighted sum of the results, real."""
        jnp = self.lib.numpy
        result = 0.0
        for out in self.inexact(*leaves):
            weights = np.cos(np.arange(out.size).reshape(out.shape))
            part = jnp.real(out) + jnp.imag(out) if out.dtype.kind == "c" else out
            result = result + jnp.sum(part * weights.astype(part.dtype))
        return result

    def tangents(self) -> list[Any]:
        """Directions of the active arguments."""
        out = []
        for i in self.active:
            x = self.leaves[i]
            direction = np.random.default_rng(i + 7).standard_normal(np.shape(x))
            if isinstance(x, np.ndarray):
                out.append(self.lib.numpy.asarray(direction.astype(x.dtype)))
            else:
                out.append(float(direction))
        return out

    def of_active(self, f: Callable[..., Any], leaves: Sequence[Any]) -> Callable[..., Any]:
        """`f` as a function of its active arguments, the others as in `leaves`."""

        def function(*active: Any) -> Any:
            full = list(leaves)
            for i, x in zip(self.active, active, strict=True):
                full[i] = x
            return f(*full)

        return function

    def grad(self, *leaves: Any) -> Any:
        return self.lib.grad(self.total, tuple(self.active))(*leaves)

    def run(self, mode: str, inputs: dict[str, list[Any]]) -> list[Any]:
        """What a mode computes."""
        leaves = inputs["one"]
        if mode == "value":
            return self.value(*leaves)
        if mode == "grad":
            return list(self.grad(*leaves))
        if mode in ("jvp", "second"):
            f = self.of_active(self.inexact if mode == "jvp" else self.grad, leaves)
            primals = [leaves[i] for i in self.active]
            return list(self.lib.jvp(f, primals, self.tangents())[1])
        axes = tuple(0 if isinstance(x, np.ndarray) else None for x in self.leaves)
        f = self.value if mode == "vmap" else self.lib.jit(self.grad)
        return list(self.lib.vmap(f, axes)(*inputs["two"]))


def is_inexact(x: Any) -> bool:
    """Whether a value has derivatives."""
    if isinstance(x, (bool, int)):
        return False
    return isinstance(x, (float, complex)) or dtypes.is_inexact(x.dtype)


def modes_of(r: Row) -> list[str]:
    """The modes in which a row takes part."""
    problem = Problem(r, "fx")
    modes = ["value"]
    if problem.active and "grad" not in r.off:
        modes += ["grad", "jvp", "second"]
    batched = any(isinstance(x, np.ndarray) for x in problem.leaves)
    if batched and not r.off & {"jit", "vmap"}:
        modes.append("vmap")
        if "grad" in modes:
            modes.append("vmapgrad")
    return [m for m in modes if m not in r.off]


def sampled_modes(r: Row, number: int) -> list[str]:
    """The modes of the default run: value, grad, and one that depends on the row's number."""
    modes = modes_of(r)
    rotating = [m for m in ROTATING if m in modes]
    chosen = {"value", "grad"}
    if rotating:
        chosen.add(rotating[number % len(rotating)])
    return [m for m in modes if m in chosen]


@dataclass(frozen=True)
class Result:
    """One array that a mode computes."""

    array: np.ndarray
    weak: bool


def result(x: Any) -> Result:
    return Result(np.asarray(x), x.weak_type)


def results_of_fx(r: Row, mode: str) -> list[Result]:
    problem = Problem(r, "fx")
    return [result(x) for x in problem.run(mode, problem.inputs())]


def staged_results_of_fx(r: Row) -> list[Result]:
    problem = Problem(r, "fx")
    return [result(x) for x in fx.jit(problem.value)(*problem.inputs()["one"])]


# Without these passes XLA compiles in half the time.
_FAST = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def results_of_jax(
    rows: Sequence[tuple[Row, Sequence[str]]],
) -> list[dict[str, list[Result] | Exception]]:
    """What JAX computes for each row and mode, compiled in one piece where that is possible.

    An exception stands for the results of a mode in which JAX raises it.
    """
    problems = [Problem(r, "jax") for r, _ in rows]
    staged = [k for k, (r, _) in enumerate(rows) if "jit" not in r.off]
    results: list[dict[str, Any]] = [{} for _ in rows]

    def run(k: int, mode: str, inputs: Any) -> Any:
        try:
            return problems[k].run(mode, inputs)
        except Exception as error:
            results[k][mode] = error
            return []

    def everything(inputs: Any) -> Any:
        return [
            {mode: run(k, mode, mine) for mode in rows[k][1]}
            for k, mine in zip(staged, inputs, strict=True)
        ]

    inputs = [problems[k].inputs() for k in staged]
    compiled = jax.jit(everything).lower(inputs).compile(_FAST)
    outs = dict(zip(staged, compiled(inputs), strict=True))
    for k, (_, modes) in enumerate(rows):
        for mode in modes:
            out = outs[k][mode] if k in outs else run(k, mode, problems[k].inputs())
            results[k].setdefault(mode, [result(x) for x in out])
    return results


def compare(got: Sequence[Result], expected: Sequence[Result], rtol: float, what: str) -> None:
    """Equal numbers of arrays, shapes, dtypes and weak types; close values."""
    assert len(got) == len(expected), f"{what}: {len(got)} arrays, JAX has {len(expected)}"
    for a, b in zip(got, expected, strict=True):
        assert a.array.shape == b.array.shape, f"{what}: {a.array.shape}, JAX has {b.array.shape}"
        assert a.array.dtype == b.array.dtype, f"{what}: {a.array.dtype}, JAX has {b.array.dtype}"
        assert a.weak == b.weak, f"{what}: weak_type={a.weak}, JAX has {b.weak}"
        x, y = a.array, b.array
        if x.dtype.kind in "biu":
            np.testing.assert_array_equal(x, y, err_msg=what)
            continue
        rtol = max(rtol, _RTOL.get(x.dtype.name, 0.0))
        wide = np.complex128 if x.dtype.kind == "c" else np.float64
        x, y = x.astype(wide), y.astype(wide)
        finite = np.abs(y[np.isfinite(y)])
        scale = float(finite.max(initial=0.0)) or 1.0
        np.testing.assert_allclose(x, y, rtol, rtol * scale, err_msg=what)
