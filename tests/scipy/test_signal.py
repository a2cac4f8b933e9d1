"""fx.scipy.signal and fx.scipy.fft against SciPy."""

import numpy as np
import pytest

from fx.errors import FxError
from fx.scipy import fft, integrate, signal
from tests.laws import check_derivatives, check_jit, check_vmap

scipy_signal = pytest.importorskip("scipy.signal")
scipy_fft = pytest.importorskip("scipy.fft")

RNG = np.random.default_rng(0)
SHAPES = [
    ((5,), (3,)),
    ((3,), (5,)),
    ((4,), (4,)),
    ((6,), (4,)),
    ((4, 5), (2, 3)),
    ((2, 3), (4, 5)),
    ((4, 4), (3, 3)),
    ((2, 3, 4), (2, 2, 1)),
]


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_convolutions_are_scipys(shapes, mode):
    names = ["convolve", "correlate", "fftconvolve"]
    if len(shapes[0]) == 2:
        names += ["convolve2d", "correlate2d"]
    real = [RNG.normal(size=s) for s in shapes]
    for x, y in (real, [z + 1j * RNG.normal(size=z.shape) for z in real]):
        for name in names:
            expected = getattr(scipy_signal, name)(x, y, mode)
            got = getattr(signal, name)(x, y, mode)
            assert got.shape == expected.shape and got.dtype == expected.dtype, name
            np.testing.assert_allclose(got, expected, atol=1e-12, err_msg=name)
        for name in ("convolve", "correlate"):
            direct, fast = (getattr(signal, name)(x, y, mode, m) for m in ("direct", "fft"))
            np.testing.assert_allclose(direct, fast, atol=1e-12)


def test_fftconvolve_along_axes():
    x, y = RNG.normal(size=(3, 1, 5)), RNG.normal(size=(3, 4, 2))
    expected = scipy_signal.fftconvolve(x, y, axes=(0, 2))
    np.testing.assert_allclose(signal.fftconvolve(x, y, axes=(0, 2)), expected, atol=1e-12)


@pytest.mark.parametrize("norm", [None, "backward", "ortho"])
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_cosine_transforms_are_scipys(n, norm):
    x = RNG.normal(size=(n, 3, 4))
    for name in ("dct", "idct"):
        for axis, size in ((0, None), (0, 3), (-1, 6)):
            got = getattr(fft, name)(x, n=size, axis=axis, norm=norm)
            expected = getattr(scipy_fft, name)(x, n=size, axis=axis, norm=norm)
            np.testing.assert_allclose(got, expected, atol=1e-12)
    for name in ("dctn", "idctn"):
        for s, axes in ((None, None), (None, (0, 2)), ((2, 5), (1, 0)), ((3, 3), None)):
            got = getattr(fft, name)(x, s=s, axes=axes, norm=norm)
            expected = getattr(scipy_fft, name)(x, s=s, axes=axes, norm=norm)
            np.testing.assert_allclose(got, expected, atol=1e-12)
    assert fft.dct(x.astype(np.float32)).dtype == np.float32


def test_laws():
    x, y = RNG.normal(size=5), RNG.normal(size=3)
    for f in (signal.convolve, signal.correlate, signal.fftconvolve):
        check_jit(f, x, y)
        check_vmap(f, x, y)
        check_derivatives(f, x, y)
    for f in (fft.dct, fft.idct):
        check_vmap(f, x)
        check_derivatives(f, x)


def test_trapezoid_is_numpys():
    y = RNG.normal(size=(2, 5))
    np.testing.assert_allclose(integrate.trapezoid(y, dx=0.5), np.trapezoid(y, dx=0.5))


def test_errors():
    x, m = np.ones(3), np.ones((3, 2))
    wrong = [
        ("mode must be", lambda: signal.convolve(x, x, "half")),
        ("method must be", lambda: signal.correlate(x, x, method="slow")),
        ("one rank", lambda: signal.convolve(x, m)),
        ("empty", lambda: signal.convolve(x, x[:0])),
        ("at least as large", lambda: signal.convolve(m, m.T, "valid")),
        ("two matrices", lambda: signal.convolve2d(x, x)),
        ("boundary", lambda: signal.convolve2d(m, m, boundary="wrap")),
        ("type=2", lambda: fft.dct(x, type=1)),
        ("real numbers", lambda: fft.dct(x * 1j)),
        ("norm must be", lambda: fft.idct(x, norm="forward")),
        ("positive", lambda: fft.dct(x, n=0)),
        ("as many sizes", lambda: fft.dctn(m, s=(1,), axes=(0, 1))),
    ]
    for message, call in wrong:
        with pytest.raises(FxError, match=message):
            call()
