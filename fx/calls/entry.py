"""What the cache of a jitted function holds for a signature, and the call of it.

A call costs microseconds, most of which are spent here: the types of the arguments are compared
with those that were traced, and the results become arrays, with as little Python as that takes.
"""

from __future__ import annotations

import operator
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx.calls.explain import Signature
from fx.core.array import Array, delete, to_array
from fx.core.avals import ShapedArray, interned
from fx.core.backend import get_backend
from fx.core.ir import Jaxpr
from fx.pytree import PyTreeDef, tree_structure

_ARRAYS = frozenset({Array})
_CONVERTED = frozenset({Array, bool, int, float, complex, np.ndarray})
_get_aval = operator.attrgetter("aval")
_get_known = operator.attrgetter("_aval")  # the same, or None
_get_data = operator.attrgetter("_data")
_new = object.__new__


class Entry:
    """What the cache holds for a signature.

    Attributes:
        tree, avals: the structure of (args, kwargs), and the types of its leaves.
        donated, name: which leaves are donated, and to what.
        flat: whether the arguments are leaves, all of them positional.
        jaxpr, run, made: the program, compiled, and what makes arrays of its results.
        out_tree, out_avals: the structure and types of what it gives.
        signature, calls: for `explain`.
    """

    __slots__ = (
        "avals",
        "calls",
        "donated",
        "flat",
        "jaxpr",
        "made",
        "name",
        "out_avals",
        "out_tree",
        "run",
        "signature",
        "tree",
    )

    def __init__(
        self,
        tree: PyTreeDef,
        jaxpr: Jaxpr,
        out_tree: PyTreeDef,
        signature: Signature,
        donated: tuple[int, ...],
        name: str,
        backend: str | None = None,
    ):
        self.tree = tree
        self.donated = donated
        self.name = name
        self.avals = _interned(jaxpr.in_avals)
        self.flat = tree == tree_structure(((0,) * len(self.avals), {}))
        self.jaxpr = jaxpr
        self.out_tree = out_tree
        self.out_avals = _interned(jaxpr.out_avals)
        self.signature = signature
        self.calls = 0
        start = time.perf_counter()
        self.run = get_backend(backend).compile(jaxpr, donated)
        self.made = getattr(self.run, "made", _array)
        whole = (time.perf_counter() - start) * 1e3
        signature.compile_ms = min(whole, getattr(self.run, "native_ms", 0.0))
        signature.lower_ms = whole - signature.compile_ms

    def arrays_of(self, args: Any, kwargs: Any) -> Sequence[Array] | None:
        """The leaves of the arguments as arrays, if they are of this signature."""
        leaves = args if self.flat and not kwargs else self.tree.leaves_of((args, kwargs))
        if leaves is None:
            return None
        if _ARRAYS.issuperset(map(type, leaves)):
            if [*map(_get_known, leaves)] == self.avals:
                return leaves
        elif _CONVERTED.issuperset(map(type, leaves)):
            leaves = [x if type(x) is Array else to_array(x) for x in leaves]
        else:
            return None
        return leaves if [*map(_get_aval, leaves)] == self.avals else None

    def call(self, arrays: Sequence[Array]) -> Any:
        """The results for arrays of the right types."""
        self.calls += 1
        data = [*map(_get_data, arrays)]
        if self.donated:
            self._take(arrays, data)
        outs = self.run(data)
        return self.out_tree.unflatten([*map(self.made, outs, self.out_avals)])

    def _take(self, arrays: Sequence[Array], data: list[Any]) -> None:
        """Delete donated arrays; copy what the program writes over but others have as well."""
        for i in self.donated:
            if not arrays[i].is_deleted():  # given twice
                delete(arrays[i], _DONATED.format(self.name))
        for i in getattr(self.run, "in_place", ()):
            x = data[i]
            ours = x.base is None or getattr(x.base, "is_fx_memory", False)
            if sys.getrefcount(x) > 3 or not (ours and x.flags.writeable):  # data, x, argument
                data[i] = x.copy()


_DONATED = (
    "donated to jit of {} (donate_argnums), which may have put a result into its memory. Use the "
    "result, or don't donate what is used again."
)


def _array(data: Any, aval: ShapedArray) -> Array:
    """Raw data of a known type as an array: what `Array` does, without calls."""
    array = _new(Array)
    array._data = data
    array.weak_type = aval.weak_type
    array._aval = aval
    return array


def _interned(avals: Sequence[ShapedArray]) -> list[ShapedArray]:
    return [interned(a.shape, a.dtype, a.weak_type) for a in avals]
