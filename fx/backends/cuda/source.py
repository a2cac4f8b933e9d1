"""A kernel as text, and how it is launched."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from fx.backends.cuda.spellings import memory

# What an index of 32 bits may reach, with a stride of the grid beyond it.
NARROW = (1 << 31) - (1 << 26)
MOST_BLOCKS = 2048  # of a launch: several for each multiprocessor, each of which takes more work


class Source(NamedTuple):
    """A kernel in CUDA C++.

    Attributes:
        name: of the function: a digest of its text.
        text: the function.
        arrays: how many it takes, which are its only parameters.
        blocks, threads: of a launch, in one dimension. Any number of blocks computes the same.
        barriers: whether the threads of a block wait for one another.
        align: what the addresses of all arrays must be multiples of.
        plain: for a kernel that wants more than its elements do: what makes one that does not.
    """

    name: str
    text: str
    arrays: int
    blocks: int
    threads: int
    barriers: bool
    align: int = 1
    plain: Callable[[], Source] | None = None

    def shared(self) -> Source:
        """The same where two of its arrays may be one."""
        plain = self.plain
        return self._replace(
            name=f"{self.name}_shared",
            text=self.text.replace(" __restrict__", "").replace(self.name, f"{self.name}_shared"),
            plain=plain and (lambda: plain().shared()),
        )


def index_type(*reached: int) -> str:
    """The type of indices that reach so far."""
    return "i32" if max(reached) < NARROW else "i64"


class Code:
    """Lines of a function's body."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.depth = 1
        self.numbers: dict[str, int] = {}

    def line(self, text: str) -> None:
        self.lines.append("  " * self.depth + text)

    @contextlib.contextmanager
    def block(self, head: str = "") -> Iterator[None]:
        """Braces around what is written inside."""
        self.line(f"{head} {{" if head else "{")
        self.depth += 1
        yield
        self.depth -= 1
        self.line("}")

    def name(self, letter: str) -> str:
        """A name that was not used before."""
        number = self.numbers.get(letter, 0)
        self.numbers[letter] = number + 1
        return f"{letter}{number}"

    def let(self, kind: str, letter: str, value: str) -> str:
        """A new constant."""
        name = self.name(letter)
        self.line(f"const {kind} {name} = {value};")
        return name

    def barrier(self) -> None:
        self.line("__syncthreads();")


def finished(
    code: Code,
    arrays: Sequence[np.dtype],
    written: int,
    work: int,
    threads: int,
    barriers: bool = False,
    align: int = 1,
    plain: Callable[[], Source] | None = None,
) -> Source:
    """The source of a kernel with this body.

    Args:
        arrays: of which the last `written` are written to.
        work: for how many blocks there is something to do.
    """
    reads = len(arrays) - written
    parameters = [
        f"const {memory(dtype)}* __restrict__ p{i}" if i < reads else f"{memory(dtype)}* p{i}"
        for i, dtype in enumerate(arrays)
    ]
    body = "\n".join(code.lines)
    # Without the 1 the compiler spills registers where that lets more blocks run at a time.
    head = f"__launch_bounds__({threads}, 1) NAME({', '.join(parameters)})"
    text = f'extern "C" __global__ void {head} {{\n{body}\n}}'
    name = "k" + hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
    blocks = max(1, min(work, MOST_BLOCKS))
    text = text.replace("NAME", name, 1)
    return Source(name, text, len(arrays), blocks, threads, barriers, align, plain)
