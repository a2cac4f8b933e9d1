"""Calls of Python from inside a program: pure_callback, io_callback, and debug's callbacks.

The primitive holds a function of NumPy arrays. Programs run equation by equation in order, so
effects happen in the order of the source and are done when a call returns.
"""

from __future__ import annotations

import string
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array, aval_of, to_array
from fx.core.avals import ShapedArray
from fx.core.primitive import AxisData, P, Primitive
from fx.errors import FxError, FxTypeError, FxValueError, ShapeError, public
from fx.pytree import tree_flatten, tree_unflatten
from fx.transforms.stage import name_of
from fx.transforms.vmap import materialize, move_axis

# Kinds of numbers in order of what they hold; others (bfloat16, keys) count as floats.
_RANKS = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}
_METHODS = ("sequential", "sequential_unrolled", "expand_dims", "broadcast_all")


class Callback(Primitive):
    """Calls `function(*arrays)`, which returns a list of arrays of the types `results`."""

    multiple_results = True

    def __init__(self, name: str, effectful: bool):
        super().__init__(name)
        self.effectful = effectful

    def abstract_eval(
        self, *avals: ShapedArray, function: Any, results: Any, vmap_method: Any
    ) -> list[ShapedArray]:
        return list(results)

    def impl(
        self, xp: Any, *arrays: Any, function: Any, results: Any, vmap_method: Any
    ) -> list[Any]:
        outs = function(*arrays)
        for out, aval in zip(outs, results, strict=True):
            if out.shape != aval.shape:
                raise ShapeError(
                    f"{self.name}: {name_of(function)} returned an array of shape {out.shape}, "
                    f"but result_shape_dtypes says {aval.short()}."
                )
            if _RANKS.get(out.dtype.kind, 2) > _RANKS.get(aval.dtype.kind, 2):
                raise FxTypeError(
                    f"{self.name}: {name_of(function)} returned {dtypes.short_name(out.dtype)}, "
                    f"which does not fit {aval.short()} of result_shape_dtypes."
                )
        return [np.asarray(o, a.dtype) for o, a in zip(outs, results, strict=True)]

    def jvp_call(
        self, primals: Sequence[Any], tangents: Sequence[Any], **params: Any
    ) -> tuple[list[Any], list[Any]]:
        if self.name == "pure_callback":
            raise FxTypeError(
                f"pure_callback of {name_of(params['function'])} has no derivative: wrap it in "
                "fx.custom_jvp or fx.custom_vjp with a rule, or use fx.lax.stop_gradient on its "
                "arguments."
            )
        outs = self.bind(*primals, **params)
        return outs, [None] * len(outs)

    def batch(
        self,
        axis: AxisData,
        args: Sequence[Any],
        dims: Sequence[Any],
        *,
        function: Any,
        results: Any,
        vmap_method: Any,
    ) -> tuple[list[Any], list[Any]]:
        size = axis.size
        wide = tuple(a.update(shape=(size, *a.shape)) for a in results)
        if vmap_method in ("expand_dims", "broadcast_all"):
            full = []
            for x, d in zip(args, dims, strict=True):
                if d is not None:
                    full.append(move_axis(x, d, 0))
                elif vmap_method == "broadcast_all":
                    full.append(materialize(x, None, size))
                else:
                    shape = (1, *x.shape)
                    full.append(P.reshape(x, new_sizes=shape))
            outs = self.bind(*full, function=function, results=wide, vmap_method=vmap_method)
            return outs, [0] * len(outs)
        if vmap_method is None:
            raise FxValueError(
                f"vmap of {self.name} of {name_of(function)} needs to know how: pass vmap_method= "
                f"one of {', '.join(_METHODS)}."
            )
        mapped = [d is not None for d in dims]
        full = [x if d is None else move_axis(x, d, 0) for x, d in zip(args, dims, strict=True)]

        def each(*arrays: Any) -> list[Any]:
            rows = [
                function(*[x[i, ...] if m else x for x, m in zip(arrays, mapped, strict=True)])
                for i in range(size)
            ]
            return [
                np.stack([np.asarray(row[k], a.dtype) for row in rows])
                if size
                else np.empty((0, *a.shape), a.dtype)
                for k, a in enumerate(results)
            ]

        outs = self.bind(*full, function=each, results=wide, vmap_method=vmap_method)
        return outs, [0] * len(outs)


pure_callback_p = Callback("pure_callback", False)
io_callback_p = Callback("io_callback", True)
debug_callback_p = Callback("debug_callback", True)


def _bind(
    primitive: Callback,
    callback: Callable[..., Any],
    shapes: Any,
    method: Any,
    args: Any,
    kwargs: Any,
) -> Any:
    what = primitive.name
    if not callable(callback):
        raise FxTypeError(f"{what} expects a function, got {type(callback).__name__}.")
    if method is not None and method not in _METHODS:
        raise FxValueError(
            f"{what}: vmap_method expects one of {', '.join(_METHODS)} or None, got {method!r}."
        )
    specs, out_tree = tree_flatten(shapes)
    results = tuple(aval_of(s).strong() for s in specs)
    leaves, tree = tree_flatten((args, kwargs))
    arrays = [to_array(x, what) for x in leaves]

    def flat(*raw: Any) -> list[Any]:
        inner_args, inner_kwargs = tree_unflatten(tree, [Array(x) for x in raw])
        out = callback(*inner_args, **inner_kwargs)
        outs, got = tree_flatten(out)
        if got != out_tree:
            raise FxTypeError(
                f"{what}: {name_of(callback)} must return the structure {out_tree} of "
                f"result_shape_dtypes, got {got}."
            )
        return [np.asarray(x) for x in outs]

    flat.__name__ = name_of(callback)
    outs = primitive.bind(*arrays, function=flat, results=results, vmap_method=method)
    return tree_unflatten(out_tree, outs)


@public
def pure_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    *args: Any,
    sharding: Any = None,
    vmap_method: str | None = None,
    **kwargs: Any,
) -> Any:
    """Call a Python function without side effects from inside a transformed function.

    Args:
        callback: from concrete arrays to NumPy-like arrays; may be called any number of times.
        result_shape_dtypes: a tree of objects with shape and dtype: what it returns.
        *args, **kwargs: arrays in pytrees.
        sharding: accepted as in JAX.
        vmap_method: how vmap calls it: "sequential" once an element, "expand_dims" once with a
            leading axis on all (of size 1 where not mapped), "broadcast_all" once with the full
            axis on all. Without it vmap is an error.

    Example:
        >>> import fx, numpy as np
        >>> f = fx.jit(lambda x: fx.pure_callback(np.sin, x, x))
        >>> f(0.0)
        Array(0., dtype=float32)
    """
    return _bind(pure_callback_p, callback, result_shape_dtypes, vmap_method, args, kwargs)


@public
def io_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    *args: Any,
    sharding: Any = None,
    ordered: bool = False,
    **kwargs: Any,
) -> Any:
    """Call a Python function with side effects; it is never dropped or repeated. See
    `pure_callback`; under vmap it is called once an element.
    """
    return _bind(io_callback_p, callback, result_shape_dtypes, "sequential", args, kwargs)


@public
def debug_callback(
    callback: Callable[..., Any], *args: Any, ordered: bool = False, **kwargs: Any
) -> None:
    """Call a function for its side effect, with concrete arrays; its result is ignored.

    Args:
        callback: takes the arrays. Under vmap it is called once an element.
        *args, **kwargs: arrays in pytrees.
        ordered: accepted as in JAX; calls always keep the order of the program.

    Example:
        >>> import fx
        >>> fx.jit(lambda x: fx.debug.callback(lambda v: print("x is", v), x))(3.0)
        x is 3.0
    """
    if not callable(callback):
        raise FxTypeError(f"debug.callback expects a function, got {type(callback).__name__}.")

    def ignoring(*inner: Any, **named: Any) -> tuple[()]:
        callback(*inner, **named)
        return ()

    ignoring.__name__ = name_of(callback)
    _bind(debug_callback_p, ignoring, (), "sequential", args, kwargs)


class _Places(string.Formatter):
    """Finds the places of a format without formatting arguments: they may be traced."""

    unused: Sequence[str] = ()

    def format_field(self, value: Any, format_spec: str) -> str:
        return ""

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return value

    def check_unused_args(self, used_args: Any, args: Any, kwargs: Any) -> None:
        self.unused = [str(i) for i in range(len(args)) if i not in used_args]
        self.unused += [k for k in kwargs if k not in used_args]


def _check_format(fmt: str, args: Any, kwargs: Any) -> None:
    """Raise for a wrong format where it is written, not where it is printed."""
    places = _Places()
    try:
        places.format(fmt, *args, **kwargs)
    except (IndexError, KeyError) as error:
        if isinstance(error, FxError):
            raise
        raise FxValueError(
            f"debug.print: the format {fmt!r} names an argument that is not given; there are "
            f"{len(args)} by position{' and ' + ', '.join(kwargs) if kwargs else ''}."
        ) from None
    if places.unused:
        raise FxValueError(
            f"debug.print: the format does not use the argument(s) {', '.join(places.unused)}. "
            "Each needs a place, e.g. debug.print('x = {}', x)."
        )


@public
def debug_print(fmt: str, *args: Any, ordered: bool = False, **kwargs: Any) -> None:
    """Print values from inside a transformed function.

    Args:
        fmt: a format string as for `str.format`; not an f-string, which would print tracers.
        *args, **kwargs: arrays (in pytrees) or Python values that it refers to.
        ordered: accepted as in JAX; output always keeps the order of the program.

    Example:
        >>> import fx
        >>> @fx.jit
        ... def f(x):
        ...     fx.debug.print("x = {}", x)
        ...     return 2 * x
        >>> _ = f(1.5)
        x = 1.5
    """
    _check_format(fmt, args, kwargs)
    leaves, tree = tree_flatten((args, kwargs))
    traced = [isinstance(x, (Array, np.ndarray, np.generic)) for x in leaves]
    fixed = [None if t else x for x, t in zip(leaves, traced, strict=True)]

    def show(*values: Any) -> None:
        items = iter(values)
        full = [next(items) if t else f for f, t in zip(fixed, traced, strict=True)]
        inner, named = tree_unflatten(tree, full)
        inner = [_printable(x) for x in inner]
        named = {k: _printable(x) for k, x in named.items()}
        sys.stdout.write(fmt.format(*inner, **named) + "\n")
        sys.stdout.flush()

    debug_callback(show, *[x for x, t in zip(leaves, traced, strict=True) if t], ordered=ordered)


def _printable(x: Any) -> Any:
    """NumPy values print without dtype; random keys stay as they are."""
    if not isinstance(x, Array) or dtypes.is_key(x.dtype):
        return x
    raw = np.asarray(x)
    return raw[()] if raw.ndim == 0 else raw
