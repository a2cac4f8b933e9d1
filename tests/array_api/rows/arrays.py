"""Creation, dtypes, indexing, manipulation, searching, sets, sorting and statistics."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.array_api.harness import (
    ALL,
    BOOL,
    COMPLEX,
    FLOAT,
    INEXACT,
    INTEGER,
    NUMERIC,
    REAL,
    Row,
    arrays,
    axes_of,
    axis_of,
    one,
    shapes,
)


def row(name, args, program, **options):
    return Row(name, program, args, **options)


def drawn(function):
    """A strategy of argument tuples from a function of `draw`."""
    return st.composite(function)()


def dtype_of(xp, name):
    return None if name is None else getattr(xp, name)


# ------------------------------------------------------------------ creation
@drawn
def filled(draw):
    dtype = draw(st.sampled_from(ALL))
    return draw(shapes()), {"b": True, "f": 2.5, "c": 1 - 2j}.get(np.dtype(dtype).kind, 3), dtype


@drawn
def ranges(draw):
    start, stop = draw(st.integers(-9, 9)), draw(st.integers(-9, 9))
    step = draw(st.integers(1, 4)) * (1 if stop >= start else -1)
    return start, stop, step, draw(st.sampled_from([None, "int32", "int64", "float32", "float64"]))


@drawn
def intervals(draw):
    ends = st.floats(-9, 9, allow_subnormal=False)
    dtype = draw(st.sampled_from([None, *FLOAT]))
    return draw(ends), draw(ends), draw(st.integers(0, 9)), dtype, draw(st.booleans())


sizes = st.integers(0, 4)
triangles = st.tuples(arrays(ALL, shapes(low=2)), st.integers(-3, 3))

CREATION = [
    *(
        row(n, filled, lambda xp, s, v, d, n=n: getattr(xp, n)(s, dtype=dtype_of(xp, d)))
        for n in ("zeros", "ones")
    ),
    *(row(n, one(ALL), lambda xp, x, n=n: getattr(xp, n)(x)) for n in ("zeros_like", "ones_like")),
    row("empty", filled, lambda xp, s, v, d: xp.zeros_like(xp.empty(s, dtype=dtype_of(xp, d)))),
    row("empty_like", one(ALL), lambda xp, x: xp.zeros_like(xp.empty_like(x))),
    row("full", filled, lambda xp, s, v, d: [xp.full(s, v, dtype=dtype_of(xp, d)), xp.full(s, v)]),
    row(
        "full_like",
        st.tuples(arrays(NUMERIC), st.integers(0, 9)),
        lambda xp, x, v: xp.full_like(x, v),
    ),
    row(
        "eye",
        st.tuples(sizes, st.none() | sizes, st.integers(-5, 5), st.sampled_from([None, *ALL])),
        lambda xp, n, m, k, d: xp.eye(n, m, k=k, dtype=dtype_of(xp, d)),
    ),
    row("arange", ranges, lambda xp, a, b, c, d: xp.arange(a, b, c, dtype=dtype_of(xp, d))),
    row(
        "linspace",
        intervals,
        lambda xp, a, b, n, d, end: xp.linspace(a, b, n, dtype=dtype_of(xp, d), endpoint=end),
    ),
    row(
        "meshgrid",
        st.tuples(
            st.sampled_from(ALL).flatmap(
                lambda d: st.lists(arrays([d], shapes(low=1, high=1)), max_size=3)
            ),
            st.sampled_from(["xy", "ij"]),
        ),
        lambda xp, xs, order: xp.meshgrid(*xs, indexing=order),
    ),
    *(row(n, triangles, lambda xp, x, k, n=n: getattr(xp, n)(x, k=k)) for n in ("tril", "triu")),
    row("asarray", one(ALL), lambda xp, x: [xp.asarray(x), xp.asarray(x, copy=True)]),
    row(
        "asarray",
        st.tuples(st.lists(st.lists(st.integers(-9, 9), min_size=2, max_size=2)), st.booleans()),
        lambda xp, rows, x: [xp.asarray(rows), xp.asarray(x), xp.asarray(rows, dtype=xp.float32)],
    ),
    row("from_dlpack", one(ALL), lambda xp, x: xp.from_dlpack(x), jit=False),
]

# ------------------------------------------------------------------ dtypes
names = st.sampled_from(ALL)
kinds = st.sampled_from(
    ["bool", "signed integer", "unsigned integer", "integral", "real floating"]
    + ["complex floating", "numeric"]
)


def limits(info, fields):
    return [int(getattr(info, f)) if f == "bits" else float(getattr(info, f)) for f in fields]


_CASTS = [
    (d, e)
    for d in ALL
    for e in ALL
    if not (d in COMPLEX and e not in COMPLEX) and not (d in FLOAT and e in INTEGER)
]

DTYPES = [
    row(
        "astype",
        st.sampled_from(_CASTS).flatmap(lambda c: st.tuples(arrays([c[0]]), st.just(c[1]))),
        lambda xp, x, d: xp.astype(abs(x) if x.dtype != xp.bool else x, dtype_of(xp, d)),
    ),
    row(
        "can_cast",
        # Between kinds the standard leaves it open.
        st.sampled_from([BOOL, INTEGER, FLOAT + COMPLEX]).flatmap(
            lambda group: st.tuples(st.sampled_from(group), st.sampled_from(group))
        ),
        lambda xp, a, b: xp.can_cast(dtype_of(xp, a), dtype_of(xp, b)),
        jit=False,
    ),
    row(
        "isdtype",
        st.tuples(names, kinds | st.lists(kinds, min_size=1).map(tuple)),
        lambda xp, d, k: xp.isdtype(dtype_of(xp, d), k),
        jit=False,
    ),
    row(
        "finfo",
        st.tuples(st.sampled_from(INEXACT)),
        lambda xp, d: limits(
            xp.finfo(dtype_of(xp, d)), ["bits", "eps", "max", "min", "smallest_normal"]
        ),
        jit=False,
    ),
    row(
        "iinfo",
        st.tuples(st.sampled_from(INTEGER)),
        lambda xp, d: limits(xp.iinfo(dtype_of(xp, d)), ["bits", "max", "min"]),
        jit=False,
    ),
    row(
        "result_type",
        st.sampled_from([BOOL, INTEGER[:7], FLOAT + COMPLEX]).flatmap(
            lambda group: st.tuples(st.lists(st.sampled_from(group), min_size=1, max_size=3))
        ),
        lambda xp, ds: xp.zeros(1, dtype=xp.result_type(*(dtype_of(xp, d) for d in ds))),
        jit=False,
    ),
]


# ------------------------------------------------------------------ indexing and searching
@drawn
def indexed(draw):
    x = draw(arrays(ALL))
    index = draw(hnp.basic_indices(x.shape, allow_newaxis=True))
    index = index if isinstance(index, tuple) else (index,)
    return x, index if Ellipsis in index else (*index, Ellipsis)


@drawn
def masked(draw):
    x = draw(arrays(ALL, shapes(low=1)))
    return x, draw(arrays(BOOL, x.shape))


@drawn
def taken(draw):
    x = draw(arrays(ALL, shapes(low=1, smallest=1)))
    axis = draw(axis_of(x))
    n = x.shape[axis]
    return x, draw(hnp.arrays("int64", st.integers(0, 4), elements=st.integers(-n, n - 1))), axis


@drawn
def taken_along(draw):
    x = draw(arrays(ALL, shapes(low=1, smallest=1)))
    axis = draw(axis_of(x))
    n = x.shape[axis]
    shape = list(x.shape)
    shape[axis] = draw(st.integers(0, 4))
    return x, draw(hnp.arrays("int64", tuple(shape), elements=st.integers(-n, n - 1))), axis


@drawn
def searched(draw):
    dtype = draw(st.sampled_from(REAL))
    x = np.sort(draw(arrays([dtype], shapes(low=1, high=1, smallest=1))))
    return x, draw(arrays([dtype], shapes(high=2))), draw(st.sampled_from(["left", "right"]))


@drawn
def chosen(draw):
    shape, dtype = draw(shapes()), draw(st.sampled_from(ALL))
    return tuple(draw(arrays(d, shape)) for d in (BOOL, [dtype], [dtype]))


def reductions(dtypes, smallest=0):
    @drawn
    def args(draw):
        x = draw(arrays(dtypes, shapes(smallest=smallest), size=3))
        return x, draw(axes_of(x)), draw(st.booleans())

    return args


@drawn
def extremes(draw):
    x = draw(arrays(REAL, shapes(low=1, smallest=1)))
    return x, draw(st.none() | axis_of(x)), draw(st.booleans())


@drawn
def along(draw):
    x = draw(arrays(NUMERIC, shapes(low=1, smallest=1), size=3))
    return x, draw(axis_of(x))


@drawn
def ordered(draw):
    x = draw(arrays(REAL, shapes(low=1)))
    return x, draw(axis_of(x)), draw(st.booleans())


def sorted_values(xp, name, x):
    """Sets have no order in the standard; fx and strict both sort."""
    return list(getattr(xp, name)(x))


SEARCHING = [
    row("__getitem__", indexed, lambda xp, x, i: x[i]),
    row("__getitem__", masked, lambda xp, x, m: x[m], jit=False),
    row("take", taken, lambda xp, x, i, a: xp.take(x, i, axis=a)),
    row("take_along_axis", taken_along, lambda xp, x, i, a: xp.take_along_axis(x, i, axis=a)),
    *(
        row(n, extremes, lambda xp, x, a, k, n=n: getattr(xp, n)(x, axis=a, keepdims=k))
        for n in ("argmax", "argmin")
    ),
    row("nonzero", one(ALL, shapes(low=1)), lambda xp, x: xp.nonzero(x), jit=False),
    row("searchsorted", searched, lambda xp, x, v, s: xp.searchsorted(x, v, side=s)),
    row("where", chosen, lambda xp, c, x, y: xp.where(c, x, y)),
    *(
        row(n, one(ALL), lambda xp, x, n=n: sorted_values(xp, n, x), jit=False)
        for n in ("unique_all", "unique_counts", "unique_inverse")
    ),
    row("unique_values", one(ALL), lambda xp, x: xp.unique_values(x), jit=False),
    row("sort", ordered, lambda xp, x, a, d: xp.sort(x, axis=a, descending=d)),
    row("argsort", ordered, lambda xp, x, a, d: xp.argsort(x, axis=a, descending=d)),
]

# ------------------------------------------------------------------ statistics
STATISTICS = [
    *(
        row(n, reductions(ALL), lambda xp, x, a, k, n=n: getattr(xp, n)(x, axis=a, keepdims=k))
        for n in ("all", "any", "count_nonzero")
    ),
    *(
        row(n, reductions(NUMERIC), lambda xp, x, a, k, n=n: getattr(xp, n)(x, axis=a, keepdims=k))
        for n in ("sum", "prod")
    ),
    *(
        row(n, reductions(REAL, 1), lambda xp, x, a, k, n=n: getattr(xp, n)(x, axis=a, keepdims=k))
        for n in ("max", "min")
    ),
    row("mean", reductions(INEXACT, 1), lambda xp, x, a, k: xp.mean(x, axis=a, keepdims=k)),
    *(
        row(
            n,
            reductions(FLOAT, 3),
            lambda xp, x, a, k, n=n: getattr(xp, n)(x, axis=a, keepdims=k, correction=0.5),
        )
        for n in ("var", "std")
    ),
    *(
        row(
            n,
            along,
            lambda xp, x, a, n=n: [
                getattr(xp, n)(x, axis=a, include_initial=initial) for initial in (False, True)
            ],
        )
        for n in ("cumulative_sum", "cumulative_prod")
    ),
    row("diff", along, lambda xp, x, a: [xp.diff(x, axis=a), xp.diff(x, axis=a, n=2)]),
]


# ------------------------------------------------------------------ manipulation
@drawn
def joined(draw):
    x = draw(arrays(ALL, shapes(low=1)))
    return [x, x[::-1]], draw(axis_of(x))


@drawn
def one_axis(draw):
    x = draw(arrays(ALL, shapes(low=1)))
    return x, draw(axis_of(x))


@drawn
def permuted(draw):
    x = draw(arrays(ALL))
    return x, tuple(draw(st.permutations(range(x.ndim))))


@drawn
def some_axes(draw):
    x = draw(arrays(ALL))
    return x, draw(axes_of(x))


@drawn
def rolled(draw):
    x = draw(arrays(ALL, shapes(low=1)))
    return x, draw(st.integers(-4, 4)), draw(st.none() | axis_of(x))


@drawn
def repeated(draw):
    x = draw(arrays(ALL, shapes(low=1)))
    return x, draw(st.integers(0, 3)), draw(st.none() | axis_of(x))


MANIPULATION = [
    row(
        "broadcast_arrays",
        st.tuples(arrays(ALL, (3, 1)), arrays(ALL, (2,))),
        lambda xp, x, y: xp.broadcast_arrays(x, y),
    ),
    row(
        "broadcast_to",
        st.tuples(arrays(ALL, shapes(smallest=3)), st.integers(0, 3)),
        lambda xp, x, n: xp.broadcast_to(x, (n, *x.shape)),
    ),
    row("concat", joined, lambda xp, xs, a: [xp.concat(xs, axis=a), xp.concat(xs, axis=None)]),
    row("stack", joined, lambda xp, xs, a: xp.stack(xs, axis=a)),
    row("unstack", one_axis, lambda xp, x, a: xp.unstack(x, axis=a)),
    row("expand_dims", one_axis, lambda xp, x, a: xp.expand_dims(x, axis=a)),
    row("squeeze", one_axis, lambda xp, x, a: xp.squeeze(xp.expand_dims(x, axis=a), axis=a)),
    row("flip", some_axes, lambda xp, x, a: xp.flip(x, axis=a)),
    row("moveaxis", one_axis, lambda xp, x, a: xp.moveaxis(x, a, 0)),
    row("permute_dims", permuted, lambda xp, x, a: xp.permute_dims(x, a)),
    row("repeat", repeated, lambda xp, x, n, a: xp.repeat(x, n, axis=a)),
    row(
        "reshape",
        some_axes,
        lambda xp, x, a: [xp.reshape(x, (x.size,)), xp.reshape(x, (1, *x.shape))],
    ),
    row("roll", rolled, lambda xp, x, n, a: xp.roll(x, n, axis=a)),
    row(
        "tile",
        st.tuples(arrays(ALL), st.lists(st.integers(0, 2), max_size=3).map(tuple)),
        lambda xp, x, r: xp.tile(x, r),
    ),
]

ROWS = [*CREATION, *DTYPES, *SEARCHING, *STATISTICS, *MANIPULATION]
