"""Special functions, activations and losses."""

from tests.differential.harness import row

ROWS = [
    row("[lax.lgamma(x), lax.digamma(x)]", x="f32[5] 0.3..4", rtol=1e-4),
    row("[lax.erf(x), lax.erfc(x)]", x="f32[6]"),
    row("lax.erf_inv(x)", x="f32[5] -0.8..0.8", rtol=1e-4),
    row("[lax.bessel_i0e(x), lax.bessel_i1e(x)]", x="f32[5]", rtol=1e-4),
    row("lax.igamma(a, x)", a=2.5, x="f32[4] 0.5..4", off="grad", rtol=1e-4),
    row("lax.igamma(jnp.full(4, 2.5), x)", x="f32[4] 0.5..4", rtol=2e-4),
    row("lax.igammac(a, x)", a="f32[4] 0.5..3", x="f32[4] 0.5..4", rtol=1e-3, off="second"),
    row(
        "lax.betainc(jnp.full(4, 2.0), jnp.full(4, 1.5), x)",
        x="f32[4] 0.1..0.9",
        rtol=1e-4,
        off="second",
    ),
    row("lax.polygamma(jnp.full(4, 2.0), x)", x="f32[4] 1..4", off="grad", rtol=1e-3),
    row("lax.zeta(jnp.full(4, 3.0), x)", x="f32[4] 1..4", off="grad", rtol=1e-4),
    row("lax.random_gamma_grad(a, x)", a="f32[3] 1..3", x="f32[3] 0.5..2", off="grad", rtol=1e-3),
    # Activations.
    row("nn.relu(x)", x="f32[8]"),
    row("[nn.relu6(4 * x), nn.hard_tanh(x), nn.leaky_relu(x), nn.leaky_relu(x, 0.2)]", x="f32[8]"),
    row("[nn.sigmoid(x), nn.log_sigmoid(x), nn.softplus(x), nn.soft_sign(x)]", x="f32[8]"),
    row("[nn.silu(x), nn.swish(x), nn.mish(x), nn.tanh(x)]", x="f32[8]"),
    row("nn.gelu(x)", x="f32[8]"),
    row("nn.gelu(x, approximate=False)", x="f32[8]"),
    row("[nn.elu(x), nn.celu(x, 1.5), nn.selu(x)]", x="f32[8]"),
    row("[nn.hard_sigmoid(2 * x), nn.hard_silu(2 * x), nn.squareplus(x)]", x="f32[8]"),
    row("[nn.sparse_plus(x), nn.sparse_sigmoid(x)]", x="f32[8]"),
    row("nn.glu(x)", x="f32[3,8]"),
    row("nn.relu(jnp.zeros(3) * x)", x="f32[3]"),
    row("nn.silu(x)", x="bf16[6]"),
    row("nn.gelu(x)", x="f16[6]", off="second vmapgrad"),
    row("nn.softmax(x)", x="f32[3,5]"),
    row("nn.softmax(x, axis=0)", x="f32[3,5]"),
    row("nn.softmax(x, where=x > -1)", x="f32[3,5]"),
    row("nn.log_softmax(x, axis=-1)", x="f32[3,5]"),
    row("nn.softmax(x)", x="bf16[2,4]", off="second vmapgrad"),
    row("nn.logsumexp(x, axis=1)", x="f32[3,4]"),
    row("nn.logsumexp(x, axis=1, b=y, keepdims=True)", x="f32[3,4]", y="f32[3,4] 0.2..1"),
    row("nn.logmeanexp(x, axis=0)", x="f32[3,4]"),
    row("nn.standardize(x)", x="f32[3,6]", rtol=1e-4),
    row("nn.one_hot(i, 5)", i="i32[4] 0..4"),
    row("nn.one_hot(i, 4, axis=0, dtype=jnp.bfloat16)", i="i32[3] 0..5"),
    row("nn.log1mexp(x)", x="f32[4] 0.2..3", rtol=1e-4),
    row("nn.identity(x) * 2", x="f32[4]"),
    # Losses and layers as users write them.
    row(
        "-jnp.mean(jnp.sum(nn.one_hot(y, 4) * nn.log_softmax(x), -1))",
        x="f32[5,4]",
        y="i32[5] 0..3",
    ),
    row(
        "jnp.mean(jnp.take_along_axis(-nn.log_softmax(x), y[:, None], 1))",
        x="f32[5,4]",
        y="i32[5] 0..3",
    ),
    row(
        "jnp.mean(jnp.logaddexp(0., -y * (x @ w + b)))", x="f32[6,3]", w="f32[3]", b=0.5, y="f32[6]"
    ),
    row("jnp.tanh(x @ w1 + b1) @ w2", x="f32[4,3]", w1="f32[3,5]", b1="f32[5]", w2="f32[5,2]"),
    row(
        "(x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1, keepdims=True) + 1e-5) * g + b",
        x="f32[3,8]",
        g="f32[8]",
        b="f32[8]",
        rtol=1e-4,
    ),
    row(
        "x * lax.rsqrt(jnp.mean(jnp.square(x), -1, keepdims=True) + 1e-6) * g",
        x="f32[2,8]",
        g="f32[8]",
    ),
    row(
        """
        scores = jnp.einsum('qhd,khd->hqk', q, k) / jnp.sqrt(q.shape[-1])
        mask = jnp.tril(jnp.ones((4, 4), bool))
        return jnp.einsum('hqk,khd->qhd', nn.softmax(jnp.where(mask, scores, -1e9)), v)
        """,
        q="f32[4,2,3]",
        k="f32[4,2,3]",
        v="f32[4,2,3]",
        rtol=1e-4,
    ),
    row(
        "nn.dot_product_attention(q, k, v)",
        q="f32[2,4,2,3]",
        k="f32[2,5,2,3]",
        v="f32[2,5,2,3]",
        rtol=1e-4,
    ),
    row(
        "nn.dot_product_attention(q, q, v, is_causal=True)",
        q="f32[1,4,2,3]",
        v="f32[1,4,2,3]",
        rtol=1e-4,
    ),
    row(
        "nn.dot_product_attention(q, k, v, bias=b, scale=0.5)",
        q="f32[4,2,3]",
        k="f32[5,2,3]",
        v="f32[5,2,3]",
        b="f32[1,2,4,5]",
        rtol=1e-4,
        off="vmap",
    ),
    row("jnp.mean(jnp.where(jnp.abs(d) < 1, 0.5 * d ** 2, jnp.abs(d) - 0.5))", d="f32[8]"),
    row("jnp.sum(p * (jnp.log(p) - jnp.log(q)))", p="f32[5] 0.1..1", q="f32[5] 0.1..1"),
    row("jnp.maximum(0., 1 - y * x).mean() + 0.1 * jnp.sum(x ** 2)", x="f32[6]", y="f32[6]"),
    row(
        "1 - jnp.sum(a * b) / (jnp.sqrt(jnp.sum(a**2)) * jnp.sqrt(jnp.sum(b**2)))",
        a="f32[5]",
        b="f32[5]",
    ),
    row(
        """
        d = jnp.sum((x[:, None] - y[None]) ** 2, -1)
        return jnp.exp(-d / 2)
        """,
        x="f32[3,2]",
        y="f32[4,2]",
    ),
    row(
        """
        h, c = s
        i, f, g, o = jnp.split(x @ w + h @ u, 4, axis=-1)
        c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
        return nn.sigmoid(o) * jnp.tanh(c), c
        """,
        s=("f32[2,3]", "f32[2,3]"),
        x="f32[2,4]",
        w="f32[4,12]",
        u="f32[3,12]",
    ),
    row(
        """
        z, r, h = jnp.split(x, 3)
        return (1 - nn.sigmoid(z)) * jnp.tanh(nn.sigmoid(r) * h)
        """,
        x="f32[9]",
    ),
    row(
        """
        angles = jnp.arange(4)[:, None] / 100.0 ** (jnp.arange(3) / 3)
        even, odd = x[..., ::2], x[..., 1::2]
        return jnp.concatenate([even * jnp.cos(angles) - odd * jnp.sin(angles),
                                even * jnp.sin(angles) + odd * jnp.cos(angles)], -1)
        """,
        x="f32[4,6]",
    ),
    row(
        """
        keep = random.bernoulli(random.key(0), 0.7, x.shape)
        return jnp.where(keep, x / 0.7, 0)
        """,
        x="f32[4,5]",
    ),
    row(
        """
        mean, log_std = x
        eps = random.normal(random.key(1), mean.shape)
        return mean + jnp.exp(log_std) * eps
        """,
        x=("f32[4]", "f32[4]"),
    ),
    row(
        "jnp.argmax(logits + random.gumbel(random.key(2), logits.shape), -1)",
        logits="f32[3,4]",
        off="grad",
    ),
]
