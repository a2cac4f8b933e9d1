"""Primitives that draw by rejection, gamma, Poisson and binomial samples; and orthonormal frames.

The first operand is an array of keys of shape B, the parameters have shape B + S. Each key draws
the S samples of its row; the loops are in `fx.ops.numerics.rejection`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.avals import ShapedArray
from fx.core.primitive import P, Primitive, lit
from fx.errors import ShapeError
from fx.ops.base import add_axis, broadcast_to, check_domain, move_axis
from fx.ops.numerics import linalg, rejection
from fx.ops.random import KeyPrimitive, words

_FLOAT32 = np.dtype(np.float32)


class Sampler(KeyPrimitive):
    """Samples of a distribution with parameters of one shape and floating dtype.

    Args:
        name: of the primitive.
        sample: (xp, keys (r, 2), *parameters (r, n), **params) -> samples (r, n), for parameters
            in float32 or float64.
    """

    uses = True

    def __init__(self, name: str, sample: Callable[..., Any]):
        super().__init__(name)
        self.sample = sample

    def abstract_eval(self, keys: ShapedArray, *parameters: ShapedArray, **params: Any) -> Any:
        check_domain(self.name, keys.dtype, "k")
        first = parameters[0]
        check_domain(self.name, first.dtype, "f")
        if any(not x.same_type(first) for x in parameters):
            got = ", ".join(x.short() for x in parameters)
            raise ShapeError(f"{self.name} expects parameters of one shape and dtype, got {got}.")
        if first.shape[: keys.ndim] != keys.shape:
            raise ShapeError(
                f"{self.name} expects parameters whose shape begins with that of the keys, "
                f"{keys.shape}, got {first.shape}."
            )
        return ShapedArray(first.shape, first.dtype)

    def impl(self, xp: Any, keys: Any, *parameters: Any, **params: Any) -> Any:
        shape, dtype = parameters[0].shape, parameters[0].dtype
        columns = math.prod(shape[keys.ndim :])
        wide = dtype if dtype.itemsize >= 4 else _FLOAT32
        rows = [x.astype(wide, copy=False).reshape(keys.size, columns) for x in parameters]
        out = self.sample(xp, words(keys).reshape(-1, 2), *rows, **params)
        return out.reshape(shape).astype(dtype, copy=False)

    def jvp(self, primals: Any, out: Any, tangents: Any, **params: Any) -> Any:
        return None

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any], **params: Any) -> Any:
        front = [
            add_axis(x, axis.size) if d is None else move_axis(x, d, 0)
            for x, d in zip(args, dims, strict=True)
        ]
        return self.bind(*front, **params), 0


class RandomGamma(Sampler):
    """Gamma samples of scale 1, or their logarithms; differentiable in the parameter."""

    def jvp(
        self, primals: Sequence[Any], out: Any, tangents: Sequence[Any], *, log_space: bool
    ) -> Any:
        # The sample moves with alpha so that its distribution function stays the same.
        alpha, t = primals[1], tangents[1]
        if not log_space:
            return P.mul(t, P.random_gamma_grad(alpha, out))
        tiny = broadcast_to(lit(out, dtypes.finfo(out.dtype).tiny), out.shape)
        sample = P.max(P.exp(out), tiny)
        return P.mul(t, P.div(P.random_gamma_grad(alpha, sample), sample))


def _gamma(xp: Any, keys: Any, alpha: Any, *, log_space: bool) -> Any:
    each = rejection.split_rows(xp, keys, alpha.shape[1])
    return rejection.gamma(xp, each, alpha.reshape(-1), log_space)


def _poisson(xp: Any, keys: Any, rate: Any) -> Any:
    return rejection.poisson(xp, keys, rate.astype(_FLOAT32, copy=False))


class Orthonormalize(Primitive):
    """Orthonormal columns by the process of Gram and Schmidt; operands of shape (*B, m, n), m >= n.

    Applied to normal numbers it gives random frames. These have no tangents, so it has no jvp.
    """

    name = "orthonormalize"

    def abstract_eval(self, x: ShapedArray) -> ShapedArray:
        check_domain(self.name, x.dtype, "fc")
        if x.ndim < 2 or x.shape[-2] < x.shape[-1]:
            raise ShapeError(
                f"orthonormalize expects matrices with at least as many rows as columns, got "
                f"{x.short()}."
            )
        return x

    def impl(self, xp: Any, x: Any) -> Any:
        wide = x if x.dtype.itemsize >= 4 else x.astype(_FLOAT32)
        q, r = linalg.qr(xp, wide, full_matrices=False)
        # The factor is unique once the diagonal of r is positive.
        diagonal = xp.diagonal(r, axis1=-2, axis2=-1)
        return (q * xp.sign(diagonal)[..., None, :]).astype(x.dtype, copy=False)

    def batch(self, axis: Any, args: Sequence[Any], dims: Sequence[Any]) -> Any:
        return self.bind(move_axis(args[0], dims[0], 0)), 0


Orthonormalize()
RandomGamma("random_gamma", _gamma)
Sampler("random_poisson", _poisson)
Sampler("random_binomial", rejection.binomial)
