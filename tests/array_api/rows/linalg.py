"""Linear algebra, in the main namespace and the extension, and Fourier transforms."""

import numpy as np
from hypothesis import strategies as st

from tests.array_api.harness import (
    COMPLEX,
    FLOAT,
    INEXACT,
    NUMERIC,
    Row,
    arrays,
    axis_of,
    one,
    shapes,
)

stacks = shapes(high=1, smallest=1)


@st.composite
def matrices(draw, dtypes=INEXACT, square=True):
    """A stack of matrices far from singular: the identity and something smaller."""
    stack, n = draw(stacks), draw(st.integers(1, 3))
    m = n if square else draw(st.integers(1, 3))
    x = draw(arrays(dtypes, (*stack, n, m), size=2)) / 8
    return (x + np.eye(n, m)).astype(x.dtype)


@st.composite
def definite(draw):
    """A stack of symmetric or Hermitian positive definite matrices."""
    x = draw(matrices())
    return x @ np.conj(np.swapaxes(x, -1, -2))


@st.composite
def systems(draw):
    a = draw(matrices())
    n = a.shape[-1]
    shape = draw(st.sampled_from([(n,), (*a.shape[:-1], 2)]))
    return a, draw(arrays([a.dtype.name], shape))


@st.composite
def products(draw, dtypes=NUMERIC):
    stack, (n, k, m) = draw(stacks), draw(st.tuples(*[st.integers(0, 3)] * 3))
    dtype = [draw(st.sampled_from(dtypes))]
    return draw(arrays(dtype, (*stack, n, k), size=3)), draw(arrays(dtype, (k, m), size=3))


@st.composite
def vectors(draw, dtypes=NUMERIC, size=None):
    dtype = [draw(st.sampled_from(dtypes))]
    shape = (*draw(stacks), draw(st.integers(0, 3)) if size is None else size)
    return draw(arrays(dtype, shape, size=3)), draw(arrays(dtype, shape, size=3))


@st.composite
def normed(draw):
    x = draw(arrays(INEXACT, shapes(low=1, smallest=1)))
    order = draw(st.sampled_from([0, 1, 2, 3, np.inf, -np.inf]))
    return x, draw(st.none() | axis_of(x)), draw(st.booleans()), order


def both(name, args, **options):
    """Rows for a function that the extension has as well."""
    return [
        Row(name, lambda xp, x, y: getattr(xp, name)(x, y), args, **options),
        Row(f"linalg.{name}", lambda xp, x, y: getattr(xp.linalg, name)(x, y), args, **options),
    ]


def extension(name, args, **options):
    return Row(f"linalg.{name}", lambda xp, *a: getattr(xp.linalg, name)(*a), args, **options)


def transposed(xp, x):
    return xp.conj(xp.matrix_transpose(x)) if xp.isdtype(x.dtype, "complex floating") else x.mT


def factors(xp, x, mode):
    q, r = xp.linalg.qr(x, mode=mode)
    return [q @ r, transposed(xp, q) @ q, xp.zeros_like(r), r - xp.triu(r)]


def spectrum(xp, x):
    values, vectors = xp.linalg.eigh(x)
    return [values, (vectors * values[..., None, :]) @ transposed(xp, vectors)]


def singular(xp, x, full):
    u, s, v = xp.linalg.svd(x, full_matrices=full)
    k = s.shape[-1]
    return [s, (u[..., :k] * s[..., None, :]) @ v[..., :k, :], xp.zeros_like(u), xp.zeros_like(v)]


def cross(xp, x, y):
    return xp.linalg.cross(x, y)


LOOSE = {"rtol": 1e3}

LINALG = [
    *both("matmul", products(), **LOOSE),
    *both("vecdot", vectors(), **LOOSE),
    Row("tensordot", lambda xp, x, y: xp.tensordot(x, y, axes=1), products(), **LOOSE),
    Row(
        "linalg.tensordot",
        lambda xp, x, y: xp.linalg.tensordot(x, y, axes=((-1,), (0,))),
        products(),
        **LOOSE,
    ),
    Row(
        "matrix_transpose",
        lambda xp, x: [xp.matrix_transpose(x), x.mT],
        one(NUMERIC, shapes(low=2)),
    ),
    Row(
        "linalg.matrix_transpose",
        lambda xp, x: xp.linalg.matrix_transpose(x),
        one(NUMERIC, shapes(low=2)),
    ),
    Row(
        "linalg.cholesky",
        lambda xp, x: [xp.linalg.cholesky(x), xp.linalg.cholesky(x, upper=True)],
        st.tuples(definite()),
        **LOOSE,
    ),
    Row("linalg.cross", cross, vectors(size=3)),
    *(extension(n, st.tuples(matrices()), **LOOSE) for n in ("det", "inv", "slogdet")),
    *(extension(n, st.tuples(matrices(square=False)), **LOOSE) for n in ("pinv", "svdvals")),
    extension("matrix_rank", st.tuples(matrices(square=False))),
    extension("eigvalsh", st.tuples(definite()), **LOOSE),
    extension("solve", systems(), **LOOSE),
    extension("matrix_power", st.tuples(matrices(), st.integers(-2, 3)), **LOOSE),
    extension(
        "outer",
        st.sampled_from(NUMERIC).flatmap(
            lambda d: st.tuples(*[arrays([d], shapes(low=1, high=1), size=3)] * 2)
        ),
    ),
    Row("linalg.eigh", spectrum, st.tuples(definite()), **LOOSE),
    Row(
        "linalg.qr",
        factors,
        st.tuples(matrices(square=False), st.sampled_from(["reduced", "complete"])),
        **LOOSE,
    ),
    Row("linalg.svd", singular, st.tuples(matrices(square=False), st.booleans()), **LOOSE),
    *(
        Row(
            f"linalg.{name}",
            lambda xp, x, k, name=name: getattr(xp.linalg, name)(x, offset=k),
            st.tuples(arrays(NUMERIC, shapes(low=2, smallest=1), size=3), st.integers(-2, 2)),
        )
        for name in ("diagonal", "trace")
    ),
    Row(
        "linalg.matrix_norm",
        lambda xp, x, k, o: xp.linalg.matrix_norm(x, keepdims=k, ord=o),
        st.tuples(
            matrices(square=False),
            st.booleans(),
            st.sampled_from(["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf]),
        ),
        **LOOSE,
    ),
    Row(
        "linalg.vector_norm",
        lambda xp, x, a, k, o: xp.linalg.vector_norm(x, axis=a, keepdims=k, ord=o),
        normed(),
        **LOOSE,
    ),
]


# ------------------------------------------------------------------ Fourier transforms
norms = st.sampled_from(["backward", "ortho", "forward"])


@st.composite
def signals(draw, dtypes=COMPLEX):
    """A signal, how many of its elements to take, along which axis, and the scaling."""
    x = draw(arrays(dtypes, shapes(low=1, smallest=2)))
    return x, draw(st.none() | st.integers(2, 5)), draw(axis_of(x)), draw(norms)


@st.composite
def grids(draw, dtypes=COMPLEX):
    x = draw(arrays(dtypes, shapes(low=1, smallest=2)))
    axes = draw(st.lists(axis_of(x), min_size=1, max_size=2, unique_by=lambda a: a % x.ndim))
    sizes = draw(st.none() | st.just([4] * len(axes)))
    return x, sizes, axes, draw(norms)


FFT = [
    *(
        Row(
            f"fft.{name}",
            lambda xp, x, n, a, norm, name=name: getattr(xp.fft, name)(x, n=n, axis=a, norm=norm),
            signals(dtypes),
            **LOOSE,
        )
        for name, dtypes in [
            *[(n, COMPLEX) for n in ("fft", "ifft", "irfft", "hfft")],
            *[(n, FLOAT) for n in ("rfft", "ihfft")],
        ]
    ),
    *(
        Row(
            f"fft.{name}",
            lambda xp, x, s, a, norm, name=name: getattr(xp.fft, name)(x, s=s, axes=a, norm=norm),
            grids(dtypes),
            **LOOSE,
        )
        for name, dtypes in [
            *[(n, COMPLEX) for n in ("fftn", "ifftn", "irfftn")],
            ("rfftn", FLOAT),
        ]
    ),
    *(
        Row(
            f"fft.{name}",
            lambda xp, n, d, dtype, name=name: getattr(xp.fft, name)(
                n, d=d, dtype=dtype and getattr(xp, dtype)
            ),
            st.tuples(
                st.integers(1, 9), st.sampled_from([0.1, 1.0, 3.5]), st.sampled_from([None, *FLOAT])
            ),
        )
        for name in ("fftfreq", "rfftfreq")
    ),
    *(
        Row(
            f"fft.{name}",
            lambda xp, x, s, a, norm, name=name: getattr(xp.fft, name)(x, axes=tuple(a)),
            grids(INEXACT),
        )
        for name in ("fftshift", "ifftshift")
    ),
]

ROWS = [*LINALG, *FFT]
