"""Samples of the gamma, Poisson and binomial distributions, by rejection.

A sample is proposed again until it is accepted. Rounds draw from Threefry by the counters that
`jax.random` uses and round each step as XLA does, so the samples are JAX's: the same, but for a
rare comparison that the last bit of a float decides.
"""

import math
from typing import Any

import numpy as np

from fx.ops.numerics import portable, threefry
from fx.ops.numerics.portable import fma

Array = Any  # an ndarray of the array module that the caller passes as `xp`


# ------------------------------------------------------------------ draws at given counters
def _split(xp: Any, keys: Array, count: int) -> list[Array]:
    """`count` new keys from each of the keys (n, 2)."""
    new = threefry.split(xp, keys, (count,))
    return [new[:, i] for i in range(count)]


def split_rows(xp: Any, keys: Array, count: int) -> Array:
    """`count` new keys from each of the keys (r, 2), in one array (r * count, 2)."""
    return threefry.split(xp, keys, (count,)).reshape(-1, 2)


def _unit(xp: Any, keys: Array, counter: Array, dtype: np.dtype) -> Array:
    """The float in [0, 1) that each key (n, 2) draws at its counter (n,)."""
    high = counter >> np.uint64(32)
    x0, x1 = threefry.threefry2x32(
        xp, keys[:, 0], keys[:, 1], high.astype(np.uint32), counter.astype(np.uint32)
    )
    double = dtype == np.float64
    bits = (x0.astype(np.uint64) << np.uint64(32)) | x1 if double else x0 ^ x1
    return portable.unit_interval(xp, bits, dtype)


def _normal(xp: Any, keys: Array, dtype: np.dtype) -> Array:
    """The standard normal number that each key (n, 2) draws first."""
    lowest = np.nextafter(np.asarray(-1, dtype), np.asarray(0, dtype))
    unit = _unit(xp, keys, xp.zeros(len(keys), np.uint64), dtype)
    u = xp.maximum(unit * dtype.type(2) + lowest, lowest)
    return portable.erf_inv(xp, u) * dtype.type(math.sqrt(2))


# ------------------------------------------------------------------ gamma
def gamma(xp: Any, keys: Array, alpha: Array, log_space: bool) -> Array:
    """Gamma distributed numbers of scale 1, or their logarithms.

    Source: Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 2000.

    Args:
      xp: the array module.
      keys: uint32 of shape (n, 2), a key for each sample.
      alpha: float32 or float64 of shape (n,).
      log_space: whether to return logarithms, which do not underflow for small alpha.

    Returns:
      An array like alpha.

    Example:
      >>> float(gamma(np, np.zeros((1, 2), np.uint32), np.ones(1), False)[0]) > 0
      True
    """
    dtype = alpha.dtype
    one, third = dtype.type(1), dtype.type(1 / 3)
    # Gamma(a) = Gamma(a + 1) * U**(1 / a) for a < 1.
    large = alpha >= one
    d = xp.where(large, alpha, alpha + one) - third
    c = third / xp.sqrt(d)
    loop_keys, boost_keys = _split(xp, keys, 2)
    cube = _gamma_cubes(xp, loop_keys, d, c)
    u = _unit(xp, boost_keys, xp.zeros(len(keys), np.uint64), dtype)
    if log_space:
        logarithm = portable.log1p(xp, -u)
        boost = xp.where(large | (logarithm == 0), dtype.type(0), logarithm * (one / alpha))
        return portable.log(xp, d) + portable.log(xp, cube) + boost
    return d * cube * xp.where(large, one, (one - u) ** (one / alpha))


def _gamma_cubes(xp: Any, keys: Array, d: Array, c: Array) -> Array:
    """Accepted values of (1 + c x)**3 for normal x, one for each key."""
    dtype = d.dtype
    half, one, squeeze = (dtype.type(v) for v in (0.5, 1, 0.0331))
    out = xp.ones_like(d)
    waiting = xp.arange(len(d))
    while waiting.size:
        keys, normal_keys, uniform_keys = _split(xp, keys, 3)
        d_now, c_now = d[waiting], c[waiting]
        x, v = _positive_proposals(xp, normal_keys, c_now)
        square, cube = x * x, v * v * v
        u = _unit(xp, uniform_keys, xp.zeros(len(keys), np.uint64), dtype)
        unsure = u >= fma(xp, square * square, -squeeze, one)
        bound = square * half + d_now * (one - cube + portable.log(xp, cube))
        rejected = unsure & (portable.log(xp, u) >= bound)
        accepted = ~rejected
        out[waiting[accepted]] = cube[accepted]
        waiting, keys = waiting[rejected], keys[rejected]
    return out


def _positive_proposals(xp: Any, keys: Array, c: Array) -> tuple[Array, Array]:
    """Normal x with 1 + c x > 0, and that number."""
    dtype = c.dtype
    x, v = xp.zeros_like(c), xp.full_like(c, -1)
    waiting = xp.arange(len(c))
    while waiting.size:
        keys, now = _split(xp, keys, 2)
        normal = _normal(xp, now, dtype)
        shifted = fma(xp, normal, c[waiting], dtype.type(1))
        x[waiting], v[waiting] = normal, shifted
        again = shifted <= 0
        waiting, keys = waiting[again], keys[again]
    return x, v


# ------------------------------------------------------------------ rounds over shared keys
class _Rounds:
    """Elements of a batch of samples, (rows, columns), each row drawing from a key of its own.

    `waiting` holds the flat positions that take part in the next round.
    """

    def __init__(self, xp: Any, keys: Array, columns: int, waiting: Array):
        self.xp = xp
        self.keys = keys
        self.columns = columns
        self.waiting = waiting

    def advance(self, count: int, keep: int) -> list[Array]:
        """New keys for every row; the one at `keep` is split next."""
        new = _split(self.xp, self.keys, count)
        self.keys = new.pop(keep)
        return new

    def unit(self, keys: Array, dtype: np.dtype) -> Array:
        """Uniform numbers for the elements waiting."""
        row, column = self.waiting // self.columns, self.waiting % self.columns
        return _unit(self.xp, keys[row], column.astype(np.uint64), dtype)

    def accept(self, accepted: Array, proposals: Array, out: Array, seen: Array) -> None:
        """Take accepted proposals. A row waits until all its elements have accepted one; until
        then later ones replace earlier ones, as in JAX (which element is last does not depend on
        its value, so the distribution is the same)."""
        out[self.waiting[accepted]] = proposals[accepted]
        seen[self.waiting[accepted]] = True
        row = self.waiting // self.columns
        open_rows = self.xp.zeros(len(self.keys), bool)
        open_rows[row[~seen[self.waiting]]] = True
        self.waiting = self.waiting[open_rows[row]]


def _in_rounds(
    xp: Any, method: Any, keys: Array, where: Array, first: Array, *others: Array
) -> Array:
    """Results of a method at the elements of a mask that broadcasts, and zeros elsewhere."""
    out = xp.zeros(first.shape, first.dtype)  # in C order, whatever that of the operands
    waiting = xp.flatnonzero(xp.broadcast_to(where, first.shape))
    if waiting.size:
        rounds = _Rounds(xp, keys, first.shape[1], waiting)
        method(xp, rounds, *(x.reshape(-1) for x in (first, *others, out)))
    return out


# ------------------------------------------------------------------ Poisson
def poisson(xp: Any, keys: Array, rate: Array) -> Array:
    """Poisson distributed numbers.

    Sources: Knuth, TAOCP 3.4.1, for rates below 10; Hörmann, "The transformed rejection method for
    generating Poisson random variables", Insurance: Mathematics and Economics 1993.

    Args:
      xp: the array module.
      keys: uint32 of shape (r, 2).
      rate: float32 of shape (r, n); row i draws from key i.

    Returns:
      float32 of shape (r, n): whole numbers, -1 for a rate that is negative or NaN.

    Example:
      >>> poisson(np, np.zeros((1, 2), np.uint32), np.float32([[0.0, 3.0]])).tolist()[0][0]
      0.0
    """
    small = (rate < 10) | xp.isnan(rate)
    out = _in_rounds(xp, _poisson_by_product, keys, small, rate)
    # In a row that mixes rates, JAX also draws for the small ones, as if they were 1e5.
    large = xp.where(small, np.float32(1e5), rate)
    rest = _in_rounds(xp, _poisson_by_rejection, keys, ~small.all(axis=1, keepdims=True), large)
    return xp.where(rate == 0, np.float32(0), xp.where(small, out, rest))


def _poisson_by_product(xp: Any, rounds: _Rounds, rate: Array, out: Array) -> None:
    """Count uniform factors until their product falls below exp(-rate)."""
    out[rounds.waiting] = -1
    log_product = xp.zeros_like(rate)
    rounds.waiting = rounds.waiting[rate[rounds.waiting] > 0]
    while rounds.waiting.size:
        (key,) = rounds.advance(2, 0)
        now = rounds.waiting
        out[now] += 1
        log_product[now] += portable.log(xp, rounds.unit(key, rate.dtype))
        rounds.waiting = now[log_product[now] > -rate[now]]


def _poisson_by_rejection(xp: Any, rounds: _Rounds, rate: Array, out: Array) -> None:
    single = np.float32
    seen = xp.zeros(rate.shape, bool)
    while rounds.waiting.size:
        u_key, v_key = rounds.advance(3, 0)
        u = rounds.unit(u_key, rate.dtype) - single(0.5)
        v = rounds.unit(v_key, rate.dtype)
        lam = rate[rounds.waiting]
        b = fma(xp, xp.sqrt(lam), single(2.53), single(0.931))
        a = fma(xp, b, single(0.02483), single(-0.059))
        inverse_alpha = single(1.1239) + single(1.1328) / (b - single(3.4))
        v_limit = single(0.9277) - single(3.6224) / (b - single(2))
        edge = single(0.5) - xp.abs(u)
        k = xp.floor(fma(xp, a * single(2) / edge + b, u, lam) + single(0.43))
        s = portable.log(xp, v * inverse_alpha / (a / (edge * edge) + b))
        t = fma(xp, k, portable.log(xp, lam), -lam) - _log_factorial(xp, k)
        inside = (edge >= single(0.07)) & (v <= v_limit)
        outside = (k < 0) | ((edge < single(0.013)) & (v > edge))
        rounds.accept(inside | (~outside & (s <= t)), k, out, seen)


# Lanczos' approximation of the gamma function for g = 7, n = 9, as XLA has it
_LANCZOS = (
    0.99999999999980993227684700473478,
    676.520368121885098567009190444019,
    -1259.13921672240287047156078755283,
    771.3234287776530788486528258894,
    -176.61502916214059906584551354,
    12.507343278686904814458936853,
    -0.13857109526572011689554707,
    9.984369578019570859563e-6,
    1.50563273514931155834e-7,
)


def _log_factorial(xp: Any, k: Array) -> Array:
    """log(k!) of float32 numbers k >= 0, with the roundings of XLA's lgamma(k + 1)."""
    single = np.float32
    total = xp.full_like(k, _LANCZOS[0])
    for i, coefficient in enumerate(_LANCZOS[1:], 1):
        total = total + single(coefficient) / (k + single(i))
    log_t = portable.log1p(xp, k * (single(1) / single(7.5))) + single(math.log(7.5))
    inner = (k + single(0.5)) - (k + single(7.5)) / log_t
    half_log_2pi = single(math.log(2 * math.pi) / 2)
    return fma(xp, inner, log_t, half_log_2pi) + portable.log(xp, total)


# ------------------------------------------------------------------ binomial
# log(k!) minus Stirling's approximation, for k = 0 ... 9
_STIRLING_TAIL = (
    0.0810614667953272,
    0.0413406959554092,
    0.0276779256849983,
    0.02079067210376509,
    0.0166446911898211,
    0.0138761288230707,
    0.0118967099458917,
    0.0104112652619720,
    0.00925546218271273,
    0.00833056343336287,
)


def binomial(xp: Any, keys: Array, count: Array, chance: Array) -> Array:
    """Binomially distributed numbers.

    Sources: Kachitvichyanukul and Schmeiser, "Binomial random variate generation", CACM 1988
    (waiting times, for at most 10 expected successes); Hörmann, "The generation of binomial random
    variates", Journal of Statistical Computation and Simulation 1993 (rejection, algorithm BTRS).

    Args:
      xp: the array module.
      keys: uint32 of shape (r, 2).
      count, chance: float32 or float64 of shape (r, n): numbers of trials, of which the whole
        part counts, and probabilities of a success. Row i draws from key i.

    Returns:
      An array like count. NaN for a negative count, a negative chance or NaN; infinity for an
      infinite count.

    Example:
      >>> zero = np.zeros((1, 2), np.uint32)
      >>> binomial(np, zero, np.float32([[5, -1]]), np.float32([[0.9, 0.5]])).tolist()
      [[4.0, nan]]
    """
    real = count.dtype.type
    likely = ~(chance < 0.5)
    rare = xp.where(likely, 1 - chance, chance)
    no_count = xp.isnan(count) | (count < 0)
    no_chance = xp.isnan(rare)
    invalid = no_count | no_chance | (rare < 0)
    infinite = xp.isinf(count) & ~invalid
    rare = xp.where(no_chance | (rare < 0), real(0.01), rare)
    few = no_count | (count * rare <= 10)
    count = xp.floor(count)
    waits = few & ~invalid & ~infinite
    out = _in_rounds(xp, _binomial_by_waiting, keys, waits, count, rare)
    # In a row that mixes the methods, JAX also draws for the others, as of 10000 coins.
    coins, fair = xp.where(few, real(1e4), count), xp.where(few, real(0.5), rare)
    many = (~few & ~infinite).any(axis=1, keepdims=True) & ~infinite
    out = xp.where(few, out, _in_rounds(xp, _btrs, keys, many, coins, fair))
    out = xp.where(likely, count - out, out)
    out = xp.where(infinite, real(np.inf), out)
    return xp.where(invalid, real(np.nan), out)


def _binomial_by_waiting(xp: Any, rounds: _Rounds, count: Array, chance: Array, out: Array) -> None:
    """Add up the numbers of trials to the next success until they exceed the count."""
    log_failure = portable.log1p(xp, -chance)
    trials = xp.zeros_like(count)
    out[rounds.waiting] = -1
    while rounds.waiting.size:
        (key,) = rounds.advance(2, 1)
        now = rounds.waiting
        out[now] += 1
        u = rounds.unit(key, count.dtype)
        trials[now] += xp.ceil(portable.log(xp, u) / log_failure[now])
        rounds.waiting = now[trials[now] <= count[now]]


def _btrs(xp: Any, rounds: _Rounds, count: Array, chance: Array, out: Array) -> None:
    real = count.dtype.type
    half = real(0.5)
    seen = xp.zeros(count.shape, bool)

    def log(x: Array) -> Array:
        return portable.log(xp, x)

    def tail(k: Array) -> Array:
        return _stirling_tail(xp, k)

    while rounds.waiting.size:
        u_key, v_key = rounds.advance(3, 0)
        u = rounds.unit(u_key, count.dtype) - half
        v = rounds.unit(v_key, count.dtype)
        n, p = count[rounds.waiting], chance[rounds.waiting]
        deviation = xp.sqrt(n * p * (1 - p))
        b = fma(xp, deviation, real(2.53), real(1.15))
        a = fma(xp, p, real(0.01), fma(xp, b, real(0.0248), real(-0.0873)))
        center = fma(xp, n, p, half)
        v_limit = real(0.92) - real(4.2) / b
        odds = p / (1 - p)
        alpha = (real(2.83) + real(5.1) / b) * deviation
        mode = xp.floor((n + 1) * p)
        edge = half - xp.abs(u)
        k = xp.floor(fma(xp, a * real(2) / edge + b, u, center))
        inside = (edge >= real(0.07)) & (v <= v_limit)
        outside = (k < 0) | (k > n)
        height = log(v * alpha / (a / (edge * edge) + b))
        bound = (
            (mode + half) * log((mode + 1) / (odds * (n - mode + 1)))
            + (n + 1) * log((n - mode + 1) / (n - k + 1))
            + (k + half) * log(odds * (n - k + 1) / (k + 1))
            + tail(mode)
            + tail(n - mode)
            - tail(k)
            - tail(n - k)
        )
        rounds.accept(inside | (~outside & (height <= bound)), k, out, seen)


def _stirling_tail(xp: Any, k: Array) -> Array:
    table = xp.asarray(_STIRLING_TAIL, k.dtype)
    inverse = 1 / (k + 1)
    square = inverse * inverse
    far = (1 / 12 - (1 / 360 - square / 1260) * square) * inverse
    near = xp.clip(xp.nan_to_num(k), 0, 9).astype(np.int32)
    return xp.where(k <= 9, table[near], far)
