"""Products of vectors, matrices and tensors, einsum, convolution and interpolation."""

from __future__ import annotations

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.numpy.einsum import contraction_path
from tests.numpy.harness import case, check, rand

A, B, C = rand(3, 4), rand(4, 5), rand(5, 2)
S = rand(2, 3, 4)
T = rand(2, 4, 5)
V, W = rand(4), rand(4, seed=7)
Z = rand(3, 4, dtype=np.complex64)
N = rand(3, 4, dtype=np.int32)


def of(name, *args, **options):
    return lambda m, *xs: getattr(m, name)(*xs, *args, **options)


def ein(equation):
    return lambda m, *xs: m.einsum(equation, *xs)


CASES = [
    *(case(f"matmul {x.shape} {y.shape}", of("matmul"), x, y) for x, y in
      [(A, B), (V, B), (A, V), (V, W), (S, T), (S, B), (A, T), (V, T), (S, V),
       (S[:, None], rand(1, 5, 4, 2)), (S[:1], T), (np.zeros((3, 0), np.float32),
                                                   np.zeros((0, 2), np.float32))]),
    case("matmul of ints", of("matmul"), N, N.T.copy()),
    case("matmul of bools", of("matmul"), N > 0, N.T > 0),
    case("matmul of complex", of("matmul"), Z, Z.T.copy(), off="grad"),
    case("matmul promoted", of("matmul"), A, N.T.copy()),
    case("matmul preferred", of("matmul", preferred_element_type=np.float32),
         A.astype(np.float16), B.astype(np.float16), off="numpy grad", rtol=2e-3),
    *(case(f"dot {x.shape} {y.shape}", of("dot"), x, y) for x, y in
      [(A, B), (V, W), (S, V), (S, B), (A, T), (S, T), (np.float32(2) * np.ones((), np.float32), A)
       ]),
    case("operator @", lambda m, x, y: x @ y, A, B),
    case("matvec", of("matvec"), S, V),
    case("vecmat", of("vecmat"), V, T),
    case("vecmat of complex", of("vecmat"), Z[:, 0].copy(), Z, off="grad"),
    case("vdot", of("vdot"), A, A + 1),
    case("vdot of complex", of("vdot"), Z, Z[::-1].copy(), off="grad"),
    case("vecdot", of("vecdot"), S, A),
    case("vecdot axis", of("vecdot", axis=0), A, A + 1),
    case("vecdot of complex", of("vecdot"), Z, Z + 1, off="grad"),
    case("inner", of("inner"), S, A),
    case("inner of scalars", of("inner"), A, np.ones((), np.float32)),
    case("outer", of("outer"), A, V),
    case("kron", of("kron"), A, B),
    case("kron of ranks", of("kron"), S, V),
    case("cross", of("cross"), rand(2, 3), rand(2, 3, seed=1)),
    case("cross broadcast", of("cross"), rand(2, 3), rand(3)),
    case("cross axis", of("cross", axis=0), rand(3, 4), rand(3, 4, seed=1)),
    *(case(f"tensordot {a}", of("tensordot", axes=a), x, y) for x, y, a in
      [(S, rand(3, 4, 5), 2), (A, B, 1), (A, V, 0), (S, S, ((0, 2), (0, 2))), (S, T, (0, 0)),
       (S, T, ((2,), (1,)))]),
    # einsum
    *(case(f"einsum {e}", ein(e), *xs) for e, xs in {
        "ij,jk->ik": (A, B), "ij,jk->ki": (A, B), "ij,jk": (A, B), "i,i->i": (V, W),
        "i,i": (V, W), "i,j->ij": (V, W), "i,j->ji": (V, W), "ij->ji": (A,), "ij->": (A,),
        "ij->i": (A,), "ii->i": (rand(3, 3),), "ii": (rand(3, 3),), "iij->j": (rand(3, 3, 2),),
        "bij,bjk->bik": (S, T), "bij,bjk->bki": (S, T), "bij,bjk->ikb": (S, T),
        "bij,jk->bik": (S, B), "...ij,jk->...ik": (S, B), "...ij,...jk": (S, T),
        "bij,bkj->bik": (S, S), "bhqd,bhkd->bhqk": (rand(2, 3, 4, 5), rand(2, 3, 6, 5)),
        "bhqk,bhkd->bqhd": (rand(2, 3, 4, 6), rand(2, 3, 6, 5)),
        "ij,jk,kl->il": (A, B, C), "ij,jk,kl,lm->im": (A, B, C, rand(2, 3)),
        "ij,ij->": (A, A), "ijk,ik->ij": (S, S[:, 0]), "i...,i...->...": (S, S + 1),
        "ij,kl->ijkl": (A, B[:2]), "ijk,jk->": (S, A), "i,ij,j->": (rand(3), A, V),
        "ii,i->i": (rand(3, 3), rand(3)), "ab,b,bc->ac": (A, V, B), "a,b,c->abc": (V, W, rand(2)),
    }.items()),
    case("einsum of sizes 1", ein("ij,jk->ik"), A[:, :1].copy(), B[:4], off="jax"),
    case("einsum by numbers", lambda m, x, y: m.einsum(x, [0, 1], y, [1, 2], [0, 2]), A, B),
    case("einsum of ints", ein("ij,kj->ik"), N, N),
    case("einsum of complex", ein("ij,kj->ik"), Z, Z, off="grad"),
    case("einsum spaces", ein(" ij , jk -> ik "), A, B),
    case("einsum left to right", lambda m, x, y, z: m.einsum("ij,jk,kl->il", x, y, z,
                                                             optimize=False), A, B, C),
    case("einsum greedy", lambda m, x, y, z: m.einsum("ij,jk,kl->il", x, y, z, optimize="greedy"),
         A, B, C),
    # sliding
    *(case(f"{n} {mode} {len(x)},{len(y)}", of(n, mode), x, y) for n in ("convolve", "correlate")
      for mode in ("full", "same", "valid")
      for x, y in [(rand(6), rand(3)), (rand(3), rand(6)), (rand(6), rand(4)), (V, W)]),
    case("convolve of ints", of("convolve"), N[0], N[1]),
    case("correlate of complex", of("correlate", "full"), Z[0], Z[1, :2], off="grad"),
    case("interp", lambda m, x: m.interp(x, m.asarray([-1.0, 0.0, 1.5]), m.asarray([3.0, 1.0, 2.0])
                                         ), A),
    case("interp outside", lambda m, x, f: m.interp(x, m.asarray([-1.0, 0.0, 1.5]), f, left=-7.0,
                                                    right=9.0), A, rand(3)),
    case("interp periodic", lambda m, x: m.interp(x, m.asarray([0.5, 0.1, 0.9]),
                                                  m.asarray([1.0, 2.0, 3.0]), period=1.0), A),
    case("interp extrapolated", lambda m, x: m.interp(
        x, m.asarray([-1.0, 0.0, 1.5]), m.asarray([3.0, 1.0, 2.0]), left="extrapolate",
        right="extrapolate"), A, off="numpy"),
    *(case(n, lambda m, n=n, k=k: getattr(m, n)(k)) for n in
      ("hanning", "hamming", "blackman", "bartlett") for k in (0, 1, 7, 8)),
    case("kaiser", lambda m: m.kaiser(9, 3.5)),
    case("i0", of("i0"), A, off="weak"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("c", CASES, ids=str)
def test_function(c):
    check(c)


def test_three_operands_are_contracted_in_the_cheap_order():
    shapes = ((2, 100), (100, 100), (100, 1))
    assert contraction_path(["ab", "bc", "cd"], "ad", shapes, "auto")[0] == (1, 2)
    path, text = jnp.einsum_path("ab,bc,cd->ad", *[jnp.ones(s) for s in shapes])
    assert path[1] == (1, 2) and "contraction" in text.lower()
    x = [jnp.ones(s) for s in shapes]
    np.testing.assert_allclose(jnp.einsum("ab,bc,cd->ad", *x, optimize=path), np.full((2, 1), 1e4))


def test_a_pair_needs_one_equation():
    jaxpr = fx.make_jaxpr(lambda x, y: jnp.einsum("bij,bjk->bik", x, y))(S, T)
    assert [e.primitive.name for e in jaxpr.eqns] == ["dot_general"]
    swapped = fx.make_jaxpr(lambda x, y: jnp.einsum("ij,jk->ki", x, y))(A, B)
    assert [e.primitive.name for e in swapped.eqns] == ["dot_general"]


def test_half_precision_is_accumulated_in_single():
    x = jnp.full((1, 4096), 0.1, "bfloat16")
    assert abs(float((x @ x.T)[0, 0]) - 4096 * float(x[0, 0]) ** 2) < 0.5


def test_errors():
    x, y = jnp.ones((2, 3)), jnp.ones((4, 5))
    with pytest.raises(ShapeError, match="inner sizes"):
        x @ y
    with pytest.raises(ShapeError, match="scalar"):
        jnp.matmul(x, 2.0)
    with pytest.raises(FxTypeError, match="not converted"):
        x @ [1.0, 2.0, 3.0]
    with pytest.raises(FxValueError, match="names 2 operands"):
        jnp.einsum("ij,jk", x)
    with pytest.raises(ShapeError, match="sizes 3 and 4"):
        jnp.einsum("ij,jk", x, y)
    with pytest.raises(FxValueError, match="names 3 axes"):
        jnp.einsum("ijk->i", x)
    with pytest.raises(FxValueError, match="occur"):
        jnp.einsum("ij->iz", x)
    with pytest.raises(FxValueError, match="mode"):
        jnp.convolve(jnp.ones(3), jnp.ones(2), mode="half")
    with pytest.raises(ShapeError, match="empty"):
        jnp.convolve(jnp.ones(0), jnp.ones(2))
    with pytest.raises(ShapeError, match="one size"):
        jnp.interp(1.0, jnp.ones(3), jnp.ones(2))
