"""The CUDA backend: the kernels of the loop dialect as CUDA C++, and what runs them.

Graphs, fusion and plans of memory are those of `fx.backends` and `fx.kernel`, for the target
`fx.kernel.target.GPU`; only the last step is here. It was compiled and simulated, and has not yet
run on hardware.

codegen      kernel -> source: `maps`, `reductions`, `contraction` for loop nests, `others` for the
             rest; `writer` has what loop nests share, `source` text and how it is launched
spellings    dtypes, constants and operations in C++; `functions` those that are made from tables,
             `prelude.h` what generated text calls
libraries    which products a library computes
program      all of that for a jaxpr, on a machine; `memory` has the machine's arrays
eager        operations outside of programs, as programs of one equation
simulated    a machine made of g++ and `simulated.h`
nvrtc        source -> code for a GPU
runtime      a machine that is a GPU, through CuPy; `gpu` makes the backend of it
doctor       what there is of what that needs
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx.backends.cuda.eager import program_of
from fx.backends.cuda.memory import Buffer
from fx.backends.cuda.program import Machine, Program
from fx.backends.cuda.simulated import Simulator
from fx.config import detours
from fx.core.array import Array
from fx.core.avals import ShapedArray
from fx.core.backend import get_backend, register_backend
from fx.core.finite import watching
from fx.core.ir import Jaxpr
from fx.core.mesh import SingleDeviceSharding
from fx.core.remote import DeviceArray
from fx.errors import FxValueError


class CudaBackend:
    """Compiles jaxprs to kernels, which a machine runs.

    What cannot be compiled raises: programs never run elsewhere than where they were asked to.
    """

    dialect = "cuda"  # of what `inspect` shows

    def __init__(self, machine: Machine):
        self.name = machine.backend
        self.machine = machine
        self._place = SingleDeviceSharding(machine.device)

    def compile(
        self, jaxpr: Jaxpr, donated: tuple[int, ...] = ()
    ) -> Callable[[Sequence[Any]], list[Any]]:
        """A function from arrays, on the device or on the CPU, to arrays on the device."""
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
                held = [x.get() if isinstance(x, Buffer) else x for x in args]
                return [self.machine.upload(x) for x in get_backend("numpy").compile(jaxpr)(held)]
            return program(args)

        run.in_place = program.in_place  # type: ignore[attr-defined]
        run.program = program  # type: ignore[attr-defined]
        run.made = self.array  # type: ignore[attr-defined]
        return run

    def operation(self, primitive: Any, arrays: Sequence[Array], params: dict[str, Any]) -> Any:
        """The results of an operation outside of programs."""
        jaxpr = program_of(primitive, arrays, params)
        outs = self.compile(jaxpr)([x._data for x in arrays])
        made = [*map(self.array, outs, jaxpr.out_avals)]
        return made if primitive.multiple_results else made[0]

    def array(self, data: Buffer, aval: ShapedArray) -> DeviceArray:
        """A result as an array, which is where it was computed."""
        made = DeviceArray(data, aval.weak_type)
        made._placement = self._place
        return made

    def put(self, x: Array) -> Array:
        """An array on the device."""
        data = x._data
        if not (isinstance(data, Buffer) and data.machine is self.machine):
            data = self.machine.upload(np.asarray(x))
        return self.array(data, x.aval)

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


register_backend("simulated_cuda", CudaBackend(Simulator()))
