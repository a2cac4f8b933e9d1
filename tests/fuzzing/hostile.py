"""Arguments that no function expects, each under a name for reports.

All are small: what asks for much (an axis of a billion, a shape of a trillion elements) asks by a
number. Makers run once for each call, so a callee that keeps or changes one harms no other call.
"""

from __future__ import annotations

import array
import datetime
import decimal
import fractions
import types
from collections.abc import Callable
from typing import Any

import numpy as np

import fx
import fx.numpy as jnp


class UserError(Exception):
    """What functions of the user raise here: it must arrive as it is."""


class Opaque:
    """An object with nothing that a library could use."""

    def __repr__(self) -> str:
        return "Opaque()"


class Broken:
    """An object each of whose protocols fails with the user's own error."""

    def _fail(self, *args: Any, **kwargs: Any) -> Any:
        raise UserError("a protocol of the user's object failed")

    __array__ = __len__ = __iter__ = __index__ = __float__ = __int__ = __bool__ = _fail
    __getitem__ = __call__ = __complex__ = _fail

    def __repr__(self) -> str:
        return "Broken()"


class Liar:
    """An object that calls itself an array and is none."""

    shape = ("a", None)
    dtype = "no dtype"
    ndim = -1

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array([None, "text"], object)

    def __repr__(self) -> str:
        return "Liar()"


class Vast:
    """A sequence that claims a billion elements."""

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, index: Any) -> Any:
        raise UserError("the billion elements were read one by one")

    def __repr__(self) -> str:
        return "Vast()"


def no_parameters() -> int:
    return 1


def anything(*args: Any, **kwargs: Any) -> Any:
    return args[0] if args else 0.0


def text(*args: Any, **kwargs: Any) -> str:
    return "text"


def nothing(*args: Any, **kwargs: Any) -> None:
    return None


def raises(*args: Any, **kwargs: Any) -> Any:
    raise UserError("my own")


def changes_rank(*args: Any, **kwargs: Any) -> Any:
    return jnp.ones((2, 1, 3))


def leaked() -> Any:
    """A tracer whose trace has ended."""
    kept: list[Any] = []
    fx.jit(lambda x: kept.append(x) or x)(jnp.ones(3))
    return kept[0]


def leaked_from_grad() -> Any:
    kept: list[Any] = []
    fx.grad(lambda x: kept.append(x) or x)(1.0)
    return kept[0]


def deleted() -> Any:
    x = jnp.ones(3)
    x.delete()
    return x


def nested(depth: int) -> Any:
    out: Any = 1.0
    for _ in range(depth):
        out = [out]
    return out


def endless() -> Any:
    out: list[Any] = []
    out.append(out)
    return out


RECORD = np.dtype([("a", "f4"), ("b", "i4")])

# Arrays of wrong ranks, sizes and dtypes.
ARRAYS: dict[str, Callable[[], Any]] = {
    "f32[]": lambda: jnp.asarray(np.float32(1.5)),
    "f32[0]": lambda: jnp.zeros(0),
    "f32[0,3]": lambda: jnp.zeros((0, 3)),
    "f32[3]": lambda: jnp.ones(3),
    "f32[1,2]": lambda: jnp.ones((1, 2)),
    "f32[7,5]": lambda: jnp.ones((7, 5)),
    "f32[2,1,3,1,2]": lambda: jnp.ones((2, 1, 3, 1, 2)),
    "f32 nan": lambda: jnp.full((3, 3), jnp.nan),
    "bool[3]": lambda: jnp.asarray([True, False, True]),
    "i32[3]": lambda: jnp.asarray([0, 1, -1]),
    "i8[2,2]": lambda: jnp.asarray([[127, -128], [0, 1]], "int8"),
    "u8[3]": lambda: jnp.asarray([0, 1, 255], "uint8"),
    "i64 big": lambda: jnp.asarray([2**62, -(2**62), 0], "int64"),
    "c64[3]": lambda: jnp.asarray([1j, 2.0, 0.0]),
    "bf16[3]": lambda: jnp.ones(3, "bfloat16"),
    "f16[3,3]": lambda: jnp.ones((3, 3), "float16"),
    "f8[3]": lambda: jnp.ones(3, "float8_e4m3fn"),
    "f64[2]": lambda: jnp.ones(2, "float64"),
    "key": lambda: fx.random.key(0),
    "keys": lambda: fx.random.split(fx.random.key(0), 3),
    "raw key": lambda: fx.random.PRNGKey(0),
    "leaked tracer": leaked,
    "tracer leaked from grad": leaked_from_grad,
    "deleted": deleted,
    "np f64[3]": lambda: np.ones(3),
    "np strided": lambda: np.ones((6, 4), np.float32)[::-2, ::3],
    "np big-endian": lambda: np.ones(3, ">f4"),
    "np structured": lambda: np.zeros(3, RECORD),
    "np void": lambda: np.zeros(3, "V5"),
    "np object": lambda: np.array([None, "a", 1], object),
    "np text": lambda: np.array(["a", "bb"]),
    "np bytes": lambda: np.array([b"a"]),
    "np dates": lambda: np.array(["2020-01-01"], "M8[D]"),
    "np longdouble": lambda: np.ones(2, np.longdouble),
    "np matrix-like masked": lambda: np.ma.array([1.0, 2.0], mask=[True, False]),
    "np.float64": lambda: np.float64(2.5),
    "np.str_": lambda: np.str_("a"),
    "ShapeDtypeStruct": lambda: fx.ShapeDtypeStruct((3,), "float32"),
}

# Anything else.
OTHERS: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "True": lambda: True,
    "0": lambda: 0,
    "-1": lambda: -1,
    "7": lambda: 7,
    "10**9": lambda: 10**9,
    "-10**9": lambda: -(10**9),
    "2**31": lambda: 2**31,
    "2**63": lambda: 2**63,
    "10**400": lambda: 10**400,
    "0.5": lambda: 0.5,
    "-2.5": lambda: -2.5,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "1e300": lambda: 1e300,
    "1j": lambda: 1j,
    "'text'": lambda: "text",
    "''": lambda: "",
    "'ij,jk->ik'": lambda: "ij,jk->ik",
    "bytes": lambda: b"bytes",
    "bytearray": lambda: bytearray(b"abcd"),
    "()": lambda: (),
    "[]": lambda: [],
    "{}": lambda: {},
    "(0, 0)": lambda: (0, 0),
    "(0, 1)": lambda: (0, 1),
    "(-1,)": lambda: (-1,),
    "(-5, 10**9)": lambda: (-5, 10**9),
    "(10**6, 10**6)": lambda: (10**6, 10**6),
    "(2**40,)": lambda: (2**40,),
    "(2**40, 2**40, 0)": lambda: (2**40, 2**40, 0),
    "ones of 100 axes": lambda: (1,) * 100,
    "(nan, 2)": lambda: (float("nan"), 2),
    "(2.5,)": lambda: (2.5,),
    "(None,)": lambda: (None,),
    "('a', 'b')": lambda: ("a", "b"),
    "((0, 1), (1,))": lambda: ((0, 1), (1,)),
    "[1.0, [2.0]]": lambda: [1.0, [2.0]],
    "[[1.0, 2.0]]": lambda: [[1.0, 2.0]],
    "deep list": lambda: nested(100),
    "list in itself": endless,
    "{'a': array}": lambda: {"a": jnp.ones(3)},
    "{1: 2, 'a': 3}": lambda: {1: 2, "a": 3},
    "set": lambda: {1, 2},
    "range": lambda: range(3),
    "generator": lambda: (i for i in range(2)),
    "iterator": lambda: iter([1, 2]),
    "slice": lambda: slice(None, None, 0),
    "...": lambda: ...,
    "NotImplemented": lambda: NotImplemented,
    "int": lambda: int,
    "float32": lambda: np.dtype("float32"),
    "structured dtype": lambda: RECORD,
    "module": lambda: types,
    "date": lambda: datetime.date(2020, 1, 1),
    "Decimal": lambda: decimal.Decimal("1.5"),
    "Fraction": lambda: fractions.Fraction(1, 3),
    "array.array": lambda: array.array("d", [1.0]),
    "memoryview": lambda: memoryview(b"abc"),
    "object()": Opaque,
    "Broken()": Broken,
    "Liar()": Liar,
    "Vast()": Vast,
    "no_parameters": lambda: no_parameters,
    "anything": lambda: anything,
    "returns text": lambda: text,
    "returns None": lambda: nothing,
    "raises": lambda: raises,
    "changes rank": lambda: changes_rank,
    "treedef": lambda: fx.tree.structure((1, {"a": 2})),
    "Device": lambda: fx.devices()[0],
    "Layer": lambda: fx.nn.Dense(2),
    "optimizer": lambda: fx.optim.sgd(0.1),
    "jaxpr": lambda: fx.make_jaxpr(jnp.sin)(1.0),
}

HOSTILE = {**ARRAYS, **OTHERS}
