"""The CUDA backend: the kernels of the loop dialect as CUDA C++, and what runs them.

Graphs, fusion and plans of memory are those of `fx.backends` and `fx.kernel`, for the target
`fx.kernel.target.GPU`; only the last step is here. It was compiled and simulated, and has not yet
run on hardware.

codegen      kernel -> source: `maps`, `reductions`, `contraction` for loop nests, `others` for the
             rest; `writer` has what loop nests share, `source` text and how it is launched
spellings    dtypes, constants and operations in C++; `functions` those that are made from tables,
             `prelude.h` what generated text calls
program      all of that for a jaxpr, on a machine
simulated    a machine made of g++ and `simulated.h`
nvrtc        source -> code for a GPU
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fx.backends.cuda.program import Machine, Program
from fx.backends.cuda.simulated import Simulator
from fx.config import detours
from fx.core.backend import get_backend, register_backend
from fx.core.finite import watching
from fx.core.ir import Jaxpr
from fx.errors import FxValueError


class CudaBackend:
    """Compiles jaxprs to kernels, which a machine runs.

    What cannot be compiled raises: programs never run elsewhere than where they were asked to.
    """

    dialect = "cuda"  # of what `inspect` shows

    def __init__(self, name: str, machine: Machine):
        self.name = name
        self.machine = machine

    def compile(
        self, jaxpr: Jaxpr, donated: tuple[int, ...] = ()
    ) -> Callable[[Sequence[Any]], list[Any]]:
        """A function from arrays to arrays; kept with the jaxpr."""
        key = (self.name, donated)
        compiled = jaxpr.memo.get(key)
        if compiled is None:
            compiled = jaxpr.memo[key] = self._compile(jaxpr, donated)
        return compiled

    def _compile(
        self, jaxpr: Jaxpr, donated: tuple[int, ...]
    ) -> Callable[[Sequence[Any]], list[Any]]:
        program = Program(jaxpr, self.machine, donated)

        def run(args: Sequence[Any]) -> list[Any]:
            if detours[0] and watching():  # each equation has to be looked at
                return get_backend("numpy").compile(jaxpr)(args)
            return program(args)

        run.in_place = program.in_place  # type: ignore[attr-defined]
        run.program = program  # type: ignore[attr-defined]
        return run

    def inspect(self, jaxpr: Jaxpr) -> Inspection:
        """The compiled program, to look at."""
        return Inspection(self.compile(jaxpr).program)  # type: ignore[attr-defined]


class Inspection:
    """A compiled program, to look at."""

    def __init__(self, program: Program):
        self._program = program

    def as_text(self, dialect: str) -> str:
        """The kernels in order, as CUDA C++."""
        if dialect != "cuda":
            raise FxValueError(
                f"as_text({dialect!r}): programs for a GPU are shown as 'jaxpr' or 'cuda'."
            )
        return "\n\n".join(
            f"// {s.blocks} blocks of {s.threads} threads\n{s.text}" for s in self._program.sources
        )


register_backend("simulated_cuda", CudaBackend("simulated_cuda", Simulator()))
