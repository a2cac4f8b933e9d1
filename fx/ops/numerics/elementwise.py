"""How a kernel on flat blocks of one precision becomes a function of arrays of any shape and dtype.

A kernel is written once, for one-dimensional arrays of ``float64`` (or also ``float32``).
``elementwise`` gives it broadcasting, the short float types, and, on the CPU, blocks small enough
that the dozens of sweeps of a polynomial stay in the cache.
"""

import functools
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

Array = Any  # an ndarray of the array module that the caller passes as `xp`

_BLOCK = 1 << 14  # elements; a few float64 temporaries of a block fit in the L2 cache


def elementwise(*, single: bool) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Make a decorator for a kernel ``(xp, *flat_arrays) -> flat_array``.

    The kernel must not modify its arguments, which have equal lengths and one dtype: ``float64``,
    or ``float32`` too if it is ``single``. Otherwise ``float32`` is computed in ``float64``. Types
    of 16 bits are computed in the type in which ``float32`` is, and rounded to their own.

    The function takes arrays of one float dtype whose shapes broadcast, and returns an array of
    that dtype and of the broadcast shape.
    """

    def decorate(kernel: Callable[..., Array]) -> Callable[..., Array]:
        @functools.wraps(kernel)
        def function(xp: ModuleType, *args: Array) -> Array:
            dtype = args[0].dtype
            wide = dtype == xp.float64 or not single
            work = xp.float64 if wide else xp.float32
            shape = np.broadcast_shapes(*(a.shape for a in args))
            out = xp.empty(shape, dtype)
            target = out.reshape(-1)
            whole = (a if a.shape == shape else xp.broadcast_to(a, shape) for a in args)
            flat = [a.reshape(-1) for a in whole]
            block = _BLOCK if xp is np else max(1, out.size)
            with np.errstate(all="ignore"):  # kernels compute branches that they then discard
                for start in range(0, out.size, block):
                    part = slice(start, start + block)
                    target[part] = kernel(xp, *(a[part].astype(work, copy=False) for a in flat))
            return out

        return function

    return decorate


def polynomial(xp: ModuleType, coefficients: Sequence[float], x: Array) -> Array:
    """``sum(c * x**i)`` over the coefficients, lowest first, by Horner's rule, as a new array.

    Example:
      >>> polynomial(np, (1.0, 0.0, 3.0), np.array([2.0])).tolist()
      [13.0]
    """
    result = xp.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result *= x
        result += coefficient
    return result


def replace(
    xp: ModuleType, out: Array, where: Array, function: Callable[..., Array], *args: Array
) -> None:
    """``out[where] = function(xp, *args)``, computed only there.

    A branch that few elements take, or that is costly, is so paid only by the elements in it.
    """
    index = xp.flatnonzero(where)  # integers are several times faster than a random mask
    if index.size:
        out[index] = function(xp, *(a[index] for a in args))
