"""fx.numpy: reductions, running sums, statistics, products, polynomials, signals."""

from tests.functions.spec import row, rows

WHERE = "the result is positions"
MASK = "the result is a mask"
COUNTS = "the result is counts"

ROWS = [
    # Reductions.
    *rows("numpy: sum prod", "biufc[*]", rtol=1e-4),
    *rows("numpy: sum prod", "biufc[n,m]", call="x, axis=1, keepdims=True", rtol=1e-4),
    row("numpy.sum", "iufc[n,m]", "b[n,m]", call="x, axis=0, where=y"),
    row("numpy.sum", "iu[n,m]", call="x, dtype='float32', initial=2"),
    *rows("numpy: mean var std", "biufc[N,M]", rtol=1e-4),
    *rows("numpy: mean var std", "iufc[N,n]", call="x, axis=0", rtol=1e-4),
    *rows("numpy: var std", "f[3,n]", call="x, axis=0, ddof=1", rtol=1e-4),
    *rows("numpy: max min amax amin", "biuf[N,M]", order=1),
    *rows("numpy: max min", "biuf[N,m]", call="x, axis=0"),
    *rows("numpy: max min", "iuf[n,m]", call="x, axis=1, initial=0"),
    row("numpy.ptp", "iuf[N,m]", call="x, axis=0"),
    *rows("numpy: argmax argmin nanargmax nanargmin", "biuf[N,m]", call="x, axis=0", grad=WHERE),
    *rows("numpy: any all", "biufc[n,m]", call="x, axis=0", grad=MASK),
    *rows("numpy: any all", "biufc[*]", grad=MASK),
    row("numpy.count_nonzero", "biufc[*]", grad=COUNTS),
    row("numpy.count_nonzero", "biufc[n,m]", call="x, axis=1", grad=COUNTS),
    *rows("numpy: nansum nanprod", "biufc[n,m]", call="x, axis=0", rtol=1e-4),
    *rows("numpy: nanmean nanvar nanstd", "iufc[N,m]", call="x, axis=0", rtol=1e-4),
    *rows("numpy: nanmax nanmin", "iuf[N,m]", call="x, axis=0"),
    *rows("numpy: nancumsum nancumprod", "fc[n,m]", call="x, axis=0", rtol=1e-4),
    *rows("numpy: median nanmedian", "iuf[N,m]", call="x, axis=0"),
    *rows("numpy: quantile nanquantile", "f[3,M]", "f[k] 0.1..0.9", call="x, y, axis=0",
          one_dtype=True, rtol=1e-4),
    *rows("numpy: percentile nanpercentile", "f[3,M]", "f[k] 10..90", call="x, y, axis=0",
          one_dtype=True, rtol=1e-4),
    *[
        row("numpy.quantile", "f[3,m]", call=f"x, 0.3, axis=0, method={method!r}")
        for method in ("lower", "higher", "nearest", "midpoint")
    ],
    row("numpy.average", "iufc[N,M]", call="x, axis=0"),
    row("numpy.average", "f[3,m]", "f[3] 0.5..2", call="x, axis=0, weights=y", one_dtype=True),
    row("numpy.cov", "iufc[2,4]", rtol=1e-4),
    row("numpy.corrcoef", "iufc[2,4]", rtol=1e-3, values=False),
    row("numpy.corrcoef", "f[2,4]", rtol=1e-3),
    # Running.
    *rows("numpy: cumsum cumprod", "fc[n,m]", call="x, axis=1", rtol=1e-4),
    *rows("numpy: cumsum cumprod", "fc[*]", rtol=1e-4),
    *rows("numpy: cumulative_sum cumulative_prod", "fc[n]", rtol=1e-4),
    # Of narrow integers they are widened, as sums are; JAX lets them wrap.
    *rows("numpy: cumsum cumprod cumulative_sum cumulative_prod nancumsum nancumprod", "biu[n]",
        jax=False),
    row("numpy.cumulative_sum", "iufc[n,m]", call="x, axis=0, include_initial=True"),
    row("numpy.diff", "biufc[n,3]"),
    row("numpy.diff", "iufc[4,n]", call="x, 2, axis=0"),
    row("numpy.ediff1d", "iufc[n]"),
    row("numpy.gradient", "iuf[4,3]"),
    row("numpy.gradient", "f[4,3]", call="x, 0.5, axis=0"),
    row("numpy.trapezoid", "iufc[n,4]"),
    row("numpy.trapezoid", "f[n,4]", "f[4]", call="x, y"),
    # Histograms.
    row("numpy.bincount", "u[N] 0..4", jit=False),
    row("numpy.bincount", "i32[4] 0..2", "f[4]", call="x, y, length=3",
        ref="np.bincount(x, y, 3)[:3]"),
    row("numpy.histogram", "iuf[N]", call="x, 4, (-3, 3)", grad=COUNTS),
    row("numpy.histogram_bin_edges", "f[N]", call="x, 4"),
    # JAX counts in integers here and in floats in `histogram`; NumPy and fx in floats.
    row("numpy.histogram2d", "f[4]", "f[4]", call="x, y, 4, [(-4, 4), (-4, 4)]", jax=False,
        grad=COUNTS, one_dtype=True),
    row("numpy.histogramdd", "f[4,2]", call="x, 4, [(-4, 4), (-4, 4)]", jax=False, grad=COUNTS),
    # Products.
    *rows("numpy: dot matmul", "biufc[n,m]", "biufc[m,k]", rtol=1e-4),
    *rows("numpy: dot matmul inner", "biufc[n]", "biufc[n]", rtol=1e-4),
    row("numpy.matmul", "iufc[2,n,m]", "iufc[m]", rtol=1e-4),
    row("numpy.inner", "iufc[n,m]", "iufc[k,m]", rtol=1e-4),
    row("numpy.vdot", "iufc[n,m]", "iufc[n,m]", rtol=1e-4),
    row("numpy.vecdot", "iufc[2,n]", "iufc[n]", rtol=1e-4),
    row("numpy.matvec", "iufc[2,n,m]", "iufc[m]", rtol=1e-4),
    row("numpy.vecmat", "iufc[n]", "iufc[2,n,m]", rtol=1e-4),
    row("numpy.outer", "biufc[n]", "biufc[m]"),
    row("numpy.kron", "iufc[N,M]", "iufc[M]"),
    row("numpy.cross", "iufc[n,3]", "iufc[3]"),
    row("numpy.tensordot", "iufc[n,m,k]", "iufc[m,k]", call="x, y, 2", rtol=1e-4),
    row("numpy.einsum", "iufc[n,m]", "iufc[m,k]", call="'ij,jk->ki', x, y", rtol=1e-4),
    row("numpy.einsum", "iufc[n,n]", call="'ii->i', x"),
    # Polynomials and signals.
    row("numpy.polyval", "iufc[n]", "iufc[*]", rtol=1e-4),
    *rows("numpy: polyadd polysub", "iufc[N]", "iufc[M]"),
    row("numpy.polymul", "fc[3] 1..3", "fc[2] 1..3", one_dtype=True, rtol=1e-4),
    row("numpy.polydiv", "fc[4] 1..3", "fc[2] 1..3", one_dtype=True, rtol=1e-3,
        complex_grad=False, ref=""),
    row("numpy.polyder", "iufc[4]", call="x, 2"),
    row("numpy.polyint", "fc[4]", call="x, 2"),
    row("numpy.polyfit", "f[4]", "f[4]", call="jnp.cumsum(abs(x) + 0.5), y, 1",
        one_dtype=True, rtol=1e-3, order=1),
    row("numpy.poly", "f[3]", rtol=1e-3),
    row("numpy.roots", "f[4] 1..3", jit=False, wider=True, values=False, order=1),
    *rows("numpy: convolve correlate", "iufc[3]", "iufc[2]", rtol=1e-4),
    row("numpy.convolve", "f[4]", "f[3]", call="x, y, mode='same'", rtol=1e-4),
    # Questions about arrays.
    *rows("numpy: allclose", "biuf[*]", "biuf[~]", grad=MASK),
    *rows("numpy: array_equal array_equiv", "biufc[*]", "biufc[*]", grad=MASK),
]  # fmt: skip
