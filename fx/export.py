"""Programs that outlive their process, under the names of `jax.export`.

What is kept is the typed program as text, its constants as bytes, and the trees of its arguments
and results: nothing in it is code that runs when it is read.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.calls.custom import CustomCall, custom_vjp
from fx.calls.jit import JitFunction
from fx.calls.jit_call import eval_or_run, jit_p
from fx.core.array import Array, to_array
from fx.core.avals import ShapedArray
from fx.core.ir import Eqn, Jaxpr
from fx.core.parse import parse_jaxpr
from fx.core.pretty import pretty
from fx.errors import FxTypeError, FxValueError, public
from fx.pytree import PyTreeDef, flatten_one_level, tree_flatten, tree_structure, tree_unflatten
from fx.transforms.grad import vjp

__all__ = [
    "Exported",
    "default_export_platform",
    "deserialize",
    "export",
    "register_namedtuple_serialization",
    "register_pytree_node_serialization",
]

_MAGIC = b"fx.export\n"
_VERSION = 1


@dataclasses.dataclass(frozen=True, eq=False)
class Exported:
    """A program with the types of its arguments and results; made by `export`, `deserialize`.

    Attributes:
        fun_name: the name of the function.
        in_tree, out_tree: structures of (args, kwargs) and of the results.
        jaxpr: the program.
        has_rules: whether functions in it had derivative rules of their own, which it has no
            longer.
        backward: the program from its inputs and cotangents to cotangents, or None.
    """

    fun_name: str
    in_tree: PyTreeDef
    out_tree: PyTreeDef
    jaxpr: Jaxpr
    has_rules: bool = False
    backward: Jaxpr | None = None

    @property
    def in_avals(self) -> tuple[ShapedArray, ...]:
        """Types of the arguments' leaves."""
        return tuple(self.jaxpr.in_avals)

    @property
    def out_avals(self) -> tuple[ShapedArray, ...]:
        """Types of the results' leaves."""
        return tuple(self.jaxpr.out_avals)

    @property
    def platforms(self) -> tuple[str, ...]:
        """Where it runs: programs are the same for all backends."""
        return (default_export_platform(),)

    @property
    def nr_devices(self) -> int:
        """How many devices it needs."""
        return 1

    def has_vjp(self) -> bool:
        """Whether it carries its backward program."""
        return self.backward is not None

    def as_text(self) -> str:
        """The program as text."""
        return pretty(self.jaxpr)

    @public
    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The results for arguments of the types that it was exported for.

        It can be part of other programs: jit, vmap and grad apply.

        Raises:
            FxTypeError: the arguments have another structure or other types.
        """
        leaves, tree = tree_flatten((args, kwargs))
        if tree != self.in_tree:
            raise FxTypeError(
                f"exported {self.fun_name} expects arguments of the structure {self.in_tree}, got "
                f"{tree}."
            )
        arrays = [to_array(x, self.fun_name) for x in leaves]
        for i, (x, aval) in enumerate(zip(arrays, self.in_avals, strict=True)):
            if not aval.same_type(x.aval):
                raise FxTypeError(
                    f"exported {self.fun_name} expects {aval.strong().short()} for leaf {i} of its "
                    f"arguments, got {x.aval.short()}. Convert it, or export again for this type."
                )
        run = self._with_vjp() if self.backward is not None or self.has_rules else self._run
        return tree_unflatten(self.out_tree, run(*arrays))

    def _run(self, *arrays: Any) -> list[Any]:
        return eval_or_run(self.jaxpr, arrays, self.fun_name)

    def _with_vjp(self) -> Callable[..., list[Any]]:
        backward = self.backward

        def back(saved: Any, cts: Any) -> tuple[Any, ...]:
            if backward is None:
                raise FxTypeError(
                    f"exported {self.fun_name} has functions with derivative rules of their own, "
                    "which it does not carry. Use serialize(vjp_order=1)."
                )
            given = [ct for ct in cts if dtypes.is_inexact(ct.dtype)]
            outs = iter(eval_or_run(backward, [*saved, *given], self.fun_name))
            return tuple(
                next(outs) if dtypes.is_inexact(a.dtype) else None for a in self.jaxpr.in_avals
            )

        function = custom_vjp(self._run)
        function.defvjp(lambda *xs: (self._run(*xs), xs), back)
        return function

    @public
    def serialize(self, vjp_order: int = 0) -> bytearray:
        """The program as bytes, for `deserialize` in any process.

        Args:
            vjp_order: 1 to carry the backward program along: it is needed for gradients where
                functions have derivative rules of their own. Other programs have gradients anyway.

        Raises:
            FxTypeError: the program calls back into Python, or a structure has a class that is
                not registered.
        """
        if vjp_order not in (0, 1):
            raise FxValueError(
                f"export: vjp_order must be 0 or 1, got {vjp_order!r}. Without derivative rules of "
                "their own in it, a program has all derivatives anyway."
            )
        jaxpr, rules = _plain(self.jaxpr)
        backward = self.backward
        if backward is None and vjp_order:
            backward = _plain(_backward(self.jaxpr, self.fun_name))[0]
        blobs: list[bytes] = []
        header = {
            "version": _VERSION,
            "name": self.fun_name,
            "in_tree": _encoded(tree_unflatten(self.in_tree, range(self.in_tree.num_leaves))),
            "out_tree": _encoded(tree_unflatten(self.out_tree, range(self.out_tree.num_leaves))),
            "program": _written(jaxpr, blobs),
            "has_rules": self.has_rules or rules,
            "backward": None if backward is None else _written(backward, blobs),
        }
        text = json.dumps(header).encode()
        return bytearray(b"".join([_MAGIC, len(text).to_bytes(8, "little"), text, *blobs]))


def default_export_platform() -> str:
    """The platform that programs are exported for."""
    return "cpu"


@public
def export(
    fun_jit: Callable[..., Any],
    *,
    platforms: Sequence[str] | None = None,
    disabled_checks: Sequence[Any] = (),
) -> Callable[..., Exported]:
    """A function that traces `fun_jit` for its arguments, and returns the program to keep.

    Args:
        fun_jit: a function made by `fx.jit`.
        platforms: a hint; programs are the same for all.
        disabled_checks: accepted as in JAX.

    Returns:
        A function of arrays, or `ShapeDtypeStruct`s, in pytrees, with an `Exported` for result.

    Raises:
        FxTypeError: `fun_jit` is no jitted function.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> exported = fx.export.export(fx.jit(jnp.sin))(fx.ShapeDtypeStruct((2,), "float32"))
        >>> again = fx.export.deserialize(exported.serialize())
        >>> again.call(jnp.zeros(2))
        Array([0., 0.], dtype=float32)
    """
    if not isinstance(fun_jit, JitFunction):
        raise FxTypeError(
            f"export expects a function made by fx.jit, got {type(fun_jit).__name__}. Write "
            "export(fx.jit(f))."
        )

    @public
    @functools.wraps(fun_jit)
    def exporter(*args: Any, **kwargs: Any) -> Exported:
        lowered = fun_jit.trace(*args, **kwargs)
        return Exported(lowered.name, lowered.in_tree, lowered.out_tree, lowered.jaxpr)

    return exporter


@public
def deserialize(blob: bytes | bytearray) -> Exported:
    """The program that `Exported.serialize` wrote.

    Raises:
        FxValueError: the bytes are something else, damaged, or of a later version.
        FxTypeError: a structure has a class that is not registered in this process.
    """
    data = bytes(blob)
    if not data.startswith(_MAGIC):
        raise FxValueError("export.deserialize: these bytes were not written by fx.export.")
    start = len(_MAGIC) + 8
    length = int.from_bytes(data[len(_MAGIC) : start], "little")
    try:
        header = json.loads(data[start : start + length])
    except ValueError:
        raise FxValueError("export.deserialize: the bytes are damaged or cut short.") from None
    if header["version"] != _VERSION:
        raise FxValueError(
            f"export.deserialize: written in version {header['version']} of the format; this fx "
            f"reads version {_VERSION}."
        )
    blobs = memoryview(data)[start + length :]
    jaxpr, blobs = _read(header["program"], blobs)
    backward = None
    if header["backward"] is not None:
        backward, blobs = _read(header["backward"], blobs)
    return Exported(
        header["name"],
        tree_structure(_decoded(header["in_tree"])),
        tree_structure(_decoded(header["out_tree"])),
        jaxpr,
        header["has_rules"],
        backward,
    )


# ------------------------------------------------------------------ programs
def _plain(jaxpr: Jaxpr) -> tuple[Jaxpr, bool]:
    """The program without Python functions in it, and whether derivative rules were among them."""
    rules, eqns = False, []
    for eqn in jaxpr.eqns:
        custom = isinstance(eqn.primitive, CustomCall)
        body = eqn.primitive.body(eqn.params)
        primitive, params = eqn.primitive, {}
        if custom or (body is not None and eqn.params.get("policy") is not None):
            primitive, given = jit_p, {"jaxpr": body, "name": eqn.primitive.name}
        else:
            given = eqn.params
        for key, value in given.items():
            params[key], inner = _plain_value(value)
            rules |= inner
        rules |= custom
        eqns.append(Eqn(primitive, eqn.invars, eqn.outvars, params, eqn.source))
    plain = Jaxpr(jaxpr.invars, jaxpr.outvars, eqns, jaxpr.constvars, jaxpr.consts)
    return plain, rules


def _plain_value(value: Any) -> tuple[Any, bool]:
    if isinstance(value, Jaxpr):
        return _plain(value)
    if isinstance(value, (tuple, list)) and any(isinstance(v, (Jaxpr, tuple, list)) for v in value):
        pairs = [_plain_value(v) for v in value]
        items = [v for v, _ in pairs]
        fields = hasattr(value, "_fields")
        made = type(value)(*items) if fields else type(value)(items)
        return made, any(r for _, r in pairs)
    return value, False


def _backward(jaxpr: Jaxpr, name: str) -> Jaxpr:
    """From inputs and cotangents of the inexact results to cotangents of the inexact inputs."""
    exact_in = [not dtypes.is_inexact(a.dtype) for a in jaxpr.in_avals]
    exact_out = [not dtypes.is_inexact(a.dtype) for a in jaxpr.out_avals]
    n = len(exact_in)

    def function(*args: Any) -> list[Any]:
        def of_inexact(*xs: Any) -> list[Any]:
            given = iter(xs)
            full = [x if e else next(given) for x, e in zip(args[:n], exact_in, strict=True)]
            outs = eval_or_run(jaxpr, full, name)
            return [x for x, e in zip(outs, exact_out, strict=True) if not e]

        inexact = [x for x, e in zip(args[:n], exact_in, strict=True) if not e]
        return list(vjp(of_inexact, *inexact)[1](list(args[n:])))

    cotangents = [a for a, e in zip(jaxpr.out_avals, exact_out, strict=True) if not e]
    return JitFunction(function, (), (), False).trace(*jaxpr.in_avals, *cotangents).jaxpr


def _written(jaxpr: Jaxpr, blobs: list[bytes]) -> dict[str, Any]:
    """A program as text, with its constants as leading inputs; their bytes go to `blobs`."""
    consts = [to_array(c, "export") for c in jaxpr.consts]
    opened = Jaxpr([*jaxpr.constvars, *jaxpr.invars], jaxpr.outvars, jaxpr.eqns)
    size = max([0, *(c.size for c in _inner_consts(opened))])
    text = pretty(opened, max_const=size)
    parse_jaxpr(text)  # raises where a parameter is a Python object
    data = [np.ascontiguousarray(np.asarray(c)).tobytes() for c in consts]
    blobs.extend(data)
    return {"text": text, "consts": len(data)}


def _inner_consts(jaxpr: Jaxpr) -> list[Array]:
    found = list(jaxpr.consts)
    for eqn in jaxpr.eqns:
        for value in eqn.params.values():
            for inner in value if isinstance(value, (tuple, list)) else (value,):
                if isinstance(inner, Jaxpr):
                    found += _inner_consts(inner)
    return found


def _read(written: dict[str, Any], blobs: memoryview) -> tuple[Jaxpr, memoryview]:
    opened, count = parse_jaxpr(written["text"]), written["consts"]
    consts = []
    for var in opened.invars[:count]:
        aval = var.aval
        size = aval.size * aval.dtype.itemsize
        if len(blobs) < size:
            raise FxValueError("export.deserialize: the bytes are cut short.")
        raw = np.frombuffer(blobs[:size], np.uint8).copy().view(aval.dtype)
        consts.append(Array(raw.reshape(aval.shape), aval.weak_type))
        blobs = blobs[size:]
    invars = opened.invars[count:]
    return Jaxpr(invars, opened.outvars, opened.eqns, opened.invars[:count], consts), blobs


# ------------------------------------------------------------------ trees
@dataclasses.dataclass(frozen=True)
class _Class:
    """How a class of containers is written."""

    kind: type
    name: str
    write: Callable[[Any], bytes | bytearray]
    read: Callable[[Any], Any]
    build: Callable[[Any, Any], Any]


_BY_TYPE: dict[type, _Class] = {}
_BY_NAME: dict[str, _Class] = {}


def _register(entry: _Class) -> None:
    if entry.kind in _BY_TYPE or entry.name in _BY_NAME:
        raise FxValueError(
            f"export: {entry.kind.__name__}, or the name {entry.name!r}, is registered already."
        )
    _BY_TYPE[entry.kind] = _BY_NAME[entry.name] = entry


@public
def register_pytree_node_serialization(
    nodetype: type,
    *,
    serialized_name: str,
    serialize_auxdata: Callable[[Any], bytes | bytearray],
    deserialize_auxdata: Callable[[Any], Any],
    from_children: Callable[[Any, Any], Any] | None = None,
) -> type:
    """Let a class of containers be part of the arguments and results of exported programs.

    Args:
        nodetype: a class that is registered as a pytree node.
        serialized_name: its name in the bytes.
        serialize_auxdata, deserialize_auxdata: its static data to bytes and back.
        from_children: `from_children(static data, children)` makes one; by default
            `nodetype.tree_unflatten`.

    Returns:
        The class.

    Raises:
        FxValueError: the class or the name is registered already.
    """
    build = from_children or getattr(nodetype, "tree_unflatten", None)
    if build is None:
        raise FxTypeError(
            f"export: {nodetype.__name__} has no tree_unflatten; pass from_children=."
        )
    _register(_Class(nodetype, serialized_name, serialize_auxdata, deserialize_auxdata, build))
    return nodetype


@public
def register_namedtuple_serialization(nodetype: type, *, serialized_name: str) -> type:
    """Let a class of namedtuples be part of the arguments and results of exported programs.

    Args:
        nodetype: the class.
        serialized_name: its name in the bytes.

    Returns:
        The class.

    Raises:
        FxValueError: the class or the name is registered already.
    """
    _register(
        _Class(
            nodetype,
            serialized_name,
            lambda aux: b"",
            lambda data: None,
            lambda aux, children: nodetype(*children),
        )
    )
    return nodetype


def _encoded(tree: Any) -> Any:
    """A tree of leaf numbers as JSON."""
    if tree is None or isinstance(tree, int):
        return tree
    kind = type(tree)
    if kind in (tuple, list):
        return {kind.__name__: [_encoded(x) for x in tree]}
    if kind is dict:
        for key in tree:
            if not isinstance(key, (str, int, float, bool, type(None))):
                raise FxTypeError(
                    f"export: a dict has the key {key!r}; only text and numbers can be written."
                )
        return {"dict": [[key, _encoded(x)] for key, x in tree.items()]}
    entry = _BY_TYPE.get(kind)
    if entry is None:
        raise FxTypeError(
            f"export: arguments or results have a {kind.__name__}, of which it is not known how to "
            "write it. Call fx.export.register_pytree_node_serialization or "
            "register_namedtuple_serialization for the class."
        )
    children, aux = flatten_one_level(tree)
    return {
        "class": entry.name,
        "aux": bytes(entry.write(aux)).hex(),
        "children": [_encoded(x) for x in children],
    }


def _decoded(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    if "tuple" in data:
        return tuple(_decoded(x) for x in data["tuple"])
    if "list" in data:
        return [_decoded(x) for x in data["list"]]
    if "dict" in data:
        return {key: _decoded(x) for key, x in data["dict"]}
    entry = _BY_NAME.get(data["class"])
    if entry is None:
        raise FxTypeError(
            f"export.deserialize: the class {data['class']!r} is not registered in this process. "
            "Call fx.export.register_pytree_node_serialization or "
            "register_namedtuple_serialization first."
        )
    aux = entry.read(bytes.fromhex(data["aux"]))
    return entry.build(aux, tuple(_decoded(x) for x in data["children"]))
