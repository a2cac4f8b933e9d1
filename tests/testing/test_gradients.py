"""check_grads: it passes on true derivatives of any kind, and says where wrong ones differ."""

from __future__ import annotations

import functools
import sys

import numpy as np
import pytest

import fx
import fx.numpy as jnp
import fx.testing
from fx.errors import FxTypeError, FxValueError
from fx.test_util import check_grads, check_jvp, check_vjp

X = jnp.asarray([0.5, 1.5], dtype="float64")
Z = jnp.asarray([1 + 2j, 0.5 - 1j], dtype="complex128")


def tree(a, b):
    return {"y": jnp.sin(a["x"]) * b[0], "n": jnp.argmax(a["x"])}


RIGHT = {
    "float64": (jnp.tanh, (X,)),
    "float32": (jnp.tanh, (jnp.asarray([0.3, -1.0]),)),
    "bfloat16": (jnp.tanh, (jnp.asarray([0.3, -1.0], dtype="bfloat16"),)),
    "number": (lambda x: x**3, (2.0,)),
    "tree": (tree, ({"x": X}, (jnp.float64(2.0), jnp.int32(3)))),
    "holomorphic": (jnp.exp, (Z,)),
    "complex": (lambda z: jnp.abs(z) * jnp.conj(z), (Z,)),
    "complex to real": (lambda z: jnp.sum(jnp.abs(z)), (Z,)),
    "jit": (fx.jit(lambda x: jnp.sum(jnp.exp(x) * x)), (X,)),
    "scan": (lambda x: fx.lax.scan(lambda c, y: (c * y, c), x[0], x), (X,)),
}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("modes", ["fwd", "rev", ("fwd", "rev")])
def test_right_derivatives_pass(name: str, modes) -> None:
    f, args = RIGHT[name]
    check_grads(f, args, 1 if name == "bfloat16" else 3, modes)


def wrong(factor: float, only_second: bool = False):
    """x^2 with a derivative that is not 2 x, or whose own derivative is wrong."""

    @fx.custom_jvp
    def square(x):
        return x**2

    @square.defjvp
    def _(primals, tangents):
        (x,), (t,) = primals, tangents
        slope = 2 * fx.lax.stop_gradient(x) if only_second else factor * x
        return square(x), slope * t

    return square


@pytest.mark.parametrize(
    ("modes", "match"),
    [
        ("fwd", r"jvp of .*: the tangent\['q'\] differs in 2 of 2 elements, first at \(0,\)"),
        ("rev", r"vjp of .*: <u, Jv> by differences .*, but <J\^T u, v> by vjp .*gradient\[0\]"),
    ],
)
def test_wrong_derivatives_are_located(modes: str, match: str) -> None:
    with pytest.raises(AssertionError, match=match):
        check_grads(lambda x: {"q": wrong(3)(x)}, (X,), 1, modes)


def test_errors_near_the_tolerance_are_seen() -> None:
    check_grads(wrong(2 * (1 + 1e-7)), (X,), 1)
    with pytest.raises(AssertionError):
        check_grads(wrong(2 * (1 + 1e-4)), (X,), 1)
    check_grads(wrong(2 * (1 + 1e-4)), (X,), 1, rtol=1e-3)


def test_wrong_second_derivatives_need_the_second_order() -> None:
    f = wrong(2, only_second=True)
    check_grads(f, (X,), 1)
    for modes in ("fwd", "rev"):
        with pytest.raises(AssertionError, match=f"{'jvp' if modes == 'fwd' else 'vjp'} of"):
            check_grads(f, (X,), 2, modes)


def test_the_two_halves() -> None:
    check_jvp(jnp.sin, functools.partial(fx.jvp, jnp.sin), (X,))
    check_vjp(jnp.sin, functools.partial(fx.vjp, jnp.sin), (X,))
    with pytest.raises(AssertionError, match="the tangent"):
        check_jvp(
            jnp.sin, functools.partial(fx.jvp, wrong(2)), (X,), atol=1, rtol=10, eps=1e-5
        ) or (check_jvp(wrong(2), functools.partial(fx.jvp, wrong(3)), (X,)))
    with pytest.raises(AssertionError, match="the value"):
        check_vjp(jnp.cos, functools.partial(fx.vjp, jnp.sin), (X,))
    with pytest.raises(AssertionError, match="the value"):
        check_jvp(jnp.cos, functools.partial(fx.jvp, jnp.sin), (X,))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: check_grads(jnp.sin, X, 1), FxTypeError, r"write \(x,\)"),
        (lambda: check_grads(jnp.sin, (X,), 0), FxValueError, "at least 1"),
        (lambda: check_grads(jnp.sin, (X,), 1, "both"), FxValueError, "'fwd', 'rev' or both"),
        (lambda: check_grads(jnp.sin, (X,), 1, ()), FxValueError, "'fwd', 'rev' or both"),
        (lambda: check_grads(jnp.abs, (jnp.int32(1),), 1), FxTypeError, "at least one floating"),
        (lambda: check_grads(jnp.abs, ("x",), 1), FxTypeError, "got str"),
    ],
)
def test_wrong_arguments(call, error, match: str) -> None:
    with pytest.raises(error, match=match):
        call()


def test_without_hypothesis_the_message_says_how_to_install_it(monkeypatch) -> None:
    for name in [m for m in sys.modules if m.partition(".")[0] == "hypothesis"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    for name in ("program", "blocks", "control", "operations"):
        monkeypatch.delitem(sys.modules, f"fx.testing.{name}", raising=False)
    with pytest.raises(ImportError, match="pip install hypothesis"):
        fx.testing.programs()
    with pytest.raises(AttributeError, match="has no attribute"):
        fx.testing.nothing
    assert np.isfinite(float(fx.grad(jnp.sin)(0.5)))
