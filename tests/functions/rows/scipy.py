"""fx.scipy but for its linalg, which is in algebra.py."""

from tests.functions.spec import row, rows

COUNTS = "the result is ranks or counts"

# Distribution: range of x, its shape parameters, and the functions it has besides the density.
_LINE = {
    "beta": ("0.1..0.9", "abs(y) + 1.2, abs(z) + 1.2", "logpdf pdf cdf sf logcdf logsf"),
    "cauchy": ("-3..3", "y, abs(z) + 0.5", "logpdf pdf cdf sf logcdf logsf"),
    "chi2": ("0.5..3", "abs(y) + 2", "logpdf pdf cdf sf logcdf logsf"),
    "expon": ("1..3", "y / 9, abs(z) + 0.5", "logpdf pdf cdf sf logcdf logsf"),
    "gamma": ("0.5..3", "abs(y) + 1.2", "logpdf pdf cdf sf logcdf logsf"),
    "gennorm": ("-3..3", "abs(y) + 1.2", "logpdf pdf cdf"),
    "gumbel_l": ("-3..1", "y, abs(z) + 0.5", "logpdf pdf cdf sf logcdf logsf"),
    "gumbel_r": ("-1..3", "y, abs(z) + 0.5", "logpdf pdf cdf sf logcdf logsf"),
    "laplace": ("-3..3", "y, abs(z) + 0.5", "logpdf pdf cdf"),
    "logistic": ("-3..3", "y, abs(z) + 0.5", "logpdf pdf cdf sf"),
    "norm": ("-3..3", "y, abs(z) + 0.5", "logpdf pdf cdf sf logcdf logsf"),
    "pareto": ("1.2..3", "abs(y) + 1", "logpdf pdf cdf sf logcdf logsf"),
    "t": ("-3..3", "abs(y) + 1", "logpdf pdf"),
    "truncnorm": ("-0.9..0.9", "-abs(y) - 1, abs(z) + 1", "logpdf pdf cdf sf logcdf logsf"),
    "uniform": ("0.1..0.9", "-abs(y), abs(z) + 3.9", "logpdf pdf cdf"),
    "vonmises": ("-3..3", "abs(y) + 0.5", "logpdf pdf"),
    "wrapcauchy": ("0.1..3", "abs(y) / 9 + 0.1", "logpdf pdf"),
}
_INVERSE = {
    "ppf": ("cauchy expon gumbel_l gumbel_r logistic norm pareto uniform", "0.1..0.9"),
    "isf": ("cauchy logistic norm", "0.1..0.9"),
}
_COUNTS = {
    "bernoulli": ("0..1", "abs(y) / 9 + 0.1", "logpmf pmf cdf"),
    "betabinom": ("0..4", "4, abs(y) + 1, abs(z) + 1", "logpmf pmf"),
    "binom": ("0..4", "4, abs(y) / 9 + 0.1", "logpmf pmf"),
    "geom": ("1..4", "abs(y) / 9 + 0.1", "logpmf pmf"),
    "nbinom": ("0..4", "3, abs(y) / 9 + 0.1", "logpmf pmf"),
    "poisson": ("0..4", "abs(y) + 0.5", "logpmf pmf cdf"),
}
# The lower of their arguments, in which the incomplete functions have a second derivative.
_ONCE = {"beta": 1, "chi2": 1, "gamma": 1, "gennorm": 1, "truncnorm": 2}

ROWS = [
    # Special functions.
    *[
        row(f"scipy.special.{f}", spec, rtol=1e-4, **flags)
        for names, spec, flags in [
            ("digamma gammaln", "iuf[*] 0.6..4", {}),
            ("gamma factorial", "f[*] 0.6..4", {}),
            ("loggamma", "f[*] 0.6..4", {}),
            ("gammasgn", "f[*]", {"order": 1}),
            ("entr", "iuf[*] 0.5..3", {}),
            ("erf erfc expit", "iuf[*]", {}),
            ("ndtr", "iuf[*]", {"wider": True, "weak": False}),
            ("log_ndtr", "f[*]", {"wider": True, "weak": False}),
            ("i0 i0e i1 i1e", "f[*]", {}),
            ("erfinv logit", "f[*] 0.1..0.9", {}),
            ("ndtri", "f[*] 0.1..0.9", {"wider": True, "weak": False}),
        ]
        for f in names.split()
    ],
    row("scipy.special.multigammaln", "f[*] 3..5", call="x, 2", rtol=1e-4),
    *[
        row(f"scipy.special.{f}", spec, other, rtol=1e-3, **flags)
        for names, spec, other, flags in [
            ("beta betaln poch", "f[*] 0.6..4", "f[~] 0.6..4", {"weak": False}),
            ("gammainc gammaincc", "f[*] 0.6..3", "f[~] 0.6..3", {"order": 1}),
            ("boxcox boxcox1p", "f[*] 0.6..3", "f[~] 0.6..3", {}),
            ("kl_div rel_entr xlogy xlog1py", "iuf[*] 1..3", "iuf[~] 1..3", {"weak": False}),
        ]
        for f in names.split()
    ],
    row("scipy.special.betainc", "f[*] 0.1..0.9", call="2.0, 1.5, x",
        ref="scipy.special.betainc(2.0, 1.5, x)", rtol=1e-3),
    row("scipy.special.polygamma", "f[*] 1..4", call="2, x", rtol=1e-3,
        ref="scipy.special.polygamma(2, x)"),
    row("scipy.special.zeta", "f[*] 1..4", call="3.0, x", rtol=1e-3,
        ref="scipy.special.zeta(3.0, x)"),
    *rows("scipy.special: logsumexp softmax log_softmax", "f[N,M]", call="x, axis=0", rtol=1e-4),
    # Distributions.
    *[
        row(f"scipy.stats.{d}.{f}", f"f[*] {span}", "f[*]", *(["f[*]"] if "z" in shapes else []),
            call=f"x, {shapes}", one_dtype=True, rtol=2e-3, order=_ONCE.get(d, 2),
            wider=d in ("norm", "truncnorm"),
            grad="in the shape parameters of the incomplete beta function none is known"
            if d == "beta" and f[-3:] in ("cdf", "sf", "gsf") else "")
        for d, (span, shapes, functions) in _LINE.items()
        for f in functions.split()
    ],
    *[
        row(f"scipy.stats.{d}.{f}", f"f[*] {span}", rtol=2e-3, wider=d == "norm",
            call="x, 2.5" if d == "pareto" else "x")
        for f, (names, span) in _INVERSE.items()
        for d in names.split()
    ],
    row("scipy.stats.bernoulli.ppf", "f[*] 0.1..0.9", call="x, 0.3", values=False, grad=COUNTS),
    *[
        row(f"scipy.stats.{d}.{f}", f"f[*] {span}", "f[*]", *(["f[*]"] if "z" in shapes else []),
            call=f"jnp.round(x), {shapes}", one_dtype=True, rtol=2e-3, order=1)
        for d, (span, shapes, functions) in _COUNTS.items()
        for f in functions.split()
    ],
    *[
        row(f"scipy.stats.dirichlet.{f}", "f[3]", "f[3]", call="simplex(x), abs(y) + 0.5",
            one_dtype=True, rtol=2e-3, values=False)
        for f in ("logpdf", "pdf")
    ],
    *[
        row(f"scipy.stats.multinomial.{f}", "f[3]", call="np.array([1, 2, 1]), 4, simplex(x)",
            rtol=2e-3, values=False, grad="the probabilities are bound to sum 1")
        for f in ("logpmf", "pmf")
    ],
    *[
        row(f"scipy.stats.multivariate_normal.{f}", "f[n,3]", "f[3]", "f[3,3]",
            call="x, y, spd(z)", one_dtype=True, rtol=2e-3, values=False)
        for f in ("logpdf", "pdf")
    ],
    row("scipy.stats.mode", "iuf[3,m]", grad=COUNTS, values=False),
    row("scipy.stats.rankdata", "iuf[n]", grad=COUNTS),
    row("scipy.stats.sem", "iuf[4,m]", rtol=1e-3),
    # Signals.
    *[
        row(f"scipy.signal.{f}", spec, spec, rtol=1e-3, call=f"x, y, mode={mode!r}",
            wider=f == "fftconvolve")
        for f, spec in {
            "convolve": "fc[3]",
            "correlate": "fc[3]",
            "fftconvolve": "f[3,2]",
            "convolve2d": "f[3,2]",
            "correlate2d": "f[3,2]",
        }.items()
        for mode in ("full", "same", "valid")
    ],
    *rows("scipy.fft: dct idct", "f[2,N]", rtol=1e-3, call="x"),
    *rows("scipy.fft: dctn idctn", "f[N,M]", rtol=1e-3),
    row("scipy.fft.dct", "f[4,m]", call="x, axis=0, norm='ortho'", rtol=1e-3),
    row("scipy.integrate.trapezoid", "iufc[n,4]"),
    row("scipy.ndimage.map_coordinates", "f[4,4]", "f[3] 0.1..2.9", "f[3] 0.1..2.9",
        call="x, [y, z], 1", ref="scipy.ndimage.map_coordinates(x, [y, z], order=1)",
        rtol=1e-2, order=1),
    # Solvers.
    *[
        row(f"scipy.sparse.linalg.{f}", "f[3,3]", "f[3]", call="spd(x), y", rtol=1e-2,
            one_dtype=True, order=1, values=False)
        for f in ("cg", "bicgstab")
    ],
    row("scipy.sparse.linalg.gmres", "f[3,3]", "f[3]", call="spd(x), y", one_dtype=True,
        order=1, values=False, jax=False),  # in place of None JAX has a number
    row("scipy.optimize.minimize", call="lambda v: ((v - 1.0) ** 2).sum(), jnp.zeros(2), "
        "method='BFGS'", values=False, weak=False,
            grad="reverse mode through a search: tests/scipy"),
]  # fmt: skip
