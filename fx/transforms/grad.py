"""The public derivatives: grad, value_and_grad, vjp, jvp, linearize, linear_transpose.

Reverse mode is linearize followed by transpose (Radul et al., "You Only Linearize Once", 2022).
Complex numbers follow JAX: the gradient of a real function f(x + iy) is df/dx - i df/dy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array, aval_of, is_arraylike, to_array
from fx.core.interpret import eval_jaxpr
from fx.core.primitive import Linear, P, instantiate
from fx.errors import FxTypeError, MissingRuleError, ShapeError, TreeError, public
from fx.pytree import Partial, keystr, tree_flatten, tree_flatten_with_path, tree_unflatten
from fx.transforms.jvp import jvp_flat
from fx.transforms.linearize import linearize_flat
from fx.transforms.stage import FlatFunction, hoist, name_of, origin_of, stage
from fx.transforms.transpose import backward_pass


def _leaf_arrays(leaves: Sequence[Any], what: str, tree: Any) -> list[Array]:
    """Leaves as arrays, or an error that shows the path of the one that is not."""
    out = []
    for i, x in enumerate(leaves):
        if isinstance(x, Array):
            out.append(x)
        elif is_arraylike(x):
            out.append(to_array(x))
        else:
            paths = tree_flatten_with_path(tree_unflatten(tree, leaves))[0]
            raise FxTypeError(
                f"{what} expects arrays or numbers, got {type(x).__name__} at "
                f"argument{keystr(paths[i][0])}. Close over Python values with functools.partial, "
                "or exclude the argument (argnums)."
            )
    return out


def _float0_like(x: Any) -> np.ndarray:
    return np.zeros(x.shape, dtypes.float0)


def _dense(tangent: Any, like: Any) -> Any:
    """The tangent of a result as an array, weakly typed where the result is."""
    tangent = instantiate(tangent, like)
    return with_weakness(tangent, True) if like.weak_type else tangent


def with_weakness(x: Any, weak_type: bool) -> Any:
    """`x` with a weak dtype or a strong one: derivatives have the types of the arguments."""
    if x.weak_type == weak_type:
        return x
    if type(x) is Array:
        return Array(x._data, weak_type)
    return P.convert_element_type(x, new_dtype=x.dtype, weak_type=weak_type)


def _cotangents_of(cts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    """Explicit cotangents: zeros for None, float0 for arguments without tangents."""
    return [
        instantiate(ct, x) if dtypes.is_inexact(x.dtype) else _float0_like(x)
        for ct, x in zip(cts, args, strict=True)
    ]


# ------------------------------------------------------------------ grad
@public
def value_and_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """A function that returns a scalar function's value and its gradient.

    Args:
        fun: returns a rank-0 array (or `(scalar, aux)` with `has_aux`).
        argnums: the positional arguments to differentiate with respect to, pytrees of floating
            (with `holomorphic`: complex) arrays. An int gives one gradient, a tuple a tuple.
        has_aux: whether `fun` returns auxiliary data beside the scalar.
        holomorphic: whether `fun` is a holomorphic complex function.
        allow_int: permit integer and bool arguments; their gradients have dtype float0.

    Returns:
        A function with the arguments of `fun` that returns `(value, gradient)`, or
        `((value, aux), gradient)`. Gradients have the trees, shapes and dtypes of the arguments.

    Raises:
        FxTypeError: an argument has no gradient, or the result is not a real scalar.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> value, grad = fx.value_and_grad(lambda x: jnp.sum(x**2))(jnp.asarray([1.0, 2.0]))
        >>> value, grad
        (Array(5., dtype=float32), Array([2., 4.], dtype=float32))
    """
    return _value_and_grad(fun, argnums, has_aux, holomorphic, allow_int, "value_and_grad", False)


@public
def grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """A function that returns the gradient of a scalar function.

    Args:
        fun: as in `value_and_grad`.
        argnums, has_aux, holomorphic, allow_int: as in `value_and_grad`.

    Returns:
        A function with the arguments of `fun` that returns the gradient, or `(gradient, aux)`.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.grad(jnp.tanh)(0.0)
        Array(1., dtype=float32, weak_type=True)
    """
    return _value_and_grad(fun, argnums, has_aux, holomorphic, allow_int, "grad", True)


def _value_and_grad(
    fun: Callable[..., Any],
    argnums: int | Sequence[int],
    has_aux: bool,
    holomorphic: bool,
    allow_int: bool,
    what: str,
    only_grad: bool,
) -> Callable[..., Any]:
    if not callable(fun):
        raise FxTypeError(f"{what} expects a function, got {type(fun).__name__}.")
    single = isinstance(argnums, int)
    wanted: tuple[int, ...] = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    if not all(isinstance(i, int) for i in wanted):
        raise FxTypeError(f"{what}: argnums expects an int or a sequence of ints, got {argnums!r}.")
    allow_int, holomorphic, has_aux = bool(allow_int), bool(holomorphic), bool(has_aux)
    origin = origin_of(fun)

    @public
    @functools.wraps(fun)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        positions = _positions(wanted, args, what, fun)
        leaves, tree = tree_flatten(tuple(args[i] for i in positions))
        arrays = _leaf_arrays(leaves, what, tree)
        active = [_check_input(x, what, holomorphic, allow_int) for x in arrays]
        box = _Aux()

        def flat(*inner: Any) -> list[Any]:
            full = list(args)
            for i, value in zip(positions, tree_unflatten(tree, inner), strict=True):
                full[i] = value
            out = fun(*full, **kwargs)
            if not has_aux:
                return [_check_output(out, what, fun, holomorphic)]
            out, aux = _split_aux(out, what, fun)
            return [_check_output(out, what, fun, holomorphic), *box.split(aux)]

        outs, linear, active_out = linearize_flat(flat, arrays, active, origin)
        value = outs[0]
        linears = [Linear(v.aval) for v in linear.invars]
        cts = iter(())
        if active_out[0]:
            rest = [None] * (len(linear.outvars) - 1)
            cts = iter(backward_pass(linear, linears, [_one(value.dtype), *rest]))
        grads = _cotangents_of([next(cts, None) if on else None for on in active], arrays)
        grads = [
            with_weakness(ct, x.weak_type) if on else ct
            for ct, x, on in zip(grads, arrays, active, strict=True)
        ]
        result = tree_unflatten(tree, grads)
        gradient = result[0] if single else result
        if not has_aux:
            return gradient if only_grad else (value, gradient)
        aux_out = box.join(outs[1:])
        return (gradient, aux_out) if only_grad else ((value, aux_out), gradient)

    return differentiated


@functools.cache
def _one(dtype: np.dtype) -> Array:
    return Array(np.ones((), dtype))


def _positions(wanted: Sequence[int], args: Any, what: str, fun: Any) -> list[int]:
    for i in wanted:
        if not -len(args) <= i < len(args):
            raise FxTypeError(
                f"{what} of {name_of(fun)}: argnums has {i}, but the call has {len(args)} "
                "positional arguments. Pass the argument by position, or change argnums."
            )
    positions = [i % len(args) for i in wanted]
    if len(set(positions)) != len(positions):
        raise FxTypeError(f"{what} of {name_of(fun)}: argnums {tuple(wanted)} repeats an argument.")
    return positions


def _check_input(x: Array, what: str, holomorphic: bool, allow_int: bool) -> bool:
    dtype = x.dtype
    if dtypes.is_floating(dtype) and not holomorphic:
        return True
    if dtype.kind == "c":
        return True
    if holomorphic:
        raise FxTypeError(
            f"{what} with holomorphic=True expects complex arguments, got {x.aval.short()}. "
            "Convert with x.astype('complex64'), or leave holomorphic out."
        )
    if allow_int:
        return False
    raise FxTypeError(
        f"{what} expects floating-point or complex arguments, got {x.aval.short()}: a function of "
        "integers has no derivative. Convert with x.astype('float32'), choose other argnums, or "
        "pass allow_int=True."
    )


class _Aux:
    """Auxiliary data on its way out of a trace: arrays are results, the rest stays as it is."""

    def __init__(self) -> None:
        self.tree: Any = None
        self.plain: list[Any] = []
        self.is_array: list[bool] = []

    def split(self, aux: Any) -> list[Array]:
        """The arrays of `aux`; its structure and other leaves are remembered."""
        leaves, self.tree = tree_flatten(aux)
        self.plain = [None if isinstance(x, Array) else x for x in leaves]
        self.is_array = [isinstance(x, Array) for x in leaves]
        return [x for x in leaves if isinstance(x, Array)]

    def join(self, arrays: Sequence[Any]) -> Any:
        """The tree again, with other arrays."""
        rest = iter(arrays)
        pairs = zip(self.plain, self.is_array, strict=True)
        return tree_unflatten(self.tree, [next(rest) if on else x for x, on in pairs])


def _split_aux(out: Any, what: str, fun: Any) -> tuple[Any, Any]:
    if not isinstance(out, (tuple, list)) or len(out) != 2:
        raise FxTypeError(
            f"{what} with has_aux=True expects {name_of(fun)} to return a pair (value, aux), got "
            f"{type(out).__name__}."
        )
    return out[0], out[1]


def _check_output(out: Any, what: str, fun: Any, holomorphic: bool) -> Any:
    if not is_arraylike(out):
        kind = type(out).__name__
        raise FxTypeError(
            f"{what} expects {name_of(fun)} to return a scalar array, got {kind}. Return the loss "
            "alone, or use has_aux=True for (loss, other things)."
        )
    out = to_array(out)
    if out.shape != ():
        raise FxTypeError(
            f"{what} expects {name_of(fun)} to return a scalar, got {out.aval.short()}. Reduce it "
            "(.sum(), .mean()), or use jacrev, jacfwd or vjp."
        )
    if out.dtype.kind == "c" and not holomorphic:
        raise FxTypeError(
            f"{what} expects {name_of(fun)} to return a real scalar, got {out.aval.short()}. Take "
            "its .real, or pass holomorphic=True for a holomorphic function."
        )
    if not dtypes.is_inexact(out.dtype):
        raise FxTypeError(
            f"{what} expects {name_of(fun)} to return a floating-point scalar, got "
            f"{out.aval.short()}. Convert it with .astype('float32')."
        )
    return out


# ------------------------------------------------------------------ jvp and vjp
def _check_tangents(primals: Any, tangents: Any, what: str) -> tuple[list[Array], list[Any], Any]:
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise FxTypeError(
            f"{what} expects a tuple of arguments and a tuple of tangents, got "
            f"{type(primals).__name__} and {type(tangents).__name__}. Write "
            f"{what}(f, (x,), (t,))."
        )
    leaves, tree = tree_flatten(tuple(primals))
    t_leaves, t_tree = tree_flatten(tuple(tangents))
    if tree != t_tree:
        raise TreeError(
            f"{what} expects tangents with the structure of the arguments {tree}, got {t_tree}."
        )
    arrays = _leaf_arrays(leaves, what, tree)
    checked: list[Any] = []
    for x, t in zip(arrays, t_leaves, strict=True):
        if not dtypes.is_inexact(x.dtype):
            if getattr(t, "dtype", None) != dtypes.float0:
                raise FxTypeError(
                    f"{what} expects a tangent of dtype float0 for the argument {x.aval.short()}, "
                    f"got {aval_of(t).short()}. Use np.zeros(x.shape, fx.dtypes.float0)."
                )
            checked.append(None)
            continue
        t = to_array(t)
        if t.shape != x.shape or (t.dtype != x.dtype and not t.weak_type):
            raise ShapeError(
                f"{what} expects a tangent of type {x.aval.strong().short()} for an argument of "
                f"that type, got {t.aval.short()}. Tangents have the shapes and dtypes of the "
                "arguments."
            )
        if t.dtype != x.dtype:
            t = Array(np.asarray(t, x.dtype))
        checked.append(t)
    return arrays, checked, tree


@public
def jvp(
    fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False
) -> tuple[Any, ...]:
    """Value and directional derivative of a function, in forward mode.

    Args:
        fun: a function of arrays in pytrees.
        primals: a tuple of its arguments.
        tangents: a tuple of tangents with the same structure, shapes and dtypes (float0 for
            integer arguments).
        has_aux: whether `fun` returns `(out, aux)`.

    Returns:
        `(out, tangent_out)`, or `(out, tangent_out, aux)`.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.jvp(jnp.sin, (0.0,), (1.0,))
        (Array(0., dtype=float32, weak_type=True), Array(1., dtype=float32, weak_type=True))
    """
    arrays, checked, tree = _check_tangents(primals, tangents, "jvp")

    box = _Aux()
    flat = FlatFunction(
        _positional(fun, box if has_aux else None, "jvp"), _args_tree(tree), what="jvp"
    )
    outs, touts = jvp_flat(flat, arrays, checked, origin_of(fun))
    full = [
        _dense(t, o) if dtypes.is_inexact(o.dtype) else _float0_like(o)
        for t, o in zip(touts, outs, strict=True)
    ]
    out, tangent = tree_unflatten(flat.out_tree, outs), tree_unflatten(flat.out_tree, full)
    return (out[0], tangent[0], box.join(out[1])) if has_aux else (out, tangent)


def _positional(fun: Callable[..., Any], box: _Aux | None, what: str) -> Callable[..., Any]:
    """`fun` of a tuple of arguments; with a box for aux its arrays are a second result."""

    def wrapped(args: Any) -> Any:
        out = fun(*args)
        if box is None:
            return out
        out, aux = _split_aux(out, what, fun)
        return out, box.split(aux)

    wrapped.__name__ = name_of(fun)
    return wrapped


def _args_tree(tree: Any) -> Any:
    """The structure of `((args,), {})` for FlatFunction, where `tree` is that of args."""
    return tree_flatten(((tree_unflatten(tree, range(tree.num_leaves)),), {}))[1]


@public
def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Value of a function and the function that maps cotangents of it to those of the arguments.

    Args:
        fun: a function of arrays in pytrees.
        *primals: its arguments.
        has_aux: whether `fun` returns `(out, aux)`.

    Returns:
        `(out, vjp_fun)` or `(out, vjp_fun, aux)`. `vjp_fun(ct)` takes a tree like `out` and
        returns a tuple like `primals`; it may be called many times.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> out, back = fx.vjp(jnp.multiply, 2.0, 3.0)
        >>> back(1.0)
        (Array(3., dtype=float32, weak_type=True), Array(2., dtype=float32, weak_type=True))
    """
    leaves, tree = tree_flatten(primals)
    arrays = _leaf_arrays(leaves, "vjp", tree)
    active = [dtypes.is_inexact(x.dtype) for x in arrays]

    box = _Aux()
    flat = FlatFunction(
        _positional(fun, box if has_aux else None, "vjp"), _args_tree(tree), what="vjp"
    )
    outs, linear, active_out = linearize_flat(flat, arrays, active, origin_of(fun))
    full = tree_unflatten(flat.out_tree, outs)
    out = full[0] if has_aux else full
    out_leaves, out_tree = tree_flatten(out)
    count = len(out_leaves)

    def pullback(cotangent: Any) -> Any:
        leaves_ct, ct_tree = tree_flatten(cotangent)
        if ct_tree != out_tree:
            raise TreeError(
                f"vjp of {name_of(fun)}: the cotangent must have the structure of the result, "
                f"{out_tree}, got {ct_tree}."
            )
        cts = []
        for ct, x, on in zip(leaves_ct, out_leaves, active_out[:count], strict=True):
            if not dtypes.is_inexact(x.dtype):
                continue
            cts_i = _check_cotangent(ct, x, fun)
            if on:
                cts.append(cts_i)
        cts += [None] * (len(linear.outvars) - len(cts))
        linears = [Linear(v.aval) for v in linear.invars]
        results = iter(backward_pass(linear, linears, cts))
        grads = [next(results) if on else None for on in active]
        return tree_unflatten(tree, _cotangents_of(grads, arrays))

    back = Partial(public(pullback))
    return (out, back, box.join(full[1])) if has_aux else (out, back)


def _check_cotangent(ct: Any, x: Array, fun: Any) -> Array:
    ct = to_array(ct)
    if ct.shape != x.shape or (ct.dtype != x.dtype and not ct.weak_type):
        raise ShapeError(
            f"vjp of {name_of(fun)}: expected a cotangent of type {x.aval.strong().short()} for "
            f"the result {x.aval.short()}, got {ct.aval.short()}."
        )
    return ct if ct.dtype == x.dtype else Array(np.asarray(ct, x.dtype))


@public
def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """Value of a function and its derivative there as a linear function of tangents.

    The values that the derivative needs are computed once; calling it many times is cheap.

    Args:
        fun: a function of arrays in pytrees.
        *primals: its arguments.
        has_aux: whether `fun` returns `(out, aux)`.

    Returns:
        `(out, jvp_fun)` or `(out, jvp_fun, aux)`; `jvp_fun(*tangents)` returns a tree like `out`.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> y, derivative = fx.linearize(jnp.sin, 0.0)
        >>> derivative(3.0)
        Array(3., dtype=float32, weak_type=True)
    """
    leaves, tree = tree_flatten(primals)
    arrays = _leaf_arrays(leaves, "linearize", tree)
    active = [dtypes.is_inexact(x.dtype) for x in arrays]

    box = _Aux()
    flat = FlatFunction(
        _positional(fun, box if has_aux else None, "linearize"), _args_tree(tree), what="linearize"
    )
    outs, linear, active_out = linearize_flat(flat, arrays, active, origin_of(fun))
    full = tree_unflatten(flat.out_tree, outs)
    out = full[0] if has_aux else full

    def pushforward(*tangents: Any) -> Any:
        _, checked, _ = _check_tangents(primals, tangents, "linearize")
        results = iter(eval_jaxpr(linear, [t for t in checked if t is not None]))
        full_t = [next(results) if on else None for on in active_out]
        dense = [
            _dense(t, o) if dtypes.is_inexact(o.dtype) else _float0_like(o)
            for t, o in zip(full_t, outs, strict=True)
        ]
        tangent = tree_unflatten(flat.out_tree, dense)
        return tangent[0] if has_aux else tangent

    push_forward = Partial(public(pushforward))
    return (out, push_forward, box.join(full[1])) if has_aux else (out, push_forward)


@public
def linear_transpose(fun: Callable[..., Any], *primals: Any) -> Callable[..., Any]:
    """The transpose of a function that is linear.

    Args:
        fun: a linear function of arrays in pytrees.
        *primals: arrays or `ShapeDtypeStruct`s that say the types of its arguments.

    Returns:
        A function from a tree like the result to a tuple like `primals`.

    Raises:
        MissingRuleError: `fun` is not linear.

    Example:
        >>> import fx
        >>> transpose = fx.linear_transpose(lambda x: 3 * x, fx.ShapeDtypeStruct((), "float32"))
        >>> transpose(2.0)
        (Array(6., dtype=float32),)
    """
    leaves, tree = tree_flatten(primals)
    avals = [aval_of(x) for x in leaves]
    for aval in avals:
        if not dtypes.is_inexact(aval.dtype):
            raise FxTypeError(
                f"linear_transpose expects floating-point or complex arguments, got {aval.short()}."
            )
    flat = FlatFunction(
        _positional(fun, None, "linear_transpose"), _args_tree(tree), what="linear_transpose"
    )
    jaxpr, free = hoist(stage(flat, avals, what="linear_transpose", origin=origin_of(fun)))

    def transposed(cotangent: Any) -> Any:
        cts, ct_tree = tree_flatten(cotangent)
        if ct_tree != flat.out_tree:
            raise TreeError(
                f"linear_transpose of {name_of(fun)}: the argument must have the structure of the "
                f"result, {flat.out_tree}, got {ct_tree}."
            )
        checked = []
        for ct, aval in zip(cts, jaxpr.out_avals, strict=True):
            ct = to_array(ct)
            if not ct.aval.same_type(aval):
                raise ShapeError(
                    f"linear_transpose of {name_of(fun)}: expected {aval.short()}, got "
                    f"{ct.aval.short()}."
                )
            checked.append(ct)
        args = [*free, *(Linear(a) for a in avals)]
        try:
            results = backward_pass(jaxpr, args, checked)[len(free) :]
        except MissingRuleError as error:
            raise MissingRuleError(
                f"linear_transpose of {name_of(fun)}: the function is not linear, or {error}"
            ) from None
        dense = [instantiate(ct, a) for ct, a in zip(results, avals, strict=True)]
        return tree_unflatten(tree, dense)

    return public(transposed)
