"""Kernels of the loop dialect as CUDA C++: which writer each kind has."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources

from fx.backends.cuda import contraction, maps, others, reductions
from fx.backends.cuda.functions import definitions
from fx.backends.cuda.source import Source
from fx.kernel.loops import AnyKernel, Kernel
from fx.kernel.prefixes import Prefixes
from fx.kernel.scatters import Scatters


def write(kernel: AnyKernel) -> Source:
    """The source of a kernel."""
    if isinstance(kernel, Prefixes):
        return others.prefixes(kernel)
    if isinstance(kernel, Scatters):
        return others.scatters(kernel)
    if not isinstance(kernel, Kernel):
        return others.sorts(kernel)
    if kernel.products is not None:
        return contraction.write(kernel)
    return (reductions if any(kernel.reduced) else maps).write(kernel)


def module(sources: Iterable[Source]) -> str:
    """What a compiler is given for some kernels, equal ones once."""
    text = "\n".join(dict.fromkeys(s.text for s in sources))
    prelude = resources.files("fx.backends.cuda").joinpath("prelude.h").read_text()
    return "\n".join([prelude, definitions(text), text])
