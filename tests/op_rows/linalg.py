"""Rows of matrix primitives and Fourier transforms."""

from __future__ import annotations

from typing import Any

import numpy as np

from fx.core.array import Array
from fx.core.primitive import P
from fx.ops.fft import FftType
from fx.ops.linalg import adjoint, conjugated, matmul, real_part
from tests.op_rows.row import Arg, row, shapes

SMALL = {"low": -1.0, "high": 1.0}


def shift(x: Any, diagonal: Any) -> Any:
    """`x` plus a diagonal matrix, so that it is regular and its eigenvalues are far apart."""
    n = x.shape[-1]
    added = np.diag(np.broadcast_to(diagonal, n)).astype(x.dtype)
    axes = (x.ndim - 2, x.ndim - 1)
    return P.add(x, P.broadcast_in_dim(Array(added), shape=x.shape, broadcast_dimensions=axes))


def positive(x: Any) -> Any:
    """A Hermitian positive definite matrix made of any matrix."""
    return shift(matmul(x, adjoint(x)), 1)


def sizes(x: Any) -> Any:
    """Squares of absolute values: what is determined of an eigenvector."""
    return real_part(P.mul(x, conjugated(x)))


# ------------------------------------------------------------------ systems
for options in range(16):
    left, lower, transpose, unit = (bool(options >> i & 1) for i in range(4))
    params = {
        "left_side": left,
        "lower": lower,
        "transpose_a": transpose,
        "conjugate_a": transpose and lower,
        "unit_diagonal": unit,
    }
    b = (3, 2) if left else (2, 3)
    examples = [[(3, 3), b]]
    if options in (3, 12):
        examples += [[(2, 3, 3), (2, *b)], [(0, 0), (0, 2)[:: 1 if left else -1]]]

    def solve(a: Any, b: Any, params: dict = params) -> Any:
        return P.triangular_solve(shift(a, 3), b, **params)

    name = f"{left:d}{lower:d}{transpose:d}{unit:d}"
    row(
        "triangular_solve",
        shapes(*examples, **SMALL),
        solve,
        label=name,
        kinds="fc",
        refused=True,
        linear=((1,),),
    )
row(
    "solve",
    shapes([(3, 3), (3, 2)], [(2, 1, 1), (2, 1, 3)], [(0, 0), (0, 2)], [(2, 2), (2, 0)], **SMALL),
    lambda a, b: P.solve(shift(a, 3), b),
    kinds="fc",
    refused=True,
    linear=((1,),),
)
row(
    "tridiagonal_solve",
    shapes([(4,), (4,), (4,), (4, 2)], [(2, 3), (2, 3), (2, 3), (2, 3, 1)]),
    label="pivoting",
    linear=((3,),),
    tolerance=1e-4,
)
row(
    "tridiagonal_solve",
    shapes([(0,), (0,), (0,), (0, 2)], [(1,), (1,), (1,), (1, 2)], low=1.0),
    label="small",
    linear=((3,),),
)
MATRICES = shapes([(3, 3)], [(2, 2, 2)], [(1, 1)], [(0, 0)])
row("slogdet", MATRICES, lambda a: P.slogdet(shift(a, 1)), kinds="fc", refused=True)
row("det", MATRICES)
row("adjugate", MATRICES, lambda a: P.adjugate(shift(a, 1)), kinds="fc", refused=True)

# ------------------------------------------------------------------ factors
row("cholesky", MATRICES, lambda a: P.cholesky(positive(a)), kinds="fc", refused=True)
row(
    "cholesky",
    shapes([(3, 3)], **SMALL),
    lambda a: P.cholesky(shift(a, 5)),
    label="of-a-triangle",
    kinds="fc",
)
row("lu", shapes([(3, 3)], [(2, 2, 4)], [(4, 2)], [(0, 2)], [(2, 0)]))
row(
    "lu_pivots_to_permutation",
    ((Arg((2, 3), 2, 3, "int32"),), (Arg((0,), dtype="int32"),)),
    kinds="-",
    params={"permutation_size": 4},
)
QR_SHAPES = shapes([(3, 3)], [(2, 2, 4)], [(4, 2)], [(0, 2)], [(2, 0)])
row("qr", QR_SHAPES, params={"full_matrices": False}, label="reduced")
row("qr", shapes([(2, 2)], [(2, 3)]), params={"full_matrices": True}, label="full")
row(
    "qr",
    shapes([(3, 2)], [(2, 0)]),
    params={"full_matrices": True},
    label="tall",
    wrt=(),
    no_derivative=(0,),
)
row("geqrf", QR_SHAPES, wrt=(), no_derivative=(0,))
row(
    "householder_product",
    shapes([(4, 3), (2,)], [(2, 3, 3), (2, 3)], [(2, 0), (0,)]),
    wrt=(),
    no_derivative=(0,),
)


# ------------------------------------------------------------------ spectra
def apart(a: Any) -> Any:
    """A matrix with eigenvalues and singular values that are not close."""
    n = min(a.shape[-2:])
    scale = np.zeros(a.shape[-2:])
    scale[:n, :n] = np.diag(4.0 * np.arange(1, n + 1))
    axes = (a.ndim - 2, a.ndim - 1)
    full = P.broadcast_in_dim(
        Array(scale.astype(a.dtype)), shape=a.shape, broadcast_dimensions=axes
    )
    return P.add(a, full)


for lower in (False, True):

    def eigh(a: Any, lower: bool = lower) -> list[Any]:
        v, w = P.eigh(apart(a), lower=lower)
        return [sizes(v), w]

    row(
        "eigh",
        shapes([(3, 3)], [(2, 2, 2)], [(0, 0)], **SMALL),
        eigh,
        label="lower" if lower else "upper",
        kinds="fc",
        refused=True,
    )


def svd(a: Any) -> list[Any]:
    u, s, vh = P.svd(apart(a), full_matrices=False, compute_uv=True)
    # The phases of a pair are free, but not against one another.
    return [sizes(u), s, sizes(vh), matmul(u, vh)]


row(
    "svd",
    shapes([(3, 3)], [(2, 2, 4)], [(4, 2)], [(0, 2)], [(2, 0)], **SMALL),
    svd,
    kinds="fc",
    refused=True,
)
row(
    "svd",
    shapes([(3, 3)], [(2, 2, 3)], [(0, 2)], **SMALL),
    lambda a: P.svd(apart(a), full_matrices=False, compute_uv=False)[0],
    label="values",
    kinds="fc",
)
row(
    "svd",
    shapes([(2, 3)]),
    params={"full_matrices": True, "compute_uv": True},
    label="wide",
    wrt=(),
    no_derivative=(0,),
)


def eig(left: bool, right: bool) -> Any:
    def function(a: Any) -> Any:
        return P.eig(apart(a), compute_left_eigenvectors=left, compute_right_eigenvectors=right)

    return function


for left, right in [(False, False), (False, True), (True, False), (True, True)]:
    row(
        "eig",
        shapes([(3, 3)], [(2, 2, 2)], [(0, 0)], **SMALL),
        eig(left, right),
        label=f"{left:d}{right:d}",
        kinds="fc",
        refused=True,
    )

# ------------------------------------------------------------------ Fourier transforms
for kind in (FftType.FFT, FftType.IFFT):
    for shape, lengths in [((5,), (5,)), ((2, 3, 4), (3, 4)), ((2, 0), (0,)), ((0, 3), (3,))]:
        row(
            "fft",
            shapes([shape]),
            label=f"{kind.name}{shape}{len(lengths)}".replace(" ", ""),
            kinds="c",
            refused=True,
            params={"fft_type": kind, "fft_lengths": lengths},
            linear=((0,),),
        )
for dtype in ("float32", "float64"):
    for shape, lengths in [((5,), (5,)), ((2, 3, 4), (3, 4)), ((2, 0), (0,)), ((1,), (1,))]:
        row(
            "fft",
            shapes([shape], dtype=dtype),
            label=f"RFFT{shape}{dtype}".replace(" ", ""),
            kinds="-",
            params={"fft_type": FftType.RFFT, "fft_lengths": lengths},
            linear=((0,),) if dtype == "float64" else (),
            wrt=None if dtype == "float64" else (),
        )
for shape, lengths in [((3,), (5,)), ((2, 3, 3), (3, 4)), ((2, 0), (0,)), ((1,), (1,))]:
    row(
        "fft",
        shapes([shape]),
        label=f"IRFFT{shape}".replace(" ", ""),
        kinds="c",
        params={"fft_type": FftType.IRFFT, "fft_lengths": lengths},
        linear=((0,),),
    )
