"""The LLVM backend: a program is fused into kernels, which become native code for this machine.

`fx.backends` has the ways to kernels (`lowering`, `plan`), here is what becomes of them.

codegen     kernel -> LLVM IR; `contraction`, `places`, `prefixes`, `scatters`, `sorts` for the
            kinds that are more than elementwise; `units` cuts its work, `builder` writes text
scalar      operations on registers; `polynomials`, `exponentials`, `trigonometry`, `special`,
            `random` for functions
engine      LLVM IR -> addresses
program     all of that for a jaxpr; `steps` and `runtime` run it, `memory` gives it arrays
inspection  what there is to see of it
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from fx.backends.llvm.engine import spent
from fx.backends.llvm.inspection import Inspection, Profiled
from fx.backends.llvm.program import Program
from fx.backends.llvm.runtime import runtime
from fx.config import detours
from fx.core.backend import get_backend, register_backend
from fx.core.finite import watching
from fx.core.ir import Jaxpr
from fx.core.recording import recorders


class LlvmBackend:
    """Compiles jaxprs to native code."""

    name = "llvm"
    dialect = "asm"  # of what `inspect` shows first

    def compile(
        self, jaxpr: Jaxpr, donated: tuple[int, ...] = ()
    ) -> Callable[[Sequence[Any]], list[Any]]:
        """A function from ndarrays to ndarrays; kept with the jaxpr."""
        key = ("llvm", donated)
        compiled = jaxpr.memo.get(key)
        if compiled is None:
            compiled = jaxpr.memo[key] = _compile(jaxpr, donated)
        return compiled

    def inspect(self, jaxpr: Jaxpr) -> Inspection:
        """The compiled program, to look at."""
        program = getattr(self.compile(jaxpr), "program", None)
        return Inspection(program if program is not None else Program(jaxpr))


def _compile(jaxpr: Jaxpr, donated: tuple[int, ...]) -> Callable[[Sequence[Any]], list[Any]]:
    interpreter = get_backend("numpy")
    before = spent[0]
    try:
        program = Program(jaxpr, donated)
    except Exception as error:
        warnings.warn(
            f"fx could not compile a program and interprets it: {type(error).__name__}: {error}. "
            "Please report this.",
            stacklevel=2,
        )
        return interpreter.compile(jaxpr)

    def run(args: Sequence[Any]) -> list[Any]:
        if detours[0]:
            if watching():  # each equation has to be looked at
                return interpreter.compile(jaxpr)(args)
            if recorders:
                if "profiled" not in jaxpr.memo:
                    jaxpr.memo["profiled"] = Profiled(program)
                return jaxpr.memo["profiled"](args, recorders[0])
        return call(args)

    call = program.run
    run.in_place = program.in_place  # type: ignore[attr-defined]
    run.program = program  # type: ignore[attr-defined]
    run.native_ms = (spent[0] - before) * 1e3  # type: ignore[attr-defined]
    return run


# LLVM's start and that of the threads take milliseconds, for which no call should wait.
with contextlib.suppress(Exception):  # whatever it is, the first program to be compiled says so
    runtime()
register_backend("llvm", LlvmBackend())
