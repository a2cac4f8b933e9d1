"""What all kernels of loop nests are written with: indices, loads, the values at an element."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from fx.backends.cuda.source import Code, index_type
from fx.backends.cuda.spellings import apply, convert, literal, loaded, memory, register, stored
from fx.kernel.loops import Affine, Index, Kernel, Load, Number, Ref, Step
from fx.kernel.vocabulary import PLACED

I64 = np.dtype(np.int64)
_WIDEST = 16  # bytes of an access
_MOST_LANES = 8


class Writer:
    """Writes a kernel of loops.

    Attributes:
        index: the text of the index along each dimension.
        kind: the type of indices: 32 bits where they fit.
        width: neighbours along the last dimension that a thread takes at a time.
        rows: the names of what is known for the row.
        cache: the names of what is known for the element.
        guard: a test before each store of full values, or nothing.
    """

    guard = ""

    def __init__(self, kernel: Kernel):
        self.k = kernel
        self.code = Code()
        self.last = len(kernel.sizes) - 1
        self.steps = {s.id: s for s in kernel.steps}
        self.index: list[str] = ["0"] * len(kernel.sizes)
        self.kind = index_type(_reach(kernel))
        self.width = 1
        self.rows: dict[int, str] = {}
        self.known: dict[Load, str] = {}
        self.cache: dict[object, str] = {}

    # ------------------------------------------------------------------ indices
    def offset(self, at: Affine) -> str:
        """The element offset at the current index."""
        terms = [str(at.offset)] if at.offset else []
        for stride, i in zip(at.strides, self.index, strict=True):
            if stride and i != "0":
                terms.append(i if stride == 1 else f"{i} * {stride}")
        return " + ".join(terms) or "0"

    def split(self, text: str, dims: Sequence[int], sizes: Sequence[int]) -> None:
        """Set the index along some dimensions from their common number, the last one fastest."""
        rest = text
        for n, (d, size) in enumerate(reversed(list(zip(dims, sizes, strict=True)))):
            if n == len(dims) - 1:
                self.index[d] = self.code.let(self.kind, "i", rest)
                return
            self.index[d] = self.code.let(self.kind, "i", f"{rest} % {size}")
            rest = self.code.let(self.kind, "d", f"{rest} / {size}")

    def split_lanes(self, text: str, dims: Sequence[int], sizes: Sequence[int]) -> None:
        """The same, for a number of groups of `width` elements along the last of `dims`."""
        sizes = [*sizes[:-1], sizes[-1] // self.width]
        self.split(text, dims, sizes)
        if self.width > 1:
            d = dims[-1]
            self.index[d] = self.code.let(self.kind, "i", f"{self.index[d]} * {self.width}")

    # ------------------------------------------------------------------ memory
    def fetch(self, load: Load) -> str:
        """An element, as an expression."""
        text = f"p{load.array}[{self.offset(load.at)}]"
        return loaded(text, self.k.arrays[load.array])

    # ------------------------------------------------------------------ values
    def values(self, steps: Iterable[Step]) -> None:
        """Compute steps at the current element; their names are in the cache."""
        for s in steps:
            value = self.computed(s)
            self.cache[s.id] = self.code.let(register(s.dtype), "v", value)

    def computed(self, s: Step) -> str:
        """The value of a step, as an expression."""
        if s.op == "pad":
            return self.padded(s)
        if s.op == "take":
            return self.taken(s)
        dtypes = [self.dtype_of(a) for a in s.args]
        return apply(s.op, [self.operand(a) for a in s.args], dtypes, s.dtype)

    def padded(self, s: Step) -> str:
        load, fill = s.args
        assert isinstance(load, Load)
        other = self.operand(fill)
        tests = []
        for at, low, high in s.bounds:
            number = self.code.let(self.kind, "b", self.offset(at))
            tests.append(f"{number} >= {low} && {number} < {high}")
        return f"{' && '.join(tests)} ? {self.fetch(load)} : {other}"

    def taken(self, s: Step) -> str:
        load, *columns = s.args
        assert isinstance(load, Load)
        fill = columns.pop() if len(columns) > len(s.picks) else None
        where, tests = [self.offset(load.at)], []
        for a, (last, stride) in zip(columns, s.picks, strict=True):
            x = self.operand(a)
            kind = register(self.dtype_of(a))
            if fill is not None:
                tests.append(f"is_inside<{kind}>({x}, {last})")
            where.append(f"({self.kind})moved_inside<{kind}>({x}, {last}) * {stride}")
        text = loaded(f"p{load.array}[{' + '.join(where)}]", s.dtype)
        return text if fill is None else f"{' && '.join(tests)} ? {text} : {self.operand(fill)}"

    def dtype_of(self, a: Load | Index | Number | Ref) -> np.dtype:
        if isinstance(a, Ref):
            return self.steps[a.id].dtype
        if isinstance(a, Load):
            return self.k.arrays[a.array]
        return a.dtype if isinstance(a, Index) else a.value.dtype

    def operand(self, a: Load | Index | Number | Ref) -> str:
        """A value at the current element, as a name or a literal."""
        if isinstance(a, Number):
            return literal(a.value[()], a.value.dtype)
        if isinstance(a, Ref):
            return self.cache.get(a.id) or self.rows[a.id]
        if a not in self.cache:
            if isinstance(a, Index):
                number = f"({self.offset(a.at)})"
                self.cache[a] = self.code.let(
                    register(a.dtype), "n", convert(f"(i64){number}", I64, a.dtype)
                )
            elif a in self.known:
                return self.known[a]
            else:
                kind = register(self.k.arrays[a.array])
                self.cache[a] = self.code.let(kind, "x", self.fetch(a))
        return self.cache[a]

    # ------------------------------------------------------------------ several at a time
    def widths(self, able: Sequence[int], loads: Iterable[Load], stores: Iterable[Step]) -> int:
        """How many neighbours along the last dimension may be accessed at a time.

        `able` are sizes and starts that must be multiples of it.
        """
        arrays = [(a.array, a.at) for a in loads if a.at.strides[self.last] == 1]
        arrays += [self.k.stores[s.id] for s in stores]
        if not arrays:
            return 1
        items = [self.k.arrays[i].itemsize for i, _ in arrays]
        width = min(_MOST_LANES, _WIDEST // max(items))
        while width > 1:
            good = not any(n % width for n in able)
            for _, at in arrays:
                others = [*at.strides[: self.last], at.offset]
                good = good and at.strides[self.last] == 1 and not any(n % width for n in others)
            if good:
                return width
            width //= 2
        return 1

    def align(self, stores: Iterable[Step], loads: Iterable[Load]) -> int:
        """What addresses must be multiples of for accesses of the width."""
        if self.width == 1:
            return 1
        items = [self.k.arrays[a.array].itemsize for a in loads if a.at.strides[self.last] == 1]
        items += [s.dtype.itemsize for s in stores]
        return self.width * max(items)

    @contextlib.contextmanager
    def lanes(self, loads: Iterable[Load], stores: Sequence[Step]) -> Iterator[str]:
        """What is written inside is done for each of `width` neighbours.

        Loads that are contiguous, or the same for all, are done before, stores after. Gives the
        index among the neighbours.
        """
        self.cache = {}
        if self.width == 1:
            yield "0"
            self.finish(stores)
            return
        code, width, known = self.code, self.width, self.known
        packs: dict[Load, str] = {}
        self.known = dict(known)
        for a in dict.fromkeys(loads):
            if a in known:
                continue
            dtype, stride = self.k.arrays[a.array], a.at.strides[self.last]
            if not stride:
                self.known[a] = code.let(register(dtype), "x", self.fetch(a))
            elif stride == 1:
                kind = f"Pack<{memory(dtype)}, {width}>"
                place = f"*reinterpret_cast<const {kind}*>(p{a.array} + ({self.offset(a.at)}))"
                packs[a] = code.let(kind, "w", place)
        whole = {}
        for s in stores:
            whole[s.id] = code.name("o")
            code.line(f"Pack<{memory(s.dtype)}, {width}> {whole[s.id]};")
        first = self.index[self.last]
        code.line("#pragma unroll")
        with code.block(f"for (i32 u = 0; u < {width}; u++)"):
            self.index[self.last] = f"({first} + u)"
            for a, name in packs.items():
                self.cache[a] = loaded(f"{name}.v[u]", self.k.arrays[a.array])
            yield "u"
            for s in stores:
                value = self.cache[s.id]
                code.line(f"{whole[s.id]}.v[u] = {stored(value, s.dtype)};")
        self.index[self.last] = first
        self.known = known
        for s in stores:
            array, at = self.k.stores[s.id]
            kind = f"Pack<{memory(s.dtype)}, {width}>"
            target = f"*reinterpret_cast<{kind}*>(p{array} + ({self.offset(at)}))"
            code.line(f"{self.guard}{target} = {whole[s.id]};")

    def finish(self, stores: Sequence[Step]) -> None:
        """Store values one by one."""
        for s in stores:
            array, at = self.k.stores[s.id]
            value = stored(self.cache[s.id], s.dtype)
            self.code.line(f"{self.guard}p{array}[{self.offset(at)}] = {value};")


def loads_of(steps: Iterable[Step]) -> list[Load]:
    """What steps load at their own index, each once."""
    loads = [a for s in steps for a in s.args[s.op in PLACED :] if isinstance(a, Load)]
    return list(dict.fromkeys(loads))


def _reach(kernel: Kernel) -> int:
    """The largest index or offset that the kernel computes with."""

    def far(at: Affine) -> int:
        steps = zip(at.strides, kernel.sizes, strict=True)
        return abs(at.offset) + sum(abs(s) * (n - 1) for s, n in steps)

    most = kernel.size * kernel.chunks
    for _, at in kernel.stores.values():
        most = max(most, far(at), kernel.rows * kernel.chunks)
    for s in kernel.steps:
        picked = sum(last * abs(stride) for last, stride in s.picks)
        for a in s.args:
            if isinstance(a, (Load, Index)):
                most = max(most, far(a.at) + picked)
        for at, _, _ in s.bounds:
            most = max(most, far(at))
    p = kernel.products
    if p is not None:
        most = max(most, math.prod(p.sizes), kernel.size * kernel.chunks)
        for load, sums in ((p.x, p.x_sums), (p.w, p.w_sums)):
            inner = sum(abs(s) * (n - 1) for s, n in zip(sums, p.sizes, strict=True))
            most = max(most, far(load.at) + inner)
    return most
