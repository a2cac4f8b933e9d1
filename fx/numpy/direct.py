"""Functions that on concrete arrays are NumPy's own, in one table.

Eagerly, a function of several primitives pays for each; where NumPy has the same function, one call
does. Each row names the function, NumPy's, and the dtypes and options with which both give the
same (`fx.numpy.dispatch.short_way`). All else (tracers, NumPy arrays, weak types, other options,
wrong arguments) goes the general way; tests hold the two against each other.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from fx import dtypes
from fx.core.array import Array
from fx.numpy import arithmetic as _arithmetic
from fx.numpy import comparing as _comparing
from fx.numpy import creation as _creation
from fx.numpy import cumulative as _cumulative
from fx.numpy import diagonals as _diagonals
from fx.numpy import editing as _editing
from fx.numpy import elementary as _elementary
from fx.numpy import grids as _grids
from fx.numpy import histograms as _histograms
from fx.numpy import joining as _joining
from fx.numpy import logic as _logic
from fx.numpy import manipulation as _manipulation
from fx.numpy import moments as _moments
from fx.numpy import nan_reductions as _nan_reductions
from fx.numpy import polynomials as _polynomials
from fx.numpy import positions as _positions
from fx.numpy import products as _products
from fx.numpy import quantiles as _quantiles
from fx.numpy import reductions as _reductions
from fx.numpy import rounding as _rounding
from fx.numpy import selection as _selection
from fx.numpy import sets as _sets
from fx.numpy import signal as _signal
from fx.numpy import sorting as _sorting
from fx.numpy import statistics as _statistics
from fx.numpy.dispatch import BOOL, COMPLEX, INTEGER, NUMBER, SINGLE_DOUBLE, short_way
from fx.util import fp_enter, fp_exit

F = TypeVar("F", bound=Callable[..., Any])

_ANY = BOOL | NUMBER
_FLOAT = SINGLE_DOUBLE
_EXACT = SINGLE_DOUBLE | COMPLEX | INTEGER
_PLAIN = (int, float, str, type(None))


def _plain(x: Any) -> bool:
    """Whether an option is a number, a string, None, or a tuple of numbers."""
    kind = type(x)
    return kind in _PLAIN or kind is bool or (kind is tuple and all_plain(x))


def all_plain(xs: Any) -> bool:
    return builtins.all(_plain(x) for x in xs)


def _wrapped(out: Any, like: Any, gives: Any) -> Any:
    """The results of NumPy as arrays of fx; integers that are not those of an argument are of the
    default dtype."""
    if type(out) is tuple or type(out) is list:
        return type(out)(_wrapped(x, like, gives) for x in out)
    return Array(np.asarray(out) if gives is None else np.asarray(out, gives()))


def _direct(
    general: F,
    numpys: Callable[..., Any],
    kinds: frozenset[np.dtype],
    arrays: int = 1,
    options: str = "",
    gives: Callable[[], Any] | None = None,
    when: Callable[..., bool] | None = None,
) -> F:
    """`general` with a short way.

    Args:
        general: the function.
        numpys: NumPy's, of raw arrays and the same options.
        kinds: dtypes of the arrays, which are alike.
        arrays: how many there are, in front.
        options: names of the arguments behind them, in order, that both take.
        gives: the dtype of the results, if it is another than NumPy's.
        when: asked of the raw arrays, whether both give the same.
    """
    names = options.split()

    def short(*args: Any, **kwargs: Any) -> Any:
        data = []
        for x in args[:arrays]:
            if type(x) is not Array or x.weak_type:
                return None
            data.append(x._data)
        if len(data) != arrays or len(args) > arrays + len(names):
            return None
        dtype = data[0].dtype
        if dtype not in kinds or builtins.any(x.dtype is not dtype for x in data):
            return None
        more = args[arrays:]
        if not all_plain(more) or not all_plain(kwargs.values()) or not kwargs.keys() <= allowed:
            return None
        token = fp_enter()
        try:
            if when is not None and not when(*data):
                return None
            out = numpys(*data, *more, **kwargs)
        finally:
            fp_exit(token)
        return _wrapped(out, dtype, gives)

    allowed = frozenset(names)
    return short_way(short)(general)


def _sequence(general: F, numpys: Callable[..., Any]) -> F:
    """A function of a sequence of arrays, which are alike."""

    def short(arrays: Any) -> Any:
        if type(arrays) is not list and type(arrays) is not tuple:
            return None
        data = [x._data for x in arrays if type(x) is Array and not x.weak_type]
        alike = len(data) == len(arrays) and builtins.all(x.dtype is data[0].dtype for x in data)
        return Array(numpys(data)) if data and alike and data[0].dtype in _ANY else None

    return short_way(short)(general)


def _made(general: F, numpys: Callable[..., Any], options: str) -> F:
    """A function that makes an array of numbers alone; `numpys` says its dtype."""
    allowed = frozenset(options.split())

    def short(*args: Any, **kwargs: Any) -> Any:
        if len(args) > len(allowed) or not all_plain(args):
            return None
        if not kwargs.keys() <= allowed or not all_plain(kwargs.values()):
            return None
        return Array(numpys(*args, **kwargs))

    return short_way(short)(general)


def _some(x: Any, *_: Any) -> bool:
    return x.size > 0


def _some_without_nan(x: Any) -> bool:
    """Without NaN the functions that ignore it are the plain ones."""
    return x.size > 0 and not np.isnan(np.min(x))


def _no_zero(x: Any, y: Any) -> bool:
    """By 0 XLA divides otherwise than NumPy."""
    return bool(y.all())


def _vector(x: Any) -> bool:
    return x.ndim == 1


def _both_without_nan(x: Any, y: Any) -> bool:
    return _some_without_nan(x) and _some_without_nan(y)


def _few(x: Any, y: Any) -> bool:
    """Among few elements NumPy's slow loops do not matter."""
    return x.size + y.size < 1024


def _differences(x: Any, n: int = 1, axis: int = -1) -> Any:
    if n > 64:
        raise ValueError("the general way knows when nothing is left, or refuses")
    return np.diff(x, n, axis)


def _padded(x: Any, pad_width: Any, mode: str) -> Any:
    if mode not in ("edge", "reflect", "symmetric", "wrap") or not x.size:
        raise ValueError("the general way knows the others")
    return np.pad(x, pad_width, mode)  # type: ignore[call-overload]


def _unique(x: Any, return_index: bool = False, *, return_counts: bool = False) -> Any:
    out = np.unique(x, return_index=return_index, return_counts=return_counts)
    if type(out) is not tuple:
        return out
    return out[0], *(places.astype(_int()) for places in out[1:])


_int = dtypes.default_int
_FLOAT_INT = _FLOAT | INTEGER

# ------------------------------------------------------------------ elementwise
trunc = _direct(_arithmetic.trunc, np.trunc, _FLOAT)
modf = _direct(_rounding.modf, np.modf, _FLOAT)
frexp = _direct(_rounding.frexp, np.frexp, _FLOAT)
spacing = _direct(_rounding.spacing, np.spacing, _FLOAT)
signbit = _direct(_logic.signbit, np.signbit, _FLOAT_INT)
isreal = _direct(_logic.isreal, np.isreal, _FLOAT | COMPLEX)
nan_to_num = _direct(_rounding.nan_to_num, np.nan_to_num, _FLOAT)
real = _direct(_arithmetic.real, np.real, COMPLEX)
imag = _direct(_arithmetic.imag, np.imag, _FLOAT | COMPLEX)
angle = _direct(_rounding.angle, np.angle, COMPLEX, options="deg")
sinc = _direct(_elementary.sinc, np.sinc, _FLOAT)
iscomplex = _direct(_logic.iscomplex, np.iscomplex, _FLOAT | COMPLEX)
logical_not = _direct(_logic.logical_not, np.logical_not, _ANY)
fmod = _direct(_arithmetic.fmod, np.fmod, _FLOAT, 2)
nextafter = _direct(_elementary.nextafter, np.nextafter, _FLOAT, 2)
logaddexp = _direct(_elementary.logaddexp, np.logaddexp, _FLOAT, 2, when=_few)
logaddexp2 = _direct(_elementary.logaddexp2, np.logaddexp2, _FLOAT, 2, when=_few)
hypot = _direct(_elementary.hypot, np.hypot, _FLOAT, 2)
fmax = _direct(_arithmetic.fmax, np.fmax, _FLOAT_INT, 2)
fmin = _direct(_arithmetic.fmin, np.fmin, _FLOAT_INT, 2)
copysign = _direct(_rounding.copysign, np.copysign, _FLOAT, 2)
heaviside = _direct(_rounding.heaviside, np.heaviside, _FLOAT, 2)
logical_and = _direct(_logic.logical_and, np.logical_and, _ANY, 2)
logical_or = _direct(_logic.logical_or, np.logical_or, _ANY, 2)
logical_xor = _direct(_logic.logical_xor, np.logical_xor, _ANY, 2)
isclose = _direct(_comparing.isclose, np.isclose, _FLOAT, 2, "rtol atol equal_nan")
allclose = _direct(_comparing.allclose, np.allclose, _FLOAT, 2, "rtol atol equal_nan")
array_equal = _direct(_comparing.array_equal, np.array_equal, _ANY, 2)
array_equiv = _direct(_comparing.array_equiv, np.array_equiv, _ANY, 2)
floor_divide = _direct(_arithmetic.floor_divide, np.floor_divide, INTEGER, 2, when=_no_zero)
divmod = _direct(_arithmetic.divmod, np.divmod, INTEGER, 2, when=_no_zero)
gcd = _direct(_arithmetic.gcd, np.gcd, INTEGER, 2)
lcm = _direct(_arithmetic.lcm, np.lcm, INTEGER, 2)
left_shift = bitwise_left_shift = _direct(_logic.left_shift, np.left_shift, INTEGER, 2)
right_shift = bitwise_right_shift = _direct(_logic.right_shift, np.right_shift, INTEGER, 2)

# ------------------------------------------------------------------ reductions, differences
any = _direct(_reductions.any, np.any, _ANY, options="axis")
all = _direct(_reductions.all, np.all, _ANY, options="axis")
average = _direct(_statistics.average, np.mean, _FLOAT, options="axis", when=_some)
cumsum = _direct(_cumulative.cumsum, np.cumsum, _FLOAT | COMPLEX, options="axis")
cumprod = _direct(_cumulative.cumprod, np.cumprod, _FLOAT | COMPLEX, options="axis")
cumulative_sum = _direct(_cumulative.cumulative_sum, np.cumsum, _FLOAT, when=_vector)
cumulative_prod = _direct(_cumulative.cumulative_prod, np.cumprod, _FLOAT, when=_vector)
std = _direct(_moments.std, np.std, _FLOAT, options="axis", when=_some)
median = _direct(_quantiles.median, np.median, _FLOAT, options="axis", when=_some)
quantile = _direct(_quantiles.quantile, np.quantile, _FLOAT, options="q axis", when=_some)
percentile = _direct(_quantiles.percentile, np.percentile, _FLOAT, options="q axis", when=_some)
nanmedian = _direct(_quantiles.nanmedian, np.median, _FLOAT, options="axis", when=_some_without_nan)
nanquantile = _direct(
    _quantiles.nanquantile, np.quantile, _FLOAT, options="q axis", when=_some_without_nan
)
nanpercentile = _direct(
    _quantiles.nanpercentile, np.percentile, _FLOAT, options="q axis", when=_some_without_nan
)
nanmean = _direct(_nan_reductions.nanmean, np.mean, _FLOAT, options="axis", when=_some_without_nan)
nanvar = _direct(_nan_reductions.nanvar, np.var, _FLOAT, options="axis", when=_some_without_nan)
nanstd = _direct(_nan_reductions.nanstd, np.std, _FLOAT, options="axis", when=_some_without_nan)
nansum = _direct(_nan_reductions.nansum, np.nansum, _FLOAT, options="axis")
nanprod = _direct(_nan_reductions.nanprod, np.nanprod, _FLOAT, options="axis")
nancumsum = _direct(_cumulative.nancumsum, np.nancumsum, _FLOAT, options="axis")
nancumprod = _direct(_cumulative.nancumprod, np.nancumprod, _FLOAT, options="axis")
nanmax = _direct(
    _nan_reductions.nanmax, lambda x, axis=None: np.fmax.reduce(x, axis), _FLOAT, options="axis"
)
nanmin = _direct(
    _nan_reductions.nanmin, lambda x, axis=None: np.fmin.reduce(x, axis), _FLOAT, options="axis"
)
nanargmax = _direct(
    _nan_reductions.nanargmax, np.nanargmax, _FLOAT, options="axis", gives=_int, when=_some
)
nanargmin = _direct(
    _nan_reductions.nanargmin, np.nanargmin, _FLOAT, options="axis", gives=_int, when=_some
)
count_nonzero = _direct(
    _reductions.count_nonzero, np.count_nonzero, _ANY, options="axis", gives=_int
)
diff = _direct(_cumulative.diff, _differences, _EXACT, options="n axis")
ediff1d = _direct(_cumulative.ediff1d, np.ediff1d, _EXACT)
gradient = _direct(_cumulative.gradient, np.gradient, _FLOAT, when=_vector)
trapezoid = _direct(_cumulative.trapezoid, np.trapezoid, _FLOAT)

# ------------------------------------------------------------------ order and sets
sort = _direct(_sorting.sort, np.sort, _FLOAT_INT, options="axis")
argsort = _direct(
    _sorting.argsort,
    lambda x, axis=-1: np.argsort(x, axis, kind="stable"),
    _FLOAT_INT,
    options="axis",
    gives=_int,
)
digitize = _direct(_sorting.digitize, np.digitize, _FLOAT_INT, 2, "right", gives=_int)
unique = _direct(_sets.unique, _unique, _FLOAT_INT, options="return_index return_counts")
union1d = _direct(_sets.union1d, np.union1d, _FLOAT_INT, 2)
setxor1d = _direct(_sets.setxor1d, np.setxor1d, _FLOAT_INT, 2, when=_both_without_nan)
intersect1d = _direct(_sets.intersect1d, np.intersect1d, _FLOAT_INT, 2, when=_both_without_nan)
setdiff1d = _direct(_sets.setdiff1d, np.setdiff1d, _FLOAT_INT, 2, when=_both_without_nan)
isin = _direct(_sets.isin, np.isin, _FLOAT_INT, 2)
flatnonzero = _direct(_selection.flatnonzero, np.flatnonzero, _ANY, gives=_int)
argwhere = _direct(_selection.argwhere, np.argwhere, _ANY, gives=_int)
bincount = _direct(_histograms.bincount, np.bincount, INTEGER, gives=_int)
unravel_index = _direct(
    _positions.unravel_index, np.unravel_index, INTEGER, options="shape", gives=_int
)

# ------------------------------------------------------------------ shapes and places
diagonal = _direct(_diagonals.diagonal, np.diagonal, _ANY, options="offset axis1 axis2")
trace = _direct(_diagonals.trace, np.trace, _FLOAT | COMPLEX, options="offset axis1 axis2")
tril = _direct(_diagonals.tril, np.tril, _ANY, options="k")
triu = _direct(_diagonals.triu, np.triu, _ANY, options="k")
diag = _direct(_diagonals.diag, np.diag, _ANY, options="k")
vander = _direct(
    _diagonals.vander,
    lambda x, N=None, increasing=False: np.vander(x, N, increasing).astype(x.dtype),
    _EXACT,
    options="N increasing",
)
flip = _direct(_manipulation.flip, np.flip, _ANY, options="axis")
broadcast_to = _direct(_manipulation.broadcast_to, np.broadcast_to, _ANY, options="shape")
repeat = _direct(_manipulation.repeat, np.repeat, _ANY, options="repeats axis")
tile = _direct(_manipulation.tile, np.tile, _ANY, options="reps")
roll = _direct(_editing.roll, np.roll, _ANY, options="shift axis")
resize = _direct(_editing.resize, np.resize, _ANY, options="new_shape")
insert = _direct(_editing.insert, np.insert, _FLOAT, options="obj values axis")
delete = _direct(_editing.delete, np.delete, _ANY, options="obj axis")
pad = _direct(_editing.pad, _padded, _ANY, options="pad_width mode")
unstack = _direct(
    _joining.unstack, lambda x, axis=0: tuple(np.moveaxis(x, axis, 0)), _ANY, options="axis"
)
packbits = _direct(_editing.packbits, np.packbits, BOOL, options="axis bitorder")
unpackbits = _direct(_editing.unpackbits, np.unpackbits, INTEGER, options="axis")
append = _direct(_joining.append, np.append, _ANY, 2, "axis")
hstack = _sequence(_joining.hstack, np.hstack)
vstack = _sequence(_joining.vstack, np.vstack)
dstack = _sequence(_joining.dstack, np.dstack)
column_stack = _sequence(_joining.column_stack, np.column_stack)
eye = _made(_creation.eye, lambda N, M=None, k=0: np.eye(N, M, k, dtypes.default_float()), "N M k")
identity = _made(_creation.identity, lambda n: np.identity(n, dtypes.default_float()), "n")
tri = _made(_diagonals.tri, lambda N, M=None, k=0: np.tri(N, M, k, dtypes.default_float()), "N M k")
indices = _made(_grids.indices, lambda dimensions: np.indices(dimensions, _int()), "dimensions")

# ------------------------------------------------------------------ products
inner = _direct(_products.inner, np.inner, _FLOAT, 2)
outer = _direct(_products.outer, np.outer, _EXACT, 2)
kron = _direct(_products.kron, np.kron, _EXACT, 2)
vecdot = _direct(_products.vecdot, np.vecdot, _FLOAT, 2)
matvec = _direct(_products.matvec, lambda a, v: np.matmul(a, v[..., None])[..., 0], _FLOAT, 2)
vecmat = _direct(_products.vecmat, lambda v, a: np.matmul(v[..., None, :], a)[..., 0, :], _FLOAT, 2)
cross = _direct(
    _products.cross, np.cross, _EXACT, 2, when=lambda x, y: x.shape[-1] == y.shape[-1] == 3
)
interp = _direct(
    _signal.interp, lambda x, xp, fp: np.asarray(np.interp(x, xp, fp), x.dtype), _FLOAT, 3
)
polyadd = _direct(_polynomials.polyadd, np.polyadd, _FLOAT, 2)
polysub = _direct(_polynomials.polysub, np.polysub, _FLOAT, 2)
convolve = _direct(_signal.convolve, np.convolve, _FLOAT, 2, "mode")
correlate = _direct(_signal.correlate, np.correlate, _FLOAT, 2, "mode")
polyval = _direct(_polynomials.polyval, np.polyval, _FLOAT, 2, when=lambda p, x: p.ndim == 1)


# ------------------------------------------------------------------ of arrays of two dtypes
def _with_integers(
    general: F, numpys: Callable[..., Any], kinds: frozenset[np.dtype], axes: int = 0
) -> F:
    """A function of an array and one of integers, and perhaps an axis."""

    def short(x: Any, integers: Any, *axis: Any) -> Any:
        if type(x) is not Array or x.weak_type or type(integers) is not Array:
            return None
        if x._data.dtype not in kinds or integers._data.dtype not in INTEGER:
            return None
        if len(axis) > axes or not all_plain(axis):
            return None
        token = fp_enter()
        try:
            return Array(np.asarray(numpys(x._data, integers._data, *axis)))
        finally:
            fp_exit(token)

    return short_way(short)(general)


ldexp = _with_integers(_rounding.ldexp, np.ldexp, _FLOAT)
take_along_axis = _with_integers(
    _positions.take_along_axis, lambda x, i, axis=-1: np.take_along_axis(x, i, axis), _ANY, 1
)
