"""fx.nn, fx.random and fx.image."""

from tests.functions.spec import row, rows

COUNTS = "the result is counts, bits or masks"
IMPLICIT = "a derivative of the distribution, not of the sample: tests/random/test_gradients.py"
KEYS = "keys have no derivative"
DRAWN = "no parameter is an array"
FLOAT = "iuf[*]"

ROWS = [
    # Activations.
    row("nn.relu", FLOAT, ref="np.maximum(x, 0)"),
    row("nn.relu6", FLOAT, ref="np.clip(x, 0, 6)"),
    *rows("nn: sigmoid", "iuf[*]", ref="1 / (1 + np.exp(-x))"),
    row("nn.log_sigmoid", FLOAT, ref="-np.log1p(np.exp(-x))"),
    row("nn.softplus", FLOAT, ref="np.logaddexp(x, 0)"),
    row("nn.soft_sign", "f[*]", ref="x / (1 + abs(x))"),
    *rows("nn: silu swish", FLOAT, ref="x / (1 + np.exp(-x))", wider=True),
    row("nn.tanh", FLOAT, ref="np.tanh"),
    row("nn.mish", "f[*]", ref="x * np.tanh(np.log1p(np.exp(x)))"),
    row("nn.gelu", FLOAT, weak=False,
        ref="x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))"),
    row("nn.gelu", "f[*]", weak=False, call="x, approximate=False",
        ref="x / 2 * (1 + scipy.special.erf(x / np.sqrt(2)))", rtol=1e-4),
    row("nn.elu", "f[*]", ref="np.where(x > 0, x, np.expm1(x))"),
    row("nn.celu", "f[*]", call="x, 1.5", ref="np.where(x > 0, x, 1.5 * np.expm1(x / 1.5))"),
    row("nn.selu", "f[*]",
        ref="1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x))"),
    row("nn.leaky_relu", "f[*]", ref="np.where(x > 0, x, 0.01 * x)"),
    row("nn.hard_tanh", FLOAT, ref="np.clip(x, -1, 1)"),
    row("nn.hard_sigmoid", "f[*] -2.9..2.9", ref="np.clip(x + 3, 0, 6) / 6"),
    *rows("nn: hard_silu hard_swish", "f[*] -2.9..2.9", ref="x * np.clip(x + 3, 0, 6) / 6"),
    row("nn.squareplus", "f[*]", ref="(x + np.sqrt(x * x + 4)) / 2"),
    row("nn.sparse_plus", "f[*]", ref="np.where(x < -1, 0, np.where(x > 1, x, (x + 1)**2 / 4))"),
    row("nn.sparse_sigmoid", "f[*]", ref="np.clip((x + 1) / 2, 0, 1)"),
    row("nn.log1mexp", "f[*] 0.2..3", ref="np.log(-np.expm1(-x))", rtol=1e-4),
    row("nn.identity", "biufc[*]", ref="x"),
    row("nn.glu", "f[n,4]", ref="x[:, :2] / (1 + np.exp(-x[:, 2:]))"),
    # Over axes.
    row("nn.softmax", "f[N,m]", call="x, axis=0", ref="scipy.special.softmax(x, 0)"),
    row("nn.softmax", "f[n,M]", "b[n,M]", call="x, where=y | (jnp.arange(x.shape[1]) == 0)",
        ref=""),
    row("nn.log_softmax", "f[N,m]", call="x, axis=0", ref="scipy.special.log_softmax(x, 0)",
        rtol=1e-4),
    row("nn.logsumexp", "f[N,m]", call="x, axis=0", ref="np.log(np.sum(np.exp(x), 0))"),
    row("nn.logmeanexp", "f[N,m]", call="x, axis=0", ref="np.log(np.mean(np.exp(x), 0))"),
    row("nn.standardize", "f[n,4]", rtol=1e-3,
        ref="(x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)"),
    row("nn.one_hot", "i32[*] -1..4", call="x, 4", ref="np.equal(x[..., None], np.arange(4))",
        grad=COUNTS),
    row("nn.dot_product_attention", "f[1,3,2,4]", "f[1,2,2,4]", "f[1,2,2,4]", one_dtype=True,
        rtol=1e-3),
    # Keys.
    row("random.key", call="7", values=False, jax=False, grad=KEYS),
    row("random.PRNGKey", call="7", grad=KEYS),
    row("random.key_data", call="random.key(7)", grad=KEYS),
    row("random.key_impl", call="random.key(7)", grad=KEYS, values=False, jax=False),
    row("random.key_dtype", call="", grad=KEYS, values=False, jax=False),
    row("random.wrap_key_data", call="np.array([1, 2], 'uint32')", values=False, jax=False,
        grad=KEYS),
    row("random.clone", call="random.PRNGKey(7)", grad=KEYS),
    row("random.fold_in", "iu[]", call="random.PRNGKey(7), x", grad=KEYS),
    row("random.split", call="random.PRNGKey(7), 3", grad=KEYS),
    # Samples. Bits and floats are compared with JAX's in tests/random.
    *[
        row(f"random.{f}", call="random.key(7), (2, 0, 3)", values=False, grad=DRAWN)
        for f in ("uniform", "normal", "bits", "rademacher", "cauchy", "exponential", "gumbel",
                  "laplace", "logistic", "maxwell")
    ],
    *[
        row(f"random.{f}", call=f"random.key(7), (3,), {d!r}", grad=DRAWN, rtol=1e-4,
            values=f in ("uniform", "bits"))
        for f, types in {
            "uniform": ("float16", "bfloat16", "float32"),
            "normal": ("float16", "bfloat16"),
            "bits": ("uint8", "uint16", "uint32"),
        }.items()
        for d in types
    ],
    row("random.uniform", "f[~]", "f[*]", call="random.key(7), jnp.broadcast_shapes(np.shape(x), "
        "np.shape(y)), minval=x, maxval=y + 9", values=False),
    row("random.randint", "i32[~] 0..2", "i32[*] 3..9", values=False, grad=COUNTS,
        call="random.key(7), jnp.broadcast_shapes(x.shape, y.shape), x, y"),
    row("random.bernoulli", "f[*] 0..1", call="random.key(7), x", values=False, grad=COUNTS),
    row("random.categorical", "f[N,2]", call="random.key(7), x", values=False, grad=COUNTS),
    row("random.choice", "biuf[3]", call="random.key(7), x, (2, 0)", values=False),
    row("random.permutation", "biuf[n]", call="random.key(7), x", values=False),
    *[
        row(f"random.{f}", "f[*] 1..3", call="random.key(7), x", values=False, **flags)
        for f, flags in {
            "gamma": {"grad": IMPLICIT},
            "loggamma": {"grad": IMPLICIT},
            "chisquare": {"grad": IMPLICIT},
            "t": {"grad": IMPLICIT},
            "pareto": {},
            "rayleigh": {},
            "lognormal": {},
            "wald": {},
            "poisson": {"grad": COUNTS},
        }.items()
    ],
    row("random.geometric", "f[*] 0.1..0.9", call="random.key(7), x", values=False, grad=COUNTS),
    row("random.generalized_normal", "f[*] 1..3", call="random.key(7), x, np.shape(x)",
        values=False,
        grad=IMPLICIT),
    *[
        row(f"random.{f}", "f[*] 1..3", "f[*] 1..3", call="random.key(7), x, y", values=False,
            grad=IMPLICIT)
        for f in ("beta", "f")
    ],
    *[
        row(f"random.{f}", "f[*] 1..3", "f[*] 1..3", call="random.key(7), x, y, np.shape(x)",
            values=False)
        for f in ("double_sided_maxwell", "weibull_min")
    ],
    row("random.truncated_normal", "f[*] -2..-1", "f[*] 1..2", call="random.key(7), x, y",
        values=False, one_dtype=True),
    row("random.triangular", "f[*] -2..-1", "f[*] -0.5..0.5", "f[*] 1..2",
        call="random.key(7), x, y, z", values=False),
    row("random.binomial", "f[*] 1..9", "f[*] 0.1..0.9", call="random.key(7), jnp.round(x), y",
        values=False, grad=COUNTS, one_dtype=True),
    row("random.multinomial", "f[3]", call="random.key(7), 9, simplex(x)", values=False,
        grad=COUNTS),
    row("random.dirichlet", "f[3] 1..3", call="random.key(7), x", values=False, grad=IMPLICIT),
    row("random.multivariate_normal", "f[3]", "f[3,3]", call="random.key(7), x, spd(y)",
        values=False, one_dtype=True),
    row("random.orthogonal", call="random.key(7), 3", values=False, grad=DRAWN),
    row("random.ball", call="random.key(7), 3", values=False, grad=DRAWN),
    # Images.
    row("image.resize", "f[4,3]", call="x, (2, 5), 'linear'", rtol=1e-4),
    row("image.resize", "f[4,3]", call="x, (2, 5), 'cubic'", rtol=1e-4),
    row("image.scale_and_translate", "f[4,3]", rtol=1e-4,
        call="x, (3, 4), (0, 1), jnp.ones(2, x.dtype) * 1.25, jnp.ones(2, x.dtype), 'linear'"),
]  # fmt: skip
