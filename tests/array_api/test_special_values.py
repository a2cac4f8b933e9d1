"""The standard's special cases where NumPy, or C, gives something else, eagerly and compiled."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp

inf, nan = np.inf, np.nan

# name, the arguments, the result. Source: "Special cases" of each function in
# https://data-apis.org/array-api/2024.12/API_specification/elementwise_functions.html
REAL = [
    ("sign", -0.0, 0.0),
    ("sign", 0.0, 0.0),
    ("sign", nan, nan),
    ("sign", -inf, -1.0),
    # The sign of a zero quotient is that of the exact quotient.
    ("floor_divide", 0.0, 2.0, 0.0),
    ("floor_divide", -0.0, 2.0, -0.0),
    ("floor_divide", 0.0, -2.0, -0.0),
    ("floor_divide", -0.0, -2.0, 0.0),
    ("floor_divide", 1.0, 2.0, 0.0),
    ("floor_divide", -1.0, -2.0, 0.0),
    ("floor_divide", 1.0, -2.0, -1.0),
    # Infinities stay, where NumPy has NaN; a finite number over an infinity is zero.
    ("floor_divide", inf, 2.0, inf),
    ("floor_divide", -inf, 2.0, -inf),
    ("floor_divide", inf, -2.0, -inf),
    ("floor_divide", -inf, -2.0, inf),
    ("floor_divide", 2.0, inf, 0.0),
    ("floor_divide", 2.0, -inf, -0.0),
    ("floor_divide", -2.0, inf, -0.0),
    ("floor_divide", -2.0, -inf, 0.0),
    ("floor_divide", 2.0, 0.0, inf),
    ("floor_divide", 2.0, -0.0, -inf),
    ("floor_divide", -2.0, 0.0, -inf),
    ("floor_divide", 0.0, -0.0, nan),
    ("floor_divide", inf, -inf, nan),
    # A remainder has the sign of the divisor, zeros as well.
    ("remainder", 0.0, 2.0, 0.0),
    ("remainder", -0.0, 2.0, 0.0),
    ("remainder", 0.0, -2.0, -0.0),
    ("remainder", 4.0, -2.0, -0.0),
    ("remainder", -4.0, 2.0, 0.0),
    ("remainder", 3.0, -2.0, -1.0),
    ("remainder", 2.0, inf, 2.0),
    ("remainder", -2.0, inf, inf),
    ("remainder", 2.0, -inf, -inf),
    ("remainder", -2.0, -inf, -2.0),
    ("remainder", inf, 2.0, nan),
    ("remainder", 2.0, 0.0, nan),
    # What an infinity decides alone, also beside NaN.
    ("hypot", inf, nan, inf),
    ("hypot", nan, -inf, inf),
    ("hypot", inf, -inf, inf),
    ("hypot", nan, 0.0, nan),
    ("hypot", 0.0, -0.0, 0.0),
    ("logaddexp", inf, nan, nan),
    ("pow", 1.0, nan, 1.0),
    ("pow", nan, 0.0, 1.0),
    ("pow", -inf, -3.0, -0.0),
    ("atan2", -0.0, -0.0, -np.pi),
    ("copysign", nan, -1.0, nan),
]
COMPLEX = [
    ("expm1", complex(-0.0, 0.0), complex(0.0, 0.0)),
    ("expm1", complex(inf, 0.0), complex(inf, 0.0)),
    ("expm1", complex(-inf, inf), complex(-1.0, 0.0)),
    ("expm1", complex(-inf, nan), complex(-1.0, 0.0)),
    ("expm1", complex(inf, inf), complex(inf, nan)),
    ("expm1", complex(inf, nan), complex(inf, nan)),
    ("expm1", complex(nan, 0.0), complex(nan, 0.0)),
    ("expm1", complex(nan, 1.0), complex(nan, nan)),
    ("expm1", complex(1.0, inf), complex(nan, nan)),
    ("tanh", complex(inf, 2.0), complex(1.0, 0.0)),
    ("tanh", complex(inf, 0.5), complex(1.0, 0.0)),
    ("tanh", complex(inf, inf), complex(1.0, 0.0)),
    ("tanh", complex(nan, 0.0), complex(nan, 0.0)),
    ("tanh", complex(0.0, inf), complex(0.0, nan)),
    ("log2", complex(0.0, 0.0), complex(-inf, 0.0)),
    ("log10", complex(0.0, 0.0), complex(-inf, 0.0)),
    ("log10", complex(inf, 1.0), complex(inf, 0.0)),
    ("log", complex(-inf, inf), complex(inf, 3 * np.pi / 4)),
    ("exp", complex(-inf, inf), complex(0.0, 0.0)),
    ("sqrt", complex(1.0, inf), complex(inf, inf)),
    ("sign", complex(0.0, 0.0), complex(0.0, 0.0)),
]


def _same(got, expected):
    """Equal parts: NaN for NaN, and zeros of one sign (a NaN beside one leaves that open)."""
    parts = [(np.real(got), np.real(expected)), (np.imag(got), np.imag(expected))]
    return all(
        np.isnan(a) if np.isnan(b) else np.isclose(a, b) and np.signbit(a) == np.signbit(b)
        for a, b in parts
    )


def _check(name, args, expected, dtypes):
    f = getattr(jnp, name)
    for dtype in dtypes:
        arrays = [jnp.full(5, x, dtype) for x in args]
        outs = {"eager": f(*arrays), "interpreted": fx.jit(f)(*arrays)}
        with fx.config.scope(cpu_backend="llvm"):
            outs["compiled"] = fx.jit(f)(*arrays)
        for how, out in outs.items():
            assert out.dtype == dtype
            for value in np.asarray(out):
                assert _same(value, expected), f"{name}{args} is {value}, not {expected} ({how})"


@pytest.mark.parametrize(("name", "args", "expected"), [(r[0], r[1:-1], r[-1]) for r in REAL])
def test_real(name, args, expected):
    _check(name, args, expected, ["float32", "float64"])


@pytest.mark.parametrize(("name", "arg", "expected"), COMPLEX)
def test_complex(name, arg, expected):
    _check(name, (arg,), expected, ["complex64", "complex128"])


@pytest.mark.parametrize("name", sorted({row[0] for row in COMPLEX} - {"sign"}))
def test_conjugates(name):
    """f(conj z) = conj f(z), so the table needs one half of the plane only."""
    f = getattr(jnp, name)
    for arg in [row[1] for row in COMPLEX] + [complex(0.5, 2), complex(-3, 0.25)]:
        if not np.isnan(arg):
            z = jnp.asarray(arg, "complex128")
            out, expected = complex(f(z.conj())), complex(f(z).conj())
            assert np.isnan(out.imag) or _same(out, expected), (arg, out, expected)


def test_derivatives_at_a_zero_remainder():
    x, y = jnp.array([0.0, 3.0, -3.0, 6.5, -1.0]), jnp.full(5, 2.0)
    by_x, by_y = fx.grad(lambda x, y: (x % y).sum(), (0, 1))(x, y)
    np.testing.assert_array_equal(by_x, np.ones(5))
    np.testing.assert_array_equal(by_y, -np.floor(np.asarray(x) / 2))
    np.testing.assert_array_equal(fx.grad(lambda x: (x // y).sum())(x), np.zeros(5))
