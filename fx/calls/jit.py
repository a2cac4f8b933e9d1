"""jit: trace once for each signature, compile, and run.

The cache key is the tree of the arguments, the shape, dtype and weakness of each leaf, the static
arguments, and the axes and defaults in scope. A program that closes over tracers of an enclosing
transformation is traced anew each time, since a cache must not hold them.
"""

from __future__ import annotations

import functools
import inspect
import logging
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.calls.entry import Entry
from fx.calls.explain import Explanation, Signature, describe
from fx.calls.jit_call import eval_or_run
from fx.calls.placement import constrained, place_tree
from fx.calls.refs import of_jit
from fx.calls.stages import Lowered
from fx.config import config, detours
from fx.core.array import Array, aval_of, is_arraylike, to_array
from fx.core.backend import get_backend
from fx.core.interpret import eval_jaxpr
from fx.core.ir import Jaxpr
from fx.core.primitive import AxisData
from fx.core.refs import alive
from fx.core.remote import are_remote, backend_of
from fx.core.trace import Tracer, state
from fx.errors import FxRuntimeError, FxTypeError, FxValueError, checked, hide_frames, public
from fx.pytree import tree_flatten, tree_structure, tree_unflatten
from fx.transforms.stage import FlatFunction, arg_names, name_of, origin_of, stage

_log = logging.getLogger("fx")

_FLOAT32 = np.dtype(np.float32)


_functions: weakref.WeakSet[JitFunction] = weakref.WeakSet()


def clear_caches() -> None:
    """Forget the traced programs of all jitted and pmapped functions.

    Example:
        >>> import fx
        >>> fx.clear_caches()
    """
    for function in list(_functions):
        function.clear_cache()


class JitFunction:
    """A function compiled by `fx.jit`."""

    def __init__(
        self,
        function: Callable[..., Any],
        static_argnums: tuple[int, ...],
        static_argnames: tuple[str, ...],
        inline: bool,
        max_traces: int | None = None,
        donate_argnums: tuple[int, ...] = (),
        donate_argnames: tuple[str, ...] = (),
    ):
        functools.update_wrapper(self, function)
        self._donate_argnums = donate_argnums
        self._donate_argnames = donate_argnames
        self._function = function
        self._static_argnums = static_argnums
        self._static_argnames = static_argnames
        self._static = bool(static_argnums or static_argnames)
        self._inline = inline
        self._max_traces = max_traces
        self._name = name_of(function)
        self._cache: dict[Any, Entry] = {}
        self._recent: dict[Any, Entry] = {}  # by static arguments, of the last usual call
        self._with_refs: dict[Any, Any] | None = {}  # None: it is known to use no references
        _functions.add(self)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<jit of {self._name}>"

    # ------------------------------------------------------------------ calling
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if detours[0] and config.disable_jit:
                return self._function(*args, **kwargs)
            if alive[0] and self._with_refs is not None:
                used, out = of_jit(self, self._pure, args, kwargs)
                if used:
                    return out
            function, names_args = self._function, (args, kwargs)
            static_key: Any = ()
            if self._static:
                function, args, kwargs, static_key = self._split_static(args, kwargs)
            recent = self._recent.get(static_key)
            if recent is not None and not detours[0] and _context() is None:
                arrays = recent.arrays_of(args, kwargs)
                if arrays is not None:
                    return recent.call(arrays)
            leaves, tree = tree_flatten((args, kwargs))
            traced = False
            for i, x in enumerate(leaves):
                if type(x) is not Array:
                    leaves[i] = x = self._array(x, leaves, names_args)
                    traced = traced or type(x) is Tracer
            context = _context()
            where = backend_of(f"jit of {self._name}", leaves) if are_remote(leaves) else None
            key = (tree, static_key, context, where, *[x.aval for x in leaves])
            entry = self._cache.get(key)
            if entry is None:
                described = self._described(leaves, tree, static_key, context, names_args)
                start = time.perf_counter()
                jaxpr, out_tree = self._trace(function, leaves, tree, names_args)
                described.trace_ms = (time.perf_counter() - start) * 1e3
                if any(type(c) is Tracer for c in jaxpr.consts):
                    return tree_unflatten(out_tree, self._bind(jaxpr, leaves))
                if where is None and are_remote(jaxpr.consts):
                    where = backend_of(f"jit of {self._name}", [*leaves, *jaxpr.consts])
                donated = self._donated(names_args)
                entry = self._cache[key] = Entry(
                    tree, jaxpr, out_tree, described, donated, self._name, where
                )
            if context is None and where is None:
                self._recent[static_key] = entry
            if traced or detours[0] or state.axes:
                entry.calls += 1
                return tree_unflatten(entry.out_tree, self._bind(entry.jaxpr, leaves))
            return entry.call(leaves)
        except Exception as error:
            hide_frames(error)
            raise

    def _donated(self, named: Any) -> tuple[int, ...]:
        """Which of the leaves of the arguments, without static ones, are donated."""
        args, kwargs = named
        nums = {i if i >= 0 else len(args) + i for i in self._donate_argnums}
        fixed = {i if i >= 0 else len(args) + i for i in self._static_argnums}
        parts = [(x, i in nums) for i, x in enumerate(args) if i not in fixed]
        for name in sorted(set(kwargs) - set(self._static_argnames)):
            parts.append((kwargs[name], name in self._donate_argnames))
        flags = [donate for x, donate in parts for _ in range(tree_structure(x).num_leaves)]
        return tuple(i for i, donate in enumerate(flags) if donate)

    def _pure(self, function: Callable[..., Any]) -> JitFunction:
        """A jitted function that uses no references."""
        made = JitFunction(function, (), (), self._inline)
        made._with_refs = None
        return made

    def _array(self, x: Any, leaves: Sequence[Any], named: Any) -> Any:
        """An argument as an array or a tracer, or the error for one that is neither."""
        if is_arraylike(x):
            return to_array(x)
        try:
            return to_array(x)
        except FxTypeError:
            names = arg_names(self._function, *named) if not self._static else []
            found = [n for n, leaf in zip(names, leaves, strict=False) if leaf is x]
            what = f"the argument {found[0]}" if found else "an argument"
            raise FxTypeError(
                f"jit of {self._name}: {what} must be an array or a number (or a pytree of them), "
                f"got {type(x).__name__}. Mark it static (static_argnames=...) to trace the "
                "function for its value, or convert it with fx.numpy.asarray."
            ) from None

    def _bind(self, jaxpr: Jaxpr, leaves: Sequence[Any]) -> list[Any]:
        if self._inline and not any(type(c) is Tracer for c in jaxpr.consts):
            return eval_jaxpr(jaxpr, leaves)
        return eval_or_run(jaxpr, leaves, self._name)

    def _trace(
        self, function: Callable[..., Any], leaves: Sequence[Any], tree: Any, named: Any
    ) -> tuple[Jaxpr, Any]:
        flat = FlatFunction(function, tree, what="jit")
        avals = [aval_of(x) for x in leaves]
        names = arg_names(self._function, *named) if not self._static else ()
        if config.log_compiles:
            shapes = ", ".join(a.short() for a in avals)
            _log.warning("jit traces %s for (%s)", origin_of(self._function), shapes)
        jaxpr = stage(flat, avals, what="jit", origin=origin_of(self._function), names=names)
        return jaxpr, flat.out_tree

    def _described(
        self, leaves: Sequence[Any], tree: Any, static: Any, context: Any, named: Any
    ) -> Signature:
        """A new signature as `explain` shows it; refused if there are too many."""
        args, kwargs = named
        if self._static:  # static arguments have no leaves
            fixed = {i if i >= 0 else len(args) + i for i in self._static_argnums}
            args = [() if i in fixed else x for i, x in enumerate(args)]
            kwargs = {k: () if k in self._static_argnames else v for k, v in kwargs.items()}
        names = arg_names(self._function, args, kwargs)
        try:
            positions = list(inspect.signature(self._function).parameters)
        except (TypeError, ValueError):
            positions = []
        avals = [aval_of(x) for x in leaves]
        signature = describe(names, avals, tree, static, positions, context)
        limit = self._max_traces
        if limit is not None and len(self._cache) >= limit:
            raise FxRuntimeError(
                f"jit of {self._name} with max_traces={limit} is called with one more signature:\n"
                f"{self._explanation([signature])}\nGive arguments the same shapes, dtypes and "
                "static values each time (pad or batch them, make Python numbers arrays), or raise "
                "max_traces."
            )
        return signature

    def _explanation(self, more: Sequence[Signature] = ()) -> Explanation:
        entries = list(self._cache.values())
        for entry in entries:
            entry.signature.calls = entry.calls
            entry.signature.jaxpr = entry.jaxpr
        return Explanation(self._name, [*(e.signature for e in entries), *more])

    def explain(self) -> Explanation:
        """The signatures that were traced, why each was, and what it cost; print it.

        Example:
            >>> import fx, fx.numpy as jnp
            >>> f = fx.jit(lambda x, n: x * n, static_argnums=1)
            >>> y = f(jnp.ones(3), 2), f(jnp.ones(3), 5)
            >>> print(f.explain().reasons[1])
            static n: 2 -> 5
        """
        return self._explanation()

    def _split_static(self, args: Any, kwargs: Any) -> tuple[Any, Any, Any, Any]:
        """Bake static arguments into the function; return it, the rest, and their key."""
        positions = {i if i >= 0 else len(args) + i for i in self._static_argnums}
        for i in positions:
            if i >= len(args) and self._static_argnums and not self._static_argnames:
                raise FxValueError(
                    f"jit of {self._name}: static_argnums={self._static_argnums} but the call has "
                    f"{len(args)} positional arguments."
                )
        fixed = {i: args[i] for i in positions if 0 <= i < len(args)}
        named = {k: kwargs[k] for k in self._static_argnames if k in kwargs}
        types = (*map(type, fixed.values()), *map(type, named.values()))
        key = (tuple(fixed.items()), tuple(named.items())), types, len(args)
        try:
            hash(key)
        except TypeError:
            self._refuse_static({**{f"number {i}": v for i, v in fixed.items()}, **named})
            raise
        dynamic = tuple([x for i, x in enumerate(args) if i not in fixed])
        others = {k: v for k, v in kwargs.items() if k not in named}
        return _Baked(self._function, fixed, named, len(args)), dynamic, others, key

    def _refuse_static(self, arguments: dict[str, Any]) -> None:
        for name, value in arguments.items():
            try:
                hash(value)
            except TypeError as error:
                raise FxValueError(
                    f"jit of {self._name}: the static argument {name} must be hashable, got "
                    f"{type(value).__name__}: {error}. Pass a tuple instead of a list, a frozen "
                    "dataclass instead of a dict, or make it an ordinary argument."
                ) from None

    # ------------------------------------------------------------------ ahead of time
    @public
    def trace(self, *args: Any, **kwargs: Any) -> Lowered:
        """Trace for arguments (arrays or ShapeDtypeStructs) without running."""
        function, names_args = self._function, (args, kwargs)
        if self._static:
            function, args, kwargs, _ = self._split_static(args, kwargs)
        leaves, tree = tree_flatten((args, kwargs))
        jaxpr, out_tree = self._trace(function, leaves, tree, names_args)
        return Lowered(jaxpr, tree, out_tree, self._name)

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """Trace and lower; `.compile()` the result to run it, `.as_text()` to read it."""
        return self.trace(*args, **kwargs)

    def eval_shape(self, *args: Any, **kwargs: Any) -> Any:
        """Shapes and dtypes of the results."""
        return self.trace(*args, **kwargs).out_info

    def clear_cache(self) -> None:
        """Forget all traced programs."""
        self._recent.clear()
        self._cache.clear()
        if self._with_refs is not None:
            self._with_refs.clear()

    def _cache_size(self) -> int:
        return len(self._cache)


class _Baked:
    """A function with its static arguments in place, called with the others."""

    __slots__ = ("__wrapped__", "count", "fixed", "named")

    def __init__(
        self, function: Callable[..., Any], fixed: dict[int, Any], named: dict[str, Any], count: int
    ):
        self.__wrapped__ = function
        self.fixed = fixed
        self.named = named
        self.count = count

    def __call__(self, *rest: Any, **others: Any) -> Any:
        remaining = iter(rest)
        full = [self.fixed[i] if i in self.fixed else next(remaining) for i in range(self.count)]
        return self.__wrapped__(*full, **others, **self.named)


def _context() -> Any:
    """What besides the arguments determines a trace; None in the usual case."""
    axes = state.axes
    if not axes and dtypes.default_float() is _FLOAT32:
        if not detours[0]:
            return None
        rules = config.numpy_dtype_promotion, config.numpy_rank_promotion
        if rules == ("standard", "allow"):
            return None  # a call inside another trace shares the program of one outside
    return (
        tuple((name, data.size) for name, data in axes.items()),
        dtypes.default_float(),
        dtypes.default_int(),
        config.numpy_dtype_promotion,
        config.numpy_rank_promotion,
    )


def _as_tuple(value: Any, kind: type, option: str) -> tuple[Any, ...]:
    if value is None:
        return ()
    items = (value,) if isinstance(value, kind) else tuple(value)
    if not all(isinstance(x, kind) for x in items):
        raise FxTypeError(f"jit: {option} expects {kind.__name__}s, got {value!r}.")
    return items


@public
def jit(
    fun: Callable[..., Any] | None = None,
    *,
    in_shardings: Any = None,
    out_shardings: Any = None,
    static_argnums: int | Sequence[int] | None = None,
    static_argnames: str | Sequence[str] | None = None,
    donate_argnums: int | Sequence[int] | None = None,
    donate_argnames: str | Sequence[str] | None = None,
    inline: bool = False,
    max_traces: int | None = None,
    keep_unused: bool = False,
    device: Any = None,
    backend: str | None = None,
    compiler_options: Any = None,
) -> Any:
    """Compile a function: trace it once for each signature of its arguments, then run that.

    Args:
        fun: a pure function of arrays in pytrees. Without it, returns a decorator.
        in_shardings, out_shardings: shardings of the positional arguments and the results, or
            tree prefixes: sizes are checked, results have theirs.
        static_argnums, static_argnames: arguments that are Python values, part of the cache key
            by hash and equality. Naming one of the two ways is enough.
        donate_argnums, donate_argnames: arguments whose memory may become that of results. Their
            arrays are deleted by a call that is not traced: what uses them afterwards raises
            FxRuntimeError. Memory that something else has too, such as a view, is left alone.
        inline: insert the equations into an enclosing program instead of a call.
        max_traces: how many signatures may be traced; one more raises an error that shows
            `explain()`. Not in JAX.
        keep_unused, device, backend, compiler_options: accepted as in JAX; one CPU backend serves
            them all.

    Returns:
        A function with the same signature, and the methods `trace`, `lower`, `eval_shape`,
        `explain`, `clear_cache`.

    Raises:
        FxValueError: a static argument is not hashable.
        FxRuntimeError: there are more signatures than max_traces.
        ConcretizationTypeError: the function needs the value of a traced argument.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> f = fx.jit(lambda x: jnp.sum(x * 2))
        >>> f(jnp.arange(4.0))
        Array(12., dtype=float32)
    """
    if fun is None:
        return lambda f: jit(
            f,
            in_shardings=in_shardings,
            out_shardings=out_shardings,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            donate_argnums=donate_argnums,
            donate_argnames=donate_argnames,
            inline=inline,
            max_traces=max_traces,
        )
    if not callable(fun):
        raise FxTypeError(f"jit expects a function, got {type(fun).__name__}.")
    nums = _as_tuple(static_argnums, int, "static_argnums")
    names = _as_tuple(static_argnames, str, "static_argnames")
    given = _as_tuple(donate_argnums, int, "donate_argnums")
    by_name = _as_tuple(donate_argnames, str, "donate_argnames")
    nums, names = _both_ways(fun, nums, names, "static")
    donated = _both_ways(fun, given, by_name, "donate")
    get_backend()  # imports the compiler, which the first call then need not do
    if in_shardings is None and out_shardings is None:
        return JitFunction(fun, nums, names, inline, max_traces, *donated)
    function = constrained(fun, in_shardings, out_shardings, nums)
    return _ShardedJit(out_shardings, function, nums, names, inline, max_traces, *donated)


class _ShardedJit(JitFunction):
    """A jitted function whose results have shardings."""

    def __init__(self, out_shardings: Any, *args: Any):
        super().__init__(*args)
        self._out_shardings = out_shardings

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        outs = super().__call__(*args, **kwargs)
        return place_tree("jit out_shardings", outs, self._out_shardings)


def _both_ways(
    fun: Callable[..., Any], nums: tuple[int, ...], names: tuple[str, ...], option: str
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Complete numbers by names and names by numbers, from the function's signature."""
    if not nums and not names:
        return nums, names
    try:
        parameters = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):
        return nums, names
    positional = [
        p.name
        for p in parameters
        if p.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    ]
    known = {p.name for p in parameters}
    open_names = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    open_nums = any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)
    for name in names:
        if name not in known and not open_names:
            raise FxValueError(
                f"jit of {name_of(fun)}: {option}_argnames has {name!r}, which is not one of its "
                f"parameters {sorted(known)}."
            )
    for i in nums:
        if not -len(positional) <= i < len(positional) and not open_nums:
            raise FxValueError(
                f"jit of {name_of(fun)}: {option}_argnums has {i}, but there are "
                f"{len(positional)} positional parameters."
            )
    more_nums = {positional.index(n) for n in names if n in positional}
    more_names = {positional[i] for i in nums if -len(positional) <= i < len(positional)}
    return (*nums, *(more_nums - set(nums))), (*names, *(more_names - set(names)))


@checked
def make_jaxpr(
    fun: Callable[..., Any],
    static_argnums: int | Sequence[int] = (),
    *,
    return_shape: bool = False,
    axis_env: Sequence[tuple[Any, int]] | None = None,
) -> Callable[..., Any]:
    """A function that traces `fun` for its arguments and returns the jaxpr.

    Args:
        fun: a function of arrays in pytrees.
        static_argnums: positions of arguments that are Python values.
        return_shape: also return the results' shapes and dtypes.
        axis_env: (name, size) of axes that collectives in `fun` may use.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.make_jaxpr(lambda x: jnp.sin(x) * 2)(1.0)
        { lambda ; a:~f32[]. let b:~f32[] = sin a; c:~f32[] = mul b 2.0:~f32[] in (c,) }
    """

    @public
    @functools.wraps(fun)
    def make(*args: Any, **kwargs: Any) -> Any:
        nums = _as_tuple(static_argnums, int, "static_argnums")
        saved = state.axes
        state.axes = {**saved, **{n: AxisData(n, s) for n, s in axis_env or ()}}
        try:
            lowered = JitFunction(fun, nums, (), False).trace(*args, **kwargs)
        finally:
            state.axes = saved
        return (lowered.jaxpr, lowered.out_info) if return_shape else lowered.jaxpr

    return make


@public
def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Shapes and dtypes of a function's results, without computing any.

    Args:
        fun: a function of arrays in pytrees.
        *args, **kwargs: arrays, or anything with shape and dtype.

    Returns:
        The tree of results with `ShapeDtypeStruct` leaves.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.eval_shape(jnp.matmul, jnp.ones((2, 3)), jnp.ones((3, 4)))
        ShapeDtypeStruct(shape=(2, 4), dtype=float32)
    """
    return JitFunction(fun, (), (), False).trace(*args, **kwargs).out_info
