"""Minimization under the names of `jax.scipy.optimize`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import fx.numpy as jnp
from fx import lax
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.numpy.promotion import promote_inexact
from fx.transforms.grad import value_and_grad

__all__ = ["OptimizeResults", "minimize"]

_LBFGS = "l-bfgs-experimental-do-not-rely-on-this"
# Armijo's and Wolfe's constants: Nocedal and Wright, "Numerical Optimization", section 3.1.
_DECREASE, _CURVATURE = 1e-4, 0.9


class OptimizeResults(NamedTuple):
    """What `minimize` found.

    Attributes:
        x: the place, of shape (n,).
        success: whether the gradient is as small as was asked for.
        status: 0 for success, 1 for too many iterations, 3 for a line search without a result, 5
            for too many evaluations.
        fun, jac: the value and the gradient there.
        hess_inv: the estimate of the inverse Hessian, or None.
        nfev, njev: how many values and gradients were computed.
        nit: how many iterations were done.
    """

    x: Any
    success: Any
    status: Any
    fun: Any
    jac: Any
    hess_inv: Any
    nfev: Any
    njev: Any
    nit: Any


class _Point(NamedTuple):
    """A place on the line x + a p: step, value, slope and gradient."""

    a: Any
    f: Any
    slope: Any
    grad: Any


def _choose(mask: Any, yes: _Point, no: _Point) -> _Point:
    return _Point(*[jnp.where(mask, y, n) for y, n in zip(yes, no, strict=True)])


def _between(lo: _Point, hi: _Point) -> Any:
    """The minimizer of the cubic through both ends, if it lies well inside; else the middle."""
    d1 = lo.slope + hi.slope - 3 * (lo.f - hi.f) / (lo.a - hi.a)
    square = d1 * d1 - lo.slope * hi.slope
    d2 = jnp.sign(hi.a - lo.a) * jnp.sqrt(jnp.maximum(square, 0))
    a = hi.a - (hi.a - lo.a) * (hi.slope + d2 - d1) / (hi.slope - lo.slope + 2 * d2)
    margin = 0.1 * abs(hi.a - lo.a)
    low, high = jnp.minimum(lo.a, hi.a) + margin, jnp.maximum(lo.a, hi.a) - margin
    good = (square >= 0) & (a >= low) & (a <= high)  # false for NaN
    return jnp.where(good, a, (lo.a + hi.a) / 2)


def _line_search(
    evaluate: Callable[[Any], _Point], start: _Point, maxiter: int
) -> tuple[_Point, Any, Any]:
    """A step that satisfies the strong Wolfe conditions, whether it does, and the evaluations.

    Source: Nocedal and Wright, "Numerical Optimization", algorithms 3.5 and 3.6, as one loop: it
    enlarges the step until a minimum is bracketed, then narrows the bracket.
    """

    def go_on(state: Any) -> Any:
        done, k = state[0], state[1]
        return ~done & (k < maxiter)

    def step(state: Any) -> Any:
        _, k, zooming, a, lo, hi = state
        now = evaluate(a)
        bad = ~(now.f <= start.f + _DECREASE * a * start.slope)  # true for NaN
        bad = bad | ((now.f >= lo.f) & (zooming | (k > 0)))
        wolfe = ~bad & (abs(now.slope) <= -_CURVATURE * start.slope)
        # While zooming, the slope points from the new end to where the minimum is.
        turned = jnp.where(zooming, now.slope * (hi.a - lo.a) >= 0, now.slope >= 0)
        new_hi = _choose(bad, now, _choose(turned, lo, hi))
        new_lo = _choose(bad, lo, now)
        zooms = zooming | bad | turned
        following = jnp.where(zooms, _between(new_lo, new_hi), 2 * a)
        return wolfe, k + 1, zooms, following, new_lo, new_hi

    one = jnp.ones((), start.f.dtype)
    state = (jnp.asarray(False), 0, jnp.asarray(False), one, start, start)
    done, count, _, _, lo, _ = lax.while_loop(go_on, step, state)
    return lo, done | (lo.f < start.f), count


@public
def minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: tuple[Any, ...] = (),
    *,
    method: str,
    tol: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> OptimizeResults:
    """A local minimum of a differentiable function of a vector, by a quasi-Newton method.

    It can be part of a jitted function.

    Args:
        fun: `fun(x, *args)`, from a vector to a number.
        x0: where to start, of shape (n,).
        args: further arguments of `fun`.
        method: "BFGS", or "l-bfgs-experimental-do-not-rely-on-this".
        tol: in place of the option gtol.
        options: for both methods `gtol`, the largest norm of the gradient of a result (1e-5), and
            `maxiter` (200 n). BFGS: `norm`, which one (infinity), `line_search_maxiter` (10).
            L-BFGS: `maxcor`, how many steps it remembers (10), `ftol`, the relative decrease that
            ends it, `maxfun` and `maxgrad`, evaluations, `maxls`, those of a line search (20).

    Returns:
        An `OptimizeResults`.

    Raises:
        FxValueError: there is no such method or option.
        ShapeError: x0 is no vector.
        FxTypeError: args is no tuple.

    Source: Nocedal and Wright, "Numerical Optimization", algorithms 6.1 and 7.4.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> found = fx.scipy.optimize.minimize(
        ...     lambda x: jnp.sum((x - 3) ** 2), jnp.zeros(2), method="BFGS"
        ... )
        >>> bool(found.success), found.x.round(3)
        (True, Array([3., 3.], dtype=float32))
    """
    if not isinstance(args, tuple):
        raise FxTypeError(f"minimize: args must be a tuple, got {type(args).__name__}.")
    (x,) = promote_inexact("minimize", x0)
    if x.ndim != 1:
        raise ShapeError(
            f"minimize expects x0 of shape (n,), got {x.shape}. Use fx.flatten_util.ravel_pytree "
            "for other arguments."
        )
    given = dict(options or {})
    if tol is not None:
        given["gtol"] = tol
    known = {
        "BFGS": {"gtol": 1e-5, "maxiter": None, "norm": jnp.inf, "line_search_maxiter": 10},
        _LBFGS: {
            "gtol": 1e-5,
            "maxiter": None,
            "maxcor": 10,
            "ftol": 2.220446049250313e-09,
            "maxfun": None,
            "maxgrad": None,
            "maxls": 20,
        },
    }
    found = next((m for m in known if m.lower() == str(method).lower()), None)
    if found is None:
        raise FxValueError(
            f"minimize: method must be one of {', '.join(map(repr, known))}, got {method!r}."
        )
    unknown = set(given) - set(known[found])
    if unknown:
        raise FxValueError(
            f"minimize: {found} has no options {sorted(unknown)}; it has {sorted(known[found])}."
        )
    chosen = {**known[found], **given}
    chosen["maxiter"] = 200 * x.size if chosen["maxiter"] is None else chosen["maxiter"]
    both = value_and_grad(lambda x: fun(x, *args))
    return (_bfgs if found == "BFGS" else _lbfgs)(both, x, **chosen)


def _on_line(both: Callable[..., Any], x: Any, p: Any) -> Callable[[Any], _Point]:
    def evaluate(a: Any) -> _Point:
        f, g = both(x + a * p)
        return _Point(a, f, jnp.vdot(g, p), g)

    return evaluate


class _State(NamedTuple):
    x: Any
    f: Any
    g: Any
    memory: Any  # of the method
    k: Any
    calls: Any
    status: Any  # -1: go on


def _status(small: Any, worked: Any, k: Any, maxiter: int) -> Any:
    late = jnp.where(k >= maxiter, 1, -1)
    return jnp.where(small, 0, jnp.where(worked, late, 3)).astype("int32")


def _results(state: _State, hess_inv: Any) -> OptimizeResults:
    status = state.status
    return OptimizeResults(
        x=state.x,
        success=status == 0,
        status=status,
        fun=state.f,
        jac=state.g,
        hess_inv=hess_inv,
        nfev=state.calls,
        njev=state.calls,
        nit=state.k,
    )


def _bfgs(
    both: Callable[..., Any],
    x: Any,
    *,
    gtol: float,
    maxiter: int,
    norm: Any,
    line_search_maxiter: int,
) -> OptimizeResults:
    f, g = both(x)
    identity = jnp.eye(x.size, dtype=x.dtype)

    def small(g: Any) -> Any:
        return jnp.linalg.norm(g, ord=norm) < gtol

    def step(s: _State) -> _State:
        H = s.memory
        p = -(H @ s.g)
        start = _Point(jnp.zeros((), x.dtype), s.f, jnp.vdot(s.g, p), s.g)
        new, worked, calls = _line_search(_on_line(both, s.x, p), start, line_search_maxiter)
        moved, change = new.a * p, new.grad - s.g
        curved = jnp.vdot(moved, change)
        rho = jnp.where(curved > 0, 1 / jnp.where(curved > 0, curved, 1), 0)
        left = identity - rho * jnp.outer(moved, change)
        H = jnp.where(curved > 0, left @ H @ left.T + rho * jnp.outer(moved, moved), H)
        status = _status(small(new.grad), worked, s.k + 1, maxiter)
        return _State(s.x + moved, new.f, new.grad, H, s.k + 1, s.calls + calls, status)

    # The first step is at most 1 long.
    first = identity / jnp.maximum(jnp.linalg.norm(g), 1)
    begin = _State(x, f, g, first, 0, 1, _status(small(g), True, 0, maxiter))
    end = lax.while_loop(lambda s: s.status < 0, step, begin)
    return _results(end, end.memory)


class _Pairs(NamedTuple):
    """The last steps and changes of the gradient, the newest last; unused rows are zero."""

    s: Any
    y: Any
    rho: Any


def _direction(g: Any, m: _Pairs) -> Any:
    """minus the inverse Hessian's estimate times g, by the two loops of algorithm 7.4."""

    def first(q: Any, row: Any) -> Any:
        s, y, rho = row
        alpha = rho * jnp.vdot(s, q)
        return q - alpha * y, alpha

    q, alphas = lax.scan(first, g, m, reverse=True)
    length = jnp.vdot(m.y[-1], m.y[-1])
    scale = jnp.where(length > 0, jnp.vdot(m.s[-1], m.y[-1]) / jnp.where(length > 0, length, 1), 1)

    def second(q: Any, row: Any) -> Any:
        (s, y, rho), alpha = row
        return q + (alpha - rho * jnp.vdot(y, q)) * s, None

    return -lax.scan(second, scale * q, (m, alphas))[0]


def _lbfgs(
    both: Callable[..., Any],
    x: Any,
    *,
    gtol: float,
    maxiter: int,
    maxcor: int,
    ftol: float,
    maxfun: int | None,
    maxgrad: int | None,
    maxls: int,
) -> OptimizeResults:
    f, g = both(x)
    most = min([n for n in (maxfun, maxgrad) if n is not None], default=None)
    rows = jnp.zeros((maxcor, x.size), x.dtype)

    def small(g: Any) -> Any:
        return jnp.max(abs(g), initial=0) < gtol

    def step(s: _State) -> _State:
        p = _direction(s.g, s.memory)
        p = jnp.where(s.k == 0, p / jnp.maximum(jnp.linalg.norm(p), 1), p)
        start = _Point(jnp.zeros((), x.dtype), s.f, jnp.vdot(s.g, p), s.g)
        new, worked, calls = _line_search(_on_line(both, s.x, p), start, maxls)
        moved, change = new.a * p, new.grad - s.g
        curved = jnp.vdot(moved, change)
        rho = 1 / jnp.where(curved > 0, curved, 1)
        added = [
            jnp.concatenate([old[1:], row[None]])
            for old, row in zip(s.memory, (moved, change, rho), strict=True)
        ]
        memory = _Pairs(
            *[jnp.where(curved > 0, a, old) for a, old in zip(added, s.memory, strict=True)]
        )
        largest = jnp.maximum(jnp.maximum(abs(s.f), abs(new.f)), 1)
        flat = worked & ((s.f - new.f) / largest < ftol)
        total = s.calls + calls
        status = _status(small(new.grad) | flat, worked, s.k + 1, maxiter)
        if most is not None:
            status = jnp.where((status < 0) & (total >= most), 5, status)
        return _State(s.x + moved, new.f, new.grad, memory, s.k + 1, total, status)

    none = _Pairs(rows, rows, jnp.zeros(maxcor, x.dtype))
    begin = _State(x, f, g, none, 0, 1, _status(small(g), True, 0, maxiter))
    end = lax.while_loop(lambda s: s.status < 0, step, begin)
    return _results(end, None)
