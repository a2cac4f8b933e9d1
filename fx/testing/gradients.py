"""Derivatives against finite differences: check_grads and its two halves, as in jax.test_util."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fx
from fx import dtypes
from fx.core.array import Array, is_arraylike, to_array
from fx.errors import FxTypeError, FxValueError, TreeError
from fx.pytree import keystr, tree_flatten, tree_flatten_with_path, tree_unflatten
from fx.transforms.stage import name_of

_TOLERANCE = {"f64": 1e-5, "f32": 2e-3, "f16": 1e-1, "bf16": 1e-1}


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int,
    modes: str | Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Check the derivatives of a function against central differences, to some order.

    The first derivative is checked along a random direction: in mode "fwd" as `jvp` gives it, in
    mode "rev" as `vjp` does, paired with a random cotangent. The higher orders check the
    derivatives of those derivatives, in all combinations of the modes.

    Args:
        f: a function of arrays in pytrees, smooth around `args`.
        args: its arguments, a tuple. Those that are integers stay as they are.
        order: how many times to differentiate, at least 1.
        modes: "fwd", "rev", or both.
        atol, rtol: tolerances; by default 1e-5 for float64, 2e-3 for float32, 0.1 for the 16-bit
            dtypes (of the argument with the fewest bits).
        eps: the step of the differences; by default the cube root of the machine's epsilon.

    Raises:
        AssertionError: a derivative differs; the message says which, where, and by how much.

    Example:
        >>> import fx, fx.numpy as jnp, fx.testing
        >>> fx.testing.check_grads(jnp.sin, (0.5,), order=2)
    """
    chosen = [modes] if isinstance(modes, str) else list(modes)
    if not chosen or any(m not in ("fwd", "rev") for m in chosen):
        raise FxValueError(f"check_grads: modes must be 'fwd', 'rev' or both, got {modes!r}.")
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        raise FxValueError(f"check_grads: order must be an integer of at least 1, got {order!r}.")
    if not isinstance(args, (tuple, list)):
        raise FxTypeError(
            f"check_grads: args must be a tuple of the arguments, got {type(args).__name__}. "
            "For one argument x write (x,)."
        )
    _check(f, tuple(args), order, chosen, (atol, rtol, eps), name_of(f))


def _check(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    order: int,
    modes: Sequence[str],
    options: tuple[Any, Any, Any],
    what: str,
) -> None:
    for mode in modes:
        name = f"{'jvp' if mode == 'fwd' else 'vjp'} of {what}"
        if mode == "fwd":
            _check_jvp(
                f, lambda primals, tangents: fx.jvp(f, primals, tangents), args, options, name
            )
        else:
            _check_vjp(f, lambda *primals: fx.vjp(f, *primals), args, options, name)
        if order == 1:
            continue
        derivative = _forward(f, args) if mode == "fwd" else _reverse(f, args)
        _check(derivative, args, order - 1, modes, options, name)


def _forward(f: Any, args: tuple[Any, ...]) -> Callable[..., Any]:
    """The derivative of a function along a random direction."""
    tangents = _like(args, seed=3)
    return lambda *xs: _inexact(fx.jvp(f, xs, tangents)[1])


def _reverse(f: Any, args: tuple[Any, ...]) -> Callable[..., Any]:
    """The gradient of a random combination of the results of a function."""
    cotangents = _like(f(*args), seed=4)
    return lambda *xs: _inexact(fx.vjp(f, *xs)[1](cotangents))


def check_jvp(
    f: Callable[..., Any],
    f_jvp: Callable[..., Any],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Check a forward derivative against central differences, along a random direction.

    Args:
        f: a function of arrays in pytrees.
        f_jvp: from (primals, tangents) to (result, tangent of it), as `partial(fx.jvp, f)`.
        args, atol, rtol, eps: as in `check_grads`.

    Raises:
        AssertionError: the result or the tangent differs.

    Example:
        >>> import functools, fx, fx.numpy as jnp, fx.testing
        >>> fx.testing.check_jvp(jnp.exp, functools.partial(fx.jvp, jnp.exp), (0.5,))
    """
    _check_jvp(f, f_jvp, tuple(args), (atol, rtol, eps), f"jvp of {name_of(f)}")


def check_vjp(
    f: Callable[..., Any],
    f_vjp: Callable[..., Any],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Check a reverse derivative against central differences, with random (co)tangents.

    Args:
        f: a function of arrays in pytrees.
        f_vjp: from arguments to (result, function of cotangents), as `partial(fx.vjp, f)`.
        args, atol, rtol, eps: as in `check_grads`.

    Raises:
        AssertionError: the result differs, or <u, Jv> is not <J^T u, v>.

    Example:
        >>> import functools, fx, fx.numpy as jnp, fx.testing
        >>> fx.testing.check_vjp(jnp.exp, functools.partial(fx.vjp, jnp.exp), (0.5,))
    """
    _check_vjp(f, f_vjp, tuple(args), (atol, rtol, eps), f"vjp of {name_of(f)}")


def _check_jvp(
    f: Any, f_jvp: Any, args: tuple[Any, ...], options: tuple[Any, Any, Any], what: str
) -> None:
    atol, rtol, eps = _options(args, options)
    tangents = _like(args, seed=1)
    out, tangent = f_jvp(args, tangents)
    _compare(out, f(*args), f"{what}: the value", ("jvp", "the function"), atol, rtol)
    numeric = _differences(f, args, tangents, eps)
    names = ("jvp", f"differences with eps={eps:.2g}")
    _compare(tangent, numeric, f"{what}: the tangent", names, atol, rtol)


def _check_vjp(
    f: Any, f_vjp: Any, args: tuple[Any, ...], options: tuple[Any, Any, Any], what: str
) -> None:
    atol, rtol, eps = _options(args, options)
    out, back = f_vjp(*args)
    _compare(out, f(*args), f"{what}: the value", ("vjp", "the function"), atol, rtol)
    tangents, cotangents = _like(args, seed=1), _like(out, seed=2)
    numeric = _differences(f, args, tangents, eps)
    gradients = back(cotangents)
    left, right = _pair(cotangents, numeric), _pair(gradients, tangents)
    scale = 1 + _pair(_absolute(gradients), _absolute(tangents))
    if not abs(left - right) <= atol * scale + rtol * abs(left):
        parts = "; ".join(
            f"gradient{keystr(path)} = {np.array2string(np.asarray(g), threshold=8)}"
            for path, g in tree_flatten_with_path(gradients)[0]
            if dtypes.is_inexact(g.dtype)
        )
        raise AssertionError(
            f"{what}: <u, Jv> by differences with eps={eps:.2g} is {left:.9g}, but <J^T u, v> by "
            f"vjp is {right:.9g}, for random u and v (atol={atol:g}, rtol={rtol:g}). {parts}"
        )


# ------------------------------------------------------------------ helpers
def _options(args: Any, options: tuple[Any, Any, Any]) -> tuple[float, float, float]:
    """The tolerances and the step, by the argument with the fewest bits."""
    atol, rtol, eps = options
    found = [x.dtype for x in map(_array, tree_flatten(args)[0]) if dtypes.is_inexact(x.dtype)]
    if not found:
        raise FxTypeError(
            "check_grads expects at least one floating-point or complex argument, got none. "
            "Convert one with x.astype('float64')."
        )
    coarse = max(map(dtypes.real_dtype, found), key=lambda d: float(dtypes.finfo(d).eps))
    default = _TOLERANCE[dtypes.short_name(coarse)]
    return (
        default if atol is None else atol,
        default if rtol is None else rtol,
        float(dtypes.finfo(coarse).eps) ** (1 / 3) if eps is None else eps,
    )


def _array(x: Any) -> Array:
    if not is_arraylike(x):
        raise FxTypeError(
            f"check_grads expects arrays and numbers, got {type(x).__name__}. Close over other "
            "values with functools.partial."
        )
    return to_array(x)


def _like(tree: Any, seed: int) -> Any:
    """Normal numbers of the types of a tree's arrays; float0 zeros for those without tangents."""
    rng = np.random.default_rng(seed)
    leaves, structure = tree_flatten(tree)

    def one(x: Array) -> Any:
        values = np.asarray(rng.normal(size=x.shape))
        if not dtypes.is_inexact(x.dtype):
            return np.zeros(x.shape, dtypes.float0)
        if x.dtype.kind == "c":
            values = values + 1j * rng.normal(size=x.shape)
        return Array(np.asarray(values).astype(x.dtype))

    return tree_unflatten(structure, [one(_array(x)) for x in leaves])


def _wide(x: Any) -> np.ndarray:
    """An array in 64 bits a number, for comparison."""
    data = np.asarray(x)
    return data.astype(np.complex128 if data.dtype.kind == "c" else np.float64)


def _moved(args: Any, tangents: Any, step: float) -> Any:
    leaves, structure = tree_flatten(args)

    def one(x: Array, t: Any) -> Any:
        if not dtypes.is_inexact(x.dtype):
            return x
        return Array(np.asarray((_wide(x) + step * _wide(t)).astype(x.dtype)))

    pairs = zip(leaves, tree_flatten(tangents)[0], strict=True)
    return tree_unflatten(structure, [one(_array(x), t) for x, t in pairs])


def _differences(f: Any, args: Any, tangents: Any, eps: float) -> Any:
    """The central difference of a function along a direction, in 64 bits; float0 for integers."""
    ahead, structure = tree_flatten(f(*_moved(args, tangents, eps)))
    behind, _ = tree_flatten(f(*_moved(args, tangents, -eps)))
    slopes = [
        (_wide(a) - _wide(b)) / (2 * eps)
        if dtypes.is_inexact(_array(a).dtype)
        else np.zeros(np.shape(a), dtypes.float0)
        for a, b in zip(ahead, behind, strict=True)
    ]
    return tree_unflatten(structure, slopes)


def _inexact(tree: Any) -> list[Any]:
    """The floating-point and complex leaves."""
    return [x for x in tree_flatten(tree)[0] if dtypes.is_inexact(np.asarray(x).dtype)]


def _absolute(tree: Any) -> Any:
    return [np.abs(_wide(x)) for x in _inexact(tree)]


def _pair(a: Any, b: Any) -> float:
    """<a, b>; its real part decides, as random directions include the imaginary ones."""
    pairs = zip(_inexact(a), _inexact(b), strict=True)
    return float(sum(np.real(np.sum(_wide(x) * _wide(y))) for x, y in pairs))


def _compare(a: Any, b: Any, what: str, names: tuple[str, str], atol: float, rtol: float) -> None:
    """Raise where two trees of numbers differ, with the path of the first that does."""
    left, structure = tree_flatten_with_path(a)
    right, other = tree_flatten(b)
    if structure != other:
        raise TreeError(f"{what} has structure {structure} by {names[0]}, {other} by {names[1]}.")
    for (path, x), y in zip(left, right, strict=True):
        if np.shape(x) != np.shape(y):
            raise AssertionError(
                f"{what}{keystr(path)} has shape {np.shape(x)} by {names[0]}, {np.shape(y)} by "
                f"{names[1]}."
            )
        if np.asarray(x).dtype == dtypes.float0:
            continue
        p, q = _wide(x), _wide(y)
        close = np.isclose(p, q, rtol=rtol, atol=atol, equal_nan=True)
        if not close.all():
            where = tuple(int(i) for i in np.argwhere(~close)[0])
            raise AssertionError(
                f"{what}{keystr(path)} differs in {int((~close).sum())} of {close.size} elements, "
                f"first at {where}: {p[where]:.9g} by {names[0]}, {q[where]:.9g} by {names[1]} "
                f"(atol={atol:g}, rtol={rtol:g})."
            )
