"""A program between its function and its runs: traced and lowered, then compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fx.calls.costs import cost_analysis
from fx.calls.jit_call import eval_or_run
from fx.core.array import to_array
from fx.core.avals import ShapeDtypeStruct
from fx.core.backend import get_backend
from fx.core.ir import Jaxpr
from fx.errors import FxTypeError, FxValueError, public
from fx.pytree import tree_flatten, tree_unflatten

DIALECTS = ("jaxpr", "loops", "llvm", "asm", "cuda")


def inspected(jaxpr: Jaxpr, what: str) -> Any:
    """What the backend knows of a program: an object with `as_text(dialect)` and `memory()`."""
    backend = get_backend()
    inspect = getattr(backend, "inspect", None)
    if inspect is None:
        raise FxValueError(
            f"{what} is known to the compiler; the backend is {backend.name!r}. Use "
            "fx.config.update('cpu_backend', 'llvm') before."
        )
    return inspect(jaxpr)


def _text(jaxpr: Jaxpr, dialect: str | None) -> str:
    if dialect not in (None, *DIALECTS):
        raise FxValueError(
            f"as_text expects one of {', '.join(map(repr, DIALECTS))}, got {dialect!r}."
        )
    if dialect in (None, "jaxpr"):
        return str(jaxpr)
    return inspected(jaxpr, f"as_text({dialect!r})").as_text(dialect)


class _Stage:
    """What can be read off a program at either stage."""

    def __init__(self, jaxpr: Jaxpr, in_tree: Any, out_tree: Any, name: str):
        self.jaxpr = jaxpr
        self.in_tree = in_tree
        self.out_tree = out_tree
        self.name = name

    @property
    def out_info(self) -> Any:
        """Shapes and dtypes of the results, as a tree."""
        structs = [
            ShapeDtypeStruct(a.shape, a.dtype, weak_type=a.weak_type) for a in self.jaxpr.out_avals
        ]
        return tree_unflatten(self.out_tree, structs)

    @public
    def cost_analysis(self) -> dict[str, Any]:
        """Operations and bytes: "flops", "transcendentals", "bytes accessed", and "equations", a
        list of the same for each equation with its "name" and the user's "source" line.

        Bytes are those of equations one by one; what is fused stays in registers.
        """
        return cost_analysis(self.jaxpr)


class Compiled(_Stage):
    """A program compiled for one signature; call it with arguments of that signature."""

    def __init__(self, lowered: Lowered):
        super().__init__(lowered.jaxpr, lowered.in_tree, lowered.out_tree, lowered.name)
        get_backend().compile(lowered.jaxpr)

    @public
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves, tree = tree_flatten((args, kwargs))
        if tree != self.in_tree:
            raise FxTypeError(
                f"compiled {self.name} expects arguments of the structure {self.in_tree}, "
                f"got {tree}. Compile again for this structure, or use jit."
            )
        arrays: Sequence[Any] = [to_array(x, self.name) for x in leaves]
        for i, (x, aval) in enumerate(zip(arrays, self.jaxpr.in_avals, strict=True)):
            if not aval.same_type(x.aval):
                raise FxTypeError(
                    f"compiled {self.name} expects {aval.strong().short()} for leaf {i} of its "
                    f"arguments, got {x.aval.short()}. Compile again, or use jit."
                )
        return tree_unflatten(self.out_tree, eval_or_run(self.jaxpr, arrays, self.name))

    @public
    def as_text(self, dialect: str | None = None) -> str:
        """The program that runs: "asm", this machine's instructions; "llvm", "loops" and "jaxpr"
        as in `Lowered.as_text`, or "cuda" for a GPU. By default the assembly or the CUDA C++, or
        the jaxpr where it is interpreted.
        """
        if dialect is None:
            dialect = getattr(get_backend(), "dialect", "jaxpr")
        return _text(self.jaxpr, dialect)

    @public
    def memory_analysis(self) -> Any:
        """The bytes that a call takes, known before it: `argument_size_in_bytes`,
        `output_size_in_bytes`, `constant_size_in_bytes`, `temp_size_in_bytes` (the most that is
        held beside arguments, constants and results), `peak_memory_in_bytes` (the most of all but
        constants), `generated_code_size_in_bytes`.

        Scratch memory inside a NumPy rule is not counted.
        """
        return inspected(self.jaxpr, "memory_analysis").memory()


class Lowered(_Stage):
    """A traced program with the trees of its arguments and results."""

    def lower(self) -> Lowered:
        """Itself: tracing and lowering are one step on this backend."""
        return self

    @public
    def as_text(self, dialect: str | None = None) -> str:
        """The program as text.

        Args:
            dialect: "jaxpr" (the default); "loops", the loop nest of each kernel with the user's
                source lines; "llvm", the kernels in LLVM's language; "asm", this machine's
                instructions. The last three need the compiler.

        Example:
            >>> import fx, fx.numpy as jnp
            >>> print(fx.jit(lambda x: jnp.sin(x) * 2).lower(jnp.ones(3)).as_text())
            { lambda ; a:f32[3]. let b:f32[3] = sin a; c:f32[3] = mul b 2.0:f32[] in (c,) }
        """
        return _text(self.jaxpr, dialect)

    def compile(self) -> Compiled:
        """Compile for this signature."""
        return Compiled(self)
