"""Random programs: a hypothesis strategy that draws well-typed functions of arrays, as source."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

import fx
import fx.numpy as jnp
from fx import dtypes, lax
from fx.testing.blocks import Block, Settings, Value, renumber
from fx.testing.control import fill
from fx.tree import map as tree_map

GRID = 32
INTEGERS = 4


class Program:
    """A function of arrays, with its source and an example of its arguments.

    Calling it calls the function. Its repr is Python source that defines the function and `args`.

    Attributes:
        source: of the function `program`.
        args: example arguments, a tuple of arrays in pytrees.
        argnums: positions of the arguments that are floating-point, for `grad`.
        axis_name: of the axis that its collectives use, or None.
    """

    def __init__(self, source: str, args: tuple[Any, ...], axis_name: Any = None):
        self.source = source
        self.args = args
        self.argnums = tuple(i for i, x in enumerate(args) if _is_float(x))
        self.axis_name = axis_name
        scope: dict[str, Any] = {"fx": fx, "jnp": jnp, "lax": lax}
        exec(compile(source, "<program>", "exec"), scope)
        self.__wrapped__: Callable[..., Any] = scope["program"]
        self.__name__ = "program"

    def __call__(self, *args: Any) -> Any:
        return self.__wrapped__(*args)

    def batch(self, size: int, seed: int = 0) -> tuple[Any, ...]:
        """Arguments with a new leading axis: the example first, then others of its types, random.

        Args:
            size: of the axis.
            seed: of the random numbers.

        Returns:
            A tuple like `args`, for `vmap(program)` or `pmap(program)`.
        """
        rng = np.random.default_rng(seed)

        def stacked(x: Any) -> Any:
            shape = (max(size - 1, 0), *x.shape)
            if dtypes.is_integer(x.dtype):
                more = rng.integers(0, INTEGERS + 1, shape).astype(x.dtype)
            else:
                more = (rng.integers(-GRID, GRID + 1, shape) / GRID).astype(x.dtype)
            return jnp.asarray(np.concatenate([np.asarray(x)[None], more])[:size])

        return tree_map(stacked, self.args)

    def __repr__(self) -> str:
        head = "import fx\nimport fx.numpy as jnp\nfrom fx import lax\n"
        items = "".join(f"    {_literal(x)},\n" for x in self.args)
        return f"{head}\n\n{self.source}\n\nargs = (\n{items})\n"


def _is_float(tree: Any) -> bool:
    return all(dtypes.is_inexact(x.dtype) for x in fx.tree.leaves(tree))


def _literal(tree: Any) -> str:
    """Source of a pytree of arrays."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{k!r}: {_literal(v)}" for k, v in tree.items()) + "}"
    if isinstance(tree, tuple):
        return f"({', '.join(_literal(v) for v in tree)}{',' if len(tree) == 1 else ''})"
    if tree is None:
        return "None"
    values = np.asarray(tree)
    if not dtypes.is_integer(values.dtype):
        values = values.astype(np.float64)
    return f'jnp.array({values.tolist()}, dtype="{tree.dtype.name}")'


# ------------------------------------------------------------------ arguments
@dataclasses.dataclass
class _Argument:
    """An argument: its value, and how to read each of its arrays."""

    value: Any
    leaves: list[Value]


def _argument(s: Settings, name: str, dtype: np.dtype, pytrees: bool) -> _Argument:
    """A floating-point array, or a small pytree of them."""
    leaves: list[Value] = []

    def leaf(text: str) -> Any:
        shape = tuple(s.integer(1, 3) for _ in range(s.choose([0, 1, 2, 1, 2])))
        # Two choices an array: programs have many, and their structure should shrink first.
        first, step = s.integer(-GRID, GRID), s.integer(0, GRID)
        count = int(np.prod(shape))
        numbers = (first + GRID + step * np.arange(count)) % (2 * GRID + 1) - GRID
        leaves.append(Value(text, shape, "f", 1.0, 1.0))
        return jnp.asarray((numbers.reshape(shape) / GRID).astype(dtype))

    kind = s.choose(["array", "array", "dict", "tuple", "nested"]) if pytrees else "array"
    if kind == "dict":
        value: Any = {k: leaf(f'{name}["{k}"]') for k in ("a", "b")}
    elif kind == "tuple":
        value = tuple(leaf(f"{name}[{i}]") for i in range(2))
    elif kind == "nested":
        value = {"p": (leaf(f'{name}["p"][0]'), None), "q": {"r": leaf(f'{name}["q"]["r"]')}}
    else:
        value = leaf(name)
    return _Argument(value, leaves)


def _integer(s: Settings, name: str) -> _Argument:
    """An integer of shape (), which steers control flow."""
    value = s.integer(0, INTEGERS)
    return _Argument(jnp.asarray(np.int32(value)), [Value(name, (), "i", INTEGERS)])


# ------------------------------------------------------------------ the strategy
def programs(
    *,
    dtype: Any = "float32",
    differentiable: bool = True,
    control_flow: bool = True,
    collectives: Any = None,
    max_equations: int = 24,
    max_arguments: int = 3,
    pytrees: bool = True,
    scalar: bool = False,
) -> st.SearchStrategy[Program]:
    """Well-typed programs: functions of arrays in pytrees, written with `fx.numpy` and `fx.lax`.

    A program is called like the function that a user would write. It takes up to `max_arguments`
    floating-point arguments and, where there is control flow, a last one that is an int32 of
    shape (), from 0 to 4. `program.argnums` are the floating-point ones, `program.args` an example
    of all, `program.batch(n)` a stack of n examples. Elements of arguments lie in [-1, 1]; all
    values of a program are finite for such arguments. Examples shrink to short programs of few
    operations, and a failing one prints as Python source.

    Args:
        dtype: of the floating-point values.
        differentiable: only operations that are smooth, with bounded derivatives, so that finite
            differences in float64 agree with them; else also comparisons, sorting, rounding, ...
        control_flow: whether programs have cond, switch, scan, fori_loop, while_loop, map, nested
            jit, vmap, checkpoint and grad, and functions with custom_jvp.
        collectives: the name of an axis over which programs exchange values (psum, pmean,
            all_gather, ppermute, psum_scatter, all_to_all, axis_index, ...); None for none.
            Such a program runs inside `vmap` or `pmap` with that axis name, of any size.
        max_equations: about how many statements a program may have.
        max_arguments: how many floating-point arguments a program may have.
        pytrees: whether arguments and the result may be dicts and tuples.
        scalar: whether the result is one array of shape (), as `grad` needs it.

    Returns:
        A strategy of `Program`s.

    Example:
        >>> from hypothesis import given
        >>> import fx, fx.testing
        >>> @given(fx.testing.programs(collectives="i"))
        ... def test_pmap_is_vmap(program):
        ...     args = program.batch(4)
        ...     one = fx.vmap(program, axis_name="i")(*args)
        ...     other = fx.pmap(program, axis_name="i")(*args)
        ...     assert fx.tree.structure(one) == fx.tree.structure(other)
    """
    checked = dtypes.canonicalize(dtype)
    if not dtypes.is_floating(checked):
        raise InvalidArgument(f"programs: dtype={dtype!r} must be a floating-point dtype")
    for name, value in (("max_equations", max_equations), ("max_arguments", max_arguments)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidArgument(f"programs: {name}={value!r} must be an integer of at least 1")
    return _programs(
        checked,
        differentiable,
        control_flow,
        collectives,
        max_equations,
        max_arguments,
        pytrees,
        scalar,
    )


@st.composite
def _programs(
    draw: Any,
    dtype: np.dtype,
    differentiable: bool,
    control_flow: bool,
    collectives: Any,
    max_equations: int,
    max_arguments: int,
    pytrees: bool,
    scalar: bool,
) -> Program:
    count = draw(st.integers(1, max_equations))
    s = Settings(draw, dtype.name, differentiable, collectives, count, control_flow)
    arguments = [_argument(s, f"x{i}", dtype, pytrees) for i in range(s.integer(1, max_arguments))]
    if control_flow:
        arguments.append(_integer(s, f"x{len(arguments)}"))
    names = ", ".join(f"x{i}" for i in range(len(arguments)))
    b = Block(s, [v for a in arguments for v in a.leaves])
    fill(b, count)
    lines = "\n".join(b.close(_result(b, pytrees, scalar)))
    return Program(
        renumber(f"def program({names}):\n{lines}\n"),
        tuple(a.value for a in arguments),
        collectives,
    )


def _result(b: Block, pytrees: bool, scalar: bool) -> str:
    """What the program returns: values that nothing else uses, the latest first."""
    options = b.unused() or b.of_kind("f")
    count = b.settings.integer(1, min(len(options), 6))
    chosen = options[:count]
    if scalar:
        return " + ".join(v.text if v.shape == () else f"jnp.mean({v.text})" for v in chosen)
    if count == 1 or not pytrees:
        return chosen[0].text
    if b.settings.choose([True, False]):
        return (
            "{"
            + ", ".join(f'"{k}": {v.text}' for k, v in zip("abcdef", chosen, strict=False))
            + "}"
        )
    return f"({', '.join(v.text for v in chosen)})"
