"""fx.numpy.fft against NumPy and JAX."""

from __future__ import annotations

import numpy as np
import pytest

import fx.numpy as jnp
from fx.errors import FxTypeError, FxValueError
from tests.numpy.harness import case, check, rand

X, Y = rand(5), rand(3, 4, 6)
Z = rand(3, 4, 5, dtype=np.complex64)
N = rand(4, 6, dtype=np.int32)


def of(name, *args, **options):
    return lambda m, *xs: getattr(m.fft, name)(*xs, *args, **options)


def real(name, *args, **options):
    """A complex result as two real ones, whose gradients can be compared."""

    def program(m, *xs):
        out = getattr(m.fft, name)(*xs, *args, **options)
        return out.real, out.imag

    return program


ONE = [{}, {"n": 3}, {"n": 8}, {"norm": "ortho"}, {"norm": "forward", "n": 7}, {"norm": "backward"}]
MANY = [
    {},
    {"axes": (1,)},
    {"axes": (2, 0)},
    {"axes": ()},
    {"s": (2, 7), "axes": (0, 2)},
    {"axes": (0, 1), "norm": "ortho"},
    {"s": (3, 4, 5), "axes": (0, 1, 2), "norm": "forward"},
]
CASES = [
    *(case(f"{n} {o}", real(n, **o), X) for n in ("fft", "ifft", "rfft", "ihfft") for o in ONE),
    *(case(f"{n} {o}", of(n, **o), X) for n in ("irfft", "hfft") for o in ONE),
    *(case(f"{n} {o} of complex", of(n, **o), Z, off="grad")
      for n in ("fft", "ifft", "irfft", "hfft") for o in (ONE[0], ONE[4])),
    *(case(f"{n} axis {axis}", real(n, axis=axis), Y) for n in ("fft", "rfft") for axis in (0, 1)),
    case("irfft axis", of("irfft", axis=0), Y),
    *(case(f"{n} {o}", real(n, **o), Y) for n in ("fftn", "ifftn") for o in MANY),
    *(case(f"{n} {o}", of(n, **o), Z, off="grad") for n in ("fftn", "irfftn") for o in MANY
      if n == "fftn" or o.get("axes") != ()),
    *(case(f"rfftn {o}", real("rfftn", **o), Y) for o in MANY if o.get("axes") != ()),
    *(case(n, real(n), Y) for n in ("fft2", "ifft2", "rfft2")),
    case("fft2 of sizes", real("fft2", (3, 3)), Y),
    case("irfft2", of("irfft2"), Y),
    *(case(f"{n} of ints", of(n), N, off="grad") for n in ("fft", "rfft", "rfftn", "irfft")),
    *(case(f"{n} of doubles", of(n), Y.astype(np.float64), off="grad jax")
      for n in ("fft", "rfft", "irfft")),
    *(case(f"{n} {k} {d}", lambda m, n=n, k=k, d=d: getattr(m.fft, n)(k, d), off="weak")
      for n in ("fftfreq", "rfftfreq") for k, d in [(1, 1.0), (5, 1.0), (8, 0.25)]),
    *(case(f"{n} {axes}", of(n, axes), Y) for n in ("fftshift", "ifftshift")
      for axes in (None, 0, (1, 2), (-1,))),
]  # fmt: skip


@pytest.mark.parametrize("c", CASES, ids=str)
def test_function(c):
    check(c)


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
def test_empty_arrays(shape):
    x = jnp.zeros(shape)
    assert jnp.fft.fft(x).shape == jnp.fft.ifft(x).shape == shape
    assert jnp.fft.rfft(x).shape == (*shape[:-1], shape[-1] // 2 + 1 if shape[-1] else 0)
    assert jnp.fft.irfft(x).shape == (*shape[:-1], 4 if shape[-1] else 0)


def test_transforms_are_inverse_and_orthonormal():
    x = rand(4, 6).astype(np.float64)
    np.testing.assert_allclose(jnp.fft.irfft2(jnp.fft.rfft2(x)), x, atol=1e-12)
    np.testing.assert_allclose(jnp.fft.ifftn(jnp.fft.fftn(x)), x, atol=1e-12)
    np.testing.assert_allclose(jnp.fft.hfft(jnp.fft.ihfft(x)), x, atol=1e-12)
    spectrum = jnp.fft.fftn(x, norm="ortho")
    np.testing.assert_allclose(jnp.linalg.norm(spectrum), np.linalg.norm(x))


def test_half_precision_gives_complex64():
    for dtype in ("float16", "bfloat16"):
        x = jnp.ones(4, dtype)
        assert jnp.fft.fft(x).dtype == jnp.fft.rfft(x).dtype == jnp.complex64
        assert jnp.fft.irfft(x).dtype == jnp.float32


def test_errors():
    wrong = [
        (FxTypeError, "real numbers", lambda: jnp.fft.rfft(Z)),
        (FxTypeError, "real numbers", lambda: jnp.fft.ihfft(Z)),
        (FxValueError, "norm must be", lambda: jnp.fft.fft(X, norm="unitary")),
        (FxValueError, "norm must be", lambda: jnp.fft.hfft(X, norm="unitary")),
        (FxValueError, "axis 3", lambda: jnp.fft.fft(X, axis=3)),
        (FxValueError, "distinct", lambda: jnp.fft.fftn(Y, axes=(0, 0))),
        (FxValueError, "as many sizes", lambda: jnp.fft.fftn(Y, s=(1,), axes=(0, 1))),
        (FxValueError, "2 sizes", lambda: jnp.fft.fftn(X, s=(1, 2))),
        (FxValueError, "not negative", lambda: jnp.fft.fft(X, n=-3)),
        (FxValueError, "positive", lambda: jnp.fft.fftfreq(0)),
    ]
    for kind, message, call in wrong:
        with pytest.raises(kind, match=message):
            call()
