"""References through bodies that are traced apart: what a body writes goes in and out as values."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from fx import dtypes
from fx.core.array import aval_of, is_arraylike
from fx.core.refs import Ref, alive, bound, discover
from fx.core.trace import state
from fx.errors import FxValueError
from fx.pytree import tree_flatten, tree_unflatten

F = TypeVar("F", bound=Callable[..., Any])


def through(extended: Callable[..., Any]) -> Callable[[F], F]:
    """Decorate a control flow function: `extended(function, refs, *args, **kwargs)` does the same
    where its bodies write the references `refs`."""

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if alive[0]:
                found = discover(lambda: function(*args, **kwargs))
                written = [r for r, writes in found.items() if writes]
                if written:
                    return extended(function, written, *args, **kwargs)
            return function(*args, **kwargs)

        return call  # type: ignore[return-value]

    return decorate


def _values(refs: Sequence[Ref]) -> list[Any]:
    return [r.get() for r in refs]


def _assign(refs: Sequence[Ref], values: Sequence[Any]) -> None:
    for r, value in zip(refs, values, strict=True):
        r.set(value)


def _with_values(refs: Sequence[Ref], fun: Callable[..., Any]) -> Callable[..., Any]:
    """`fun` as a function of the references' values too, which also returns the new ones."""

    @functools.wraps(fun)
    def body(values: Sequence[Any], *args: Any) -> tuple[Any, list[Any]]:
        with bound(refs, values):
            return fun(*args), _values(refs)

    return body


def of_scan(
    scan: Callable[..., Any], refs: Sequence[Ref], f: Callable[..., Any], init: Any, *args: Any,
    **kwargs: Any,
) -> Any:  # fmt: skip
    inner = _with_values(refs, f)

    @functools.wraps(f)
    def body(carry: Any, x: Any) -> Any:
        (after, y), new = inner(carry[1], carry[0], x)
        return (after, new), y

    (carry, values), ys = scan(body, (init, _values(refs)), *args, **kwargs)
    _assign(refs, values)
    return carry, ys


def of_while(
    loop: Callable[..., Any],
    refs: Sequence[Ref],
    cond_fun: Callable[..., Any],
    body_fun: Callable[..., Any],
    init_val: Any,
    **kwargs: Any,
) -> Any:
    test, inner = _with_values(refs, cond_fun), _with_values(refs, body_fun)

    @functools.wraps(body_fun)
    def body(carry: Any) -> Any:
        return inner(carry[1], carry[0])

    out, values = loop(
        lambda carry: test(carry[1], carry[0])[0], body, (init_val, _values(refs)), **kwargs
    )
    _assign(refs, values)
    return out


def of_cond(
    cond: Callable[..., Any],
    refs: Sequence[Ref],
    pred: Any,
    true_fun: Callable[..., Any],
    false_fun: Callable[..., Any],
    *operands: Any,
    **kwargs: Any,
) -> Any:
    branches = [_with_values(refs, f) for f in (true_fun, false_fun)]
    return _chosen(refs, functools.partial(cond, pred, *_closed(refs, branches)), operands, kwargs)


def of_switch(
    switch: Callable[..., Any],
    refs: Sequence[Ref],
    index: Any,
    branches: Sequence[Callable[..., Any]],
    *operands: Any,
    **kwargs: Any,
) -> Any:
    inner = _closed(refs, [_with_values(refs, f) for f in branches])
    return _chosen(refs, functools.partial(switch, index, inner), operands, kwargs)


def _closed(refs: Sequence[Ref], branches: Sequence[Any]) -> list[Any]:
    values = _values(refs)
    return [functools.partial(branch, values) for branch in branches]


def _chosen(refs: Sequence[Ref], call: Any, operands: Any, kwargs: Any) -> Any:
    out, values = call(*operands, **kwargs)
    _assign(refs, values)
    return out


# ------------------------------------------------------------------ jit
class _Program(NamedTuple):
    """A jitted function that takes and gives the values of references, for one signature."""

    run: Any
    closed: list[weakref.ref[Ref]]  # those that the function closes over
    written: list[bool]  # of the arguments, then of the closed ones


def of_jit(jitted: Any, make: Callable[..., Any], args: Any, kwargs: Any) -> tuple[bool, Any]:
    """Call a jitted function that uses references: (True, result), or (False, None) if none.

    Args:
        jitted: a `JitFunction`.
        make: makes one of a pure function.
        args, kwargs: of the call.
    """
    function, static_key = jitted._function, ()
    if jitted._static:
        function, args, kwargs, static_key = jitted._split_static(args, kwargs)
    leaves, tree = tree_flatten((args, kwargs))
    given = [x for x in leaves if isinstance(x, Ref)]
    if any(not isinstance(x, Ref) and not is_arraylike(x) for x in leaves):
        return False, None  # for the usual error
    arrays = [x for x in leaves if not isinstance(x, Ref)]
    kinds = tuple(
        (isinstance(x, Ref), x.aval if isinstance(x, Ref) else aval_of(x)) for x in leaves
    )
    key = tree, static_key, kinds, tuple(state.axes), dtypes.default_float()
    program = jitted._with_refs.get(key)
    if program is None or any(r() is None for r in program.closed):
        program = _program(make, function, tree, [is_ref for is_ref, _ in kinds], given, arrays)
        jitted._with_refs[key] = program
    if program.run is None:
        return False, None
    refs = [*given, *(r() for r in program.closed)]
    if len(set(refs)) != len(refs):
        raise FxValueError(
            "a jitted function gets one reference twice, as two arguments, or as an argument and "
            "by its closure. Pass it once."
        )
    out, new = program.run(_values(refs), arrays)  # type: ignore[arg-type]
    _assign([r for r, w in zip(refs, program.written, strict=True) if w], new)  # type: ignore[misc]
    return True, out


def _program(
    make: Callable[..., Any],
    function: Callable[..., Any],
    tree: Any,
    is_ref: Sequence[bool],
    given: Sequence[Ref],
    arrays: Sequence[Any],
) -> _Program:
    templates = [Ref(r.get()) for r in given]

    def call(arrays: Sequence[Any]) -> Any:
        refs, rest = iter(templates), iter(arrays)
        args, kwargs = tree_unflatten(
            tree, [next(refs) if is_it else next(rest) for is_it in is_ref]
        )
        return function(*args, **kwargs)

    found = discover(lambda: call(arrays))
    closed = [weakref.ref(r) for r in found if r not in templates]
    if not given and not closed:
        return _Program(None, [], [])
    written = [found.get(r, False) for r in templates] + [found[r()] for r in closed]  # type: ignore[index]

    @functools.wraps(function)
    def pure(values: Sequence[Any], arrays: Sequence[Any]) -> Any:
        refs: list[Any] = [*templates, *(r() for r in closed)]
        with bound(refs, values):
            out = call(arrays)
            return out, [r.get() for r, w in zip(refs, written, strict=True) if w]

    return _Program(make(pure), closed, written)
