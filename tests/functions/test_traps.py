"""Gradients where a function has a corner, a tie, an end of its domain, or an infinity.

Each trap is a real function of a vector with a point and the gradient there. JAX has the same,
except where fx is better on purpose: these say what JAX has, and it is checked that it has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import fx
from tests.functions.spec import jax, scope

INF, NAN = np.inf, np.nan


@dataclass(frozen=True)
class Trap:
    """A function of `x`, a point, the gradient there, and JAX's where it differs."""

    text: str
    at: list[float]
    gradient: list[float]
    jax: list[float] | None = None

    def __str__(self) -> str:
        return f"{self.text} at {self.at}"


ROOT = "jnp.sum(jnp.sqrt(jnp.where(x > 0, x, 1.0)) * (x > 0))"
MATRIX = "x.reshape(2, 2)"
RANK_ONE = [1.0, 2.0, 2.0, 4.0]
EYE = [1.0, 0.0, 0.0, 1.0]
FAR = [1000.0, -1000.0]
TWO = "jnp.array([1.0, 2.0])"

TRAPS = [
    # Norms at zero: the subgradient of least norm.
    *(
        Trap(f"jnp.linalg.{f}", [0.0, 0.0], [0.0, 0.0], jax=[NAN, NAN])
        for f in (
            "norm(x)",
            "norm(x, 2)",
            "norm(x, 3)",
            "norm(x[None], 'fro')",
            "vector_norm(x)",
            "matrix_norm(x[None])",
        )
    ),
    Trap("jnp.linalg.norm(x, 1)", [0.0, 2.0], [0, 1], jax=[1, 1]),
    Trap("jnp.linalg.norm(x, jnp.inf)", [2.0, 2.0, 1.0], [0.5, 0.5, 0]),
    Trap("jnp.linalg.norm(x, -jnp.inf)", [2.0, 1.0, 1.0], [0, 0.5, 0.5]),
    Trap("jnp.hypot(x[0], x[1])", [0.0, 0.0], [0, 0], jax=[0.5, 0.5]),
    Trap("jnp.abs(x[0] + 1j * x[1])", [0.0, 0.0], [0, 0]),
    Trap("jnp.sum(jnp.abs(x))", [0.0, -1.0], [0, -1], jax=[1, -1]),
    Trap("jnp.sum(jnp.fabs(x))", [0.0], [0], jax=[1]),
    Trap("jnp.var(x)", [1.0, 1.0], [0, 0]),
    # Roots and logarithms at the end of their domains, bare and masked.
    Trap("jnp.sum(jnp.sqrt(x))", [0.0], [INF]),
    Trap(ROOT, [-1.0, 0.0, 4.0], [0, 0, 0.25]),
    Trap("jnp.sum(jnp.cbrt(x))", [0.0], [INF]),
    Trap("jnp.sum(lax.rsqrt(x))", [0.0], [-INF]),
    Trap("jnp.sum(jnp.arcsin(x))", [1.0], [INF]),
    Trap("jnp.sum(jnp.arccosh(x))", [1.0], [INF]),
    Trap("jnp.sum(jnp.log1p(x))", [-1.0], [INF]),
    # Powers at zero.
    Trap("jnp.sum(x ** 2)", [0.0, 1.0], [0, 2]),
    Trap("jnp.sum(x ** 2.0)", [0.0, 1.0], [0, 2]),
    Trap("jnp.sum(x ** 1.0)", [0.0, 1.0], [1, 1]),
    Trap("jnp.sum(x ** 0)", [0.0, 1.0], [0, 0]),
    Trap("jnp.sum(x ** 0.0)", [0.0, 1.0], [0, 0], jax=[NAN, 0]),
    Trap("jnp.sum(x ** 1.5)", [0.0], [0]),
    Trap("jnp.sum(x ** 0.5)", [0.0], [INF]),
    Trap("jnp.sum(jnp.power(x, 3.0))", [-2.0, 0.0], [12, 0]),
    Trap("jnp.sum(jnp.power(0.0, x))", [2.0, 0.0], [0, 0]),
    Trap("jnp.sum(jnp.float_power(x, 2.0))", [0.0, 1.0], [0, 2]),
    # Sums of exponentials of infinities.
    Trap("nn.logsumexp(x)", [-INF, 0.0], [0, 1]),
    Trap("nn.logsumexp(x)", [-INF, -INF], [0, 0], jax=[NAN, NAN]),
    Trap("nn.logsumexp(x)", [*FAR], [1, 0]),
    Trap("nn.logsumexp(x, where=jnp.array([False, False]))", [1.0, 0.0], [0, 0]),
    Trap("nn.logsumexp(x, where=jnp.array([False, True]))", [1.0, 0.0], [0, 1]),
    Trap("jnp.sum(jnp.logaddexp(x, 0.0))", [-INF, INF, 1000.0, 0.0], [0, 1, 1, 0.5]),
    Trap("jnp.sum(jnp.logaddexp(x, -jnp.inf))", [-INF, 1.0], [0.5, 1], jax=[NAN, 1]),
    Trap("jnp.sum(jnp.logaddexp2(x, -jnp.inf))", [-INF], [0.5], jax=[NAN]),
    Trap(f"jnp.sum(nn.softmax(x) * {TWO})", [-INF, 0.0], [0, 0]),
    Trap("nn.log_softmax(x)[1]", [-INF, 0.0], [0, 0]),
    Trap("lax.cumlogsumexp(x).sum()", [-INF, 1.0], [1, 1]),
    # Ties.
    Trap("jnp.max(x)", [2.0, 2.0, 1.0], [0.5, 0.5, 0]),
    Trap("jnp.min(x)", [1.0, 2.0, 1.0], [0.5, 0, 0.5]),
    Trap("jnp.ptp(x)", [1.0, 1.0, 1.0], [0, 0, 0]),
    Trap("jnp.nanmax(x)", [2.0, NAN, 2.0], [0.5, 0, 0.5]),
    Trap("jnp.sum(jnp.maximum(x, 1.0))", [1.0, 2.0], [0.5, 1]),
    Trap("jnp.sum(jnp.minimum(x, x))", [1.0, 2.0], [1, 1]),
    Trap("jnp.sum(jnp.fmax(x, 1.0))", [1.0, NAN], [0.5, 0], jax=[0, 0]),
    Trap("jnp.sum(jnp.clip(x, 0.0, 1.0))", [0.0, 1.0, 2.0], [0.5, 0.5, 0]),
    Trap("jnp.dot(jnp.sort(x), jnp.array([1.0, 2.0, 3.0]))", [1.0, 1.0, 0.0], [2, 3, 1]),
    Trap("jnp.dot(jnp.sort(x), jnp.array([1.0, 2.0, 3.0]))", [NAN, 1.0, 0.0], [3, 2, 1]),
    Trap("lax.top_k(x, 2)[0].sum()", [1.0, 1.0, 1.0], [1, 1, 0]),
    Trap("jnp.median(x)", [1.0, 1.0, 2.0, 2.0], [0, 0.5, 0.5, 0]),
    Trap("jnp.quantile(x, 0.25)", [1.0, 1.0, 2.0], [0.5, 0.5, 0]),
    Trap("lax.cummax(x).sum()", [1.0, 1.0, 0.0], [2, 1, 0]),
    Trap("lax.reduce_window(x, -jnp.inf, lax.max, (2,), (1,), 'VALID').sum()",
         [1.0, 1.0, 0.0], [1, 1, 0]),
    # Products with zeros.
    Trap("jnp.prod(x)", [0.0, 2.0, 3.0], [6, 0, 0]),
    Trap("jnp.prod(x)", [0.0, 0.0, 3.0], [0, 0, 0]),
    Trap("jnp.sum(jnp.cumprod(x))", [2.0, 0.0, 3.0], [1, 8, 0]),
    Trap("jnp.nanprod(x)", [NAN, 2.0], [0, 1]),
    # What is left out takes no part.
    Trap("jnp.nansum(x)", [NAN, 1.0], [0, 1]),
    Trap("jnp.nanmean(x)", [NAN, 1.0], [0, 1]),
    Trap("jnp.sum(jnp.nan_to_num(x))", [NAN, INF, 1.0], [0, 0, 1]),
    # Removable singularities.
    Trap("jnp.sum(jnp.sinc(x))", [0.0, 1.0], [0, -1]),
    Trap("jnp.sum(jnp.expm1(x))", [0.0], [1]),
    Trap("jnp.sum(scipy.special.xlogy(x, 2.0))", [0.0], [np.log(2)]),
    Trap("jnp.sum(scipy.special.entr(x))", [0.0, 1.0], [INF, -1]),
    Trap("jnp.sum(scipy.special.rel_entr(x, 0.5 + 0 * x))", [0.0, 1.0], [0, 1.6931472]),
    # Far out.
    *(
        Trap(f"jnp.sum({f})", FAR, [1, 0])
        for f in ("nn.softplus(x)", "nn.silu(x)", "nn.gelu(x)", "nn.mish(x)", "nn.elu(x)",
                  "nn.celu(x)", "nn.relu(x)", "-nn.log_sigmoid(-x)")
    ),
    *(Trap(f"jnp.sum({f})", FAR, [0, 0]) for f in ("nn.sigmoid(x)", "jnp.tanh(x)")),
    Trap("jnp.sum(nn.relu(x))", [0.0], [0]),
    Trap("jnp.sum(scipy.special.log_ndtr(x))", [-40.0], [40.02494]),
    # Matrices: singular, and with equal eigenvalues.
    Trap(f"jnp.linalg.det({MATRIX})", [0.0] * 4, [0, 0, 0, 0]),
    Trap(f"jnp.linalg.det({MATRIX})", RANK_ONE, [4, -2, -2, 1]),
    Trap(f"jnp.linalg.svd({MATRIX}, compute_uv=False).sum()", EYE, EYE),
    Trap(f"jnp.linalg.eigvalsh({MATRIX}).sum()", EYE, EYE),
    Trap(f"jnp.linalg.pinv({MATRIX}).sum()", EYE, [-1, -1, -1, -1]),
]  # fmt: skip


def gradient(trap: Trap, library: Any, names: str) -> np.ndarray:
    f = eval(f"lambda x: {trap.text}", dict(scope(names)))
    point = library.numpy.asarray(np.array(trap.at, np.float32))
    return np.asarray(library.grad(f)(point))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("trap", TRAPS, ids=str)
def test_gradient(trap):
    np.testing.assert_allclose(gradient(trap, fx, "fx"), trap.gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(jax is None, reason="compares with JAX")
@pytest.mark.parametrize("trap", TRAPS, ids=str)
def test_gradient_of_jax(trap):
    expected = trap.gradient if trap.jax is None else trap.jax
    np.testing.assert_allclose(gradient(trap, jax, "jax"), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("trap", [t for t in TRAPS if np.isfinite(t.gradient).all()], ids=str)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_staged_gradient(trap):
    f = eval(f"lambda x: {trap.text}", dict(scope("fx")))
    point = fx.numpy.asarray(np.array(trap.at, np.float32))
    np.testing.assert_allclose(fx.jit(fx.grad(f))(point), trap.gradient, rtol=1e-4, atol=1e-5)


# Second derivatives, summed over rows, where they are finite.
SECOND = [
    Trap("jnp.linalg.norm(x)", [0.0, 0.0], [0, 0]),
    Trap("jnp.sum(x ** 1.0)", [0.0, 1.0], [0, 0]),
    Trap("jnp.sum(x ** 2.0)", [0.0, 1.0], [2, 2]),
    Trap("jnp.sum(jnp.sinc(x))", [0.0], [-(np.pi**2) / 3]),
    Trap("jnp.prod(x)", [0.0, 2.0, 3.0], [5, 3, 2]),
    Trap("nn.logsumexp(x)", [-INF, 0.0], [0, 0]),
    Trap("jnp.sum(jnp.logaddexp(x, 0.0))", [-INF, INF, 0.0], [0, 0, 0.25]),
    Trap("jnp.max(x)", [2.0, 2.0], [0, 0]),
    Trap("jnp.sum(nn.softplus(x))", FAR, [0, 0]),
    Trap(f"jnp.linalg.det({MATRIX})", RANK_ONE, [1, -1, -1, 1]),
    Trap(f"jnp.linalg.det({MATRIX})", [0.0] * 4, [1, -1, -1, 1]),
]


@pytest.mark.parametrize("trap", SECOND, ids=str)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_second_derivative(trap):
    f = eval(f"lambda x: {trap.text}", dict(scope("fx")))
    point = fx.numpy.asarray(np.array(trap.at, np.float32))
    got = fx.grad(lambda x: fx.grad(f)(x).sum())(point)
    np.testing.assert_allclose(got, trap.gradient, rtol=1e-4, atol=1e-4)
