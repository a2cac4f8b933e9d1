"""Jacobians and Hessians: forward or reverse mode mapped over a basis."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.primitive import P
from fx.errors import FxTypeError, checked, public
from fx.pytree import tree_flatten, tree_map, tree_unflatten
from fx.transforms.grad import jvp, vjp, with_weakness
from fx.transforms.mapping import vmap
from fx.transforms.stage import name_of


def _basis(leaves: Sequence[Array]) -> list[Array]:
    """For each leaf the directions of all elements of all leaves, along a new leading axis."""
    total = sum(x.size for x in leaves)
    out, start = [], 0
    for x in leaves:
        rows = np.zeros((total, x.size), x.dtype)
        rows[start : start + x.size] = np.eye(x.size, dtype=x.dtype)
        out.append(Array(rows.reshape(total, *x.shape)))
        start += x.size
    return out


def _split(stacked: Any, leaves: Sequence[Array], axis: int) -> list[Any]:
    """Cut the basis axis of a Jacobian into the shapes of the leaves."""
    pieces, start = [], 0
    for x in leaves:
        begin, end = [0] * stacked.ndim, list(stacked.shape)
        begin[axis], end[axis] = start, start + x.size
        piece = P.slice(stacked, start_indices=tuple(begin), limit_indices=tuple(end), strides=None)
        shape = (*stacked.shape[:axis], *x.shape, *stacked.shape[axis + 1 :])
        pieces.append(P.reshape(piece, new_sizes=shape))
        start += x.size
    return pieces


def _check(leaves: Sequence[Any], what: str, role: str, holomorphic: bool, real: bool) -> None:
    for x in leaves:
        if holomorphic:
            if x.dtype.kind != "c":
                raise FxTypeError(
                    f"{what} with holomorphic=True expects complex {role}, got {x.aval.short()}."
                )
        elif not dtypes.is_inexact(x.dtype) or (real and x.dtype.kind == "c"):
            wanted = "real floating-point" if real else "floating-point"
            raise FxTypeError(
                f"{what} expects {wanted} {role}, got {x.aval.short()}. Convert with "
                "x.astype('float32'), or pass holomorphic=True for a holomorphic function."
            )


def _selected(
    fun: Callable[..., Any], argnums: int | Sequence[int], args: Any, kwargs: Any, what: str
) -> tuple[Callable[[Any], Any], Any]:
    """The function of the selected arguments alone (one value, or a tuple)."""
    single = isinstance(argnums, int)
    wanted = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for i in wanted:
        if not isinstance(i, int) or not -len(args) <= i < len(args):
            raise FxTypeError(
                f"{what} of {name_of(fun)}: argnums has {i!r}, but the call has {len(args)} "
                "positional arguments."
            )
    positions = [i % len(args) for i in wanted]

    def partial(value: Any) -> Any:
        full = list(args)
        for i, x in zip(positions, (value,) if single else value, strict=True):
            full[i] = x
        return fun(*full, **kwargs)

    values = tuple(args[i] for i in positions)
    return partial, values[0] if single else values


@checked
def jacfwd(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The Jacobian of a function, one column at a time in forward mode: for tall Jacobians.

    Args:
        fun: a function of arrays in pytrees.
        argnums: the positional arguments to differentiate with respect to.
        has_aux: whether `fun` returns `(out, aux)`.
        holomorphic: whether `fun` is a holomorphic complex function.

    Returns:
        A function that returns a tree like the result of `fun` whose leaves are trees like the
        arguments, of arrays of shape `out.shape + arg.shape`; with `has_aux` a pair with aux.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.jacfwd(lambda x: x**2)(jnp.asarray([1.0, 2.0]))
        Array([[2., 0.],
               [0., 4.]], dtype=float32)
    """

    @public
    @functools.wraps(fun)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        partial, value = _selected(fun, argnums, args, kwargs, "jacfwd")
        leaves, tree = tree_flatten(value)
        arrays = [to_array(x, "jacfwd") for x in leaves]
        _check(arrays, "jacfwd", "arguments", holomorphic, real=True)
        aux: list[Any] = []

        def push(*direction: Any) -> Any:
            result = jvp(partial, (value,), (tree_unflatten(tree, direction),), has_aux)
            aux[:] = result[2:]
            return result[1]

        if arrays:
            columns = vmap(push, out_axes=-1)(*_basis(arrays))
        else:
            result = partial(value)
            if has_aux:
                result, aux = result[0], [result[1]]
            columns = tree_map(lambda y: to_array(y, "jacfwd"), result)

        def cut(y: Any) -> Any:
            pieces = zip(_split(y, arrays, y.ndim - 1), arrays, strict=True)
            return tree_unflatten(tree, [with_weakness(p, x.weak_type) for p, x in pieces])

        jac = tree_map(cut, columns)
        return (jac, aux[0]) if has_aux else jac

    return jacobian


@checked
def jacrev(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    allow_int: bool = False,
) -> Callable[..., Any]:
    """The Jacobian of a function, one row at a time in reverse mode: for wide Jacobians.

    Args:
        fun, argnums, has_aux, holomorphic: as in `jacfwd`.
        allow_int: permit integer arguments.

    Returns:
        as `jacfwd`.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.jacrev(lambda x: jnp.stack([x.sum(), x.prod()]))(jnp.asarray([2.0, 3.0]))
        Array([[1., 1.],
               [3., 2.]], dtype=float32)
    """

    @public
    @functools.wraps(fun)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        partial, value = _selected(fun, argnums, args, kwargs, "jacrev")
        leaves, in_tree = tree_flatten(value)
        arrays = [to_array(x, "jacrev") for x in leaves]
        if not allow_int:
            _check(arrays, "jacrev", "arguments", holomorphic, False)
        out, pullback, *aux = vjp(partial, value, has_aux=has_aux)
        outs, out_tree = tree_flatten(out)
        _check(outs, "jacrev", "results", holomorphic, real=True)

        def pull(*direction: Any) -> Any:
            return pullback(tree_unflatten(out_tree, direction))[0]

        rows = vmap(pull)(*_basis(outs))
        columns = [
            [with_weakness(piece, x.weak_type) for piece in _split(r, outs, 0)]
            if dtypes.is_inexact(x.dtype)
            else [np.zeros((*out.shape, *x.shape), dtypes.float0) for out in outs]
            for r, x in zip(tree_flatten(rows)[0], arrays, strict=True)
        ]
        # columns[argument][result] -> a tree of results whose leaves are trees of arguments
        jac = tree_unflatten(
            out_tree,
            [tree_unflatten(in_tree, [column[i] for column in columns]) for i in range(len(outs))],
        )
        return (jac, aux[0]) if has_aux else jac

    return jacobian


jacobian = jacrev


@checked
def hessian(
    fun: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """The matrix of second derivatives: forward mode over reverse mode.

    Args:
        fun, argnums, has_aux, holomorphic: as in `jacfwd`; usually `fun` returns a scalar.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.hessian(lambda x: x[0] ** 2 * x[1])(jnp.asarray([1.0, 2.0]))
        Array([[4., 2.],
               [2., 0.]], dtype=float32)
    """
    inner = jacrev(fun, argnums, has_aux=has_aux, holomorphic=holomorphic)
    return jacfwd(inner, argnums, has_aux=has_aux, holomorphic=holomorphic)
