"""Reductions, cumulative functions, statistics, contractions, convolutions and pooling."""

from tests.differential.harness import row

ROWS = [
    row("[x.sum(), x.sum(0), x.sum((0, 1), keepdims=True)]", x="f32[3,4]"),
    row("[x.mean(), x.mean(1), jnp.mean(x, axis=0, keepdims=True)]", x="f32[3,4]"),
    row("[x.max(), x.min(1), jnp.max(x, 0), jnp.ptp(x, axis=1)]", x="f32[3,4]"),
    row("[x.prod(), jnp.prod(x, axis=1)]", x="f32[2,3] 0.5..2"),
    row("jnp.prod(x)", x="f32[4]"),
    row(
        "[x.var(), x.std(0), jnp.var(x, ddof=1), jnp.std(x, axis=1, ddof=1)]",
        x="f32[3,4]",
        rtol=1e-4,
    ),
    row("[b.any(), b.all(0), jnp.any(b, axis=1, keepdims=True)]", b="b[3,4]"),
    row("[jnp.sum(x, where=x > 0), jnp.max(x, where=x < 1, initial=-5.)]", x="f32[3,4]"),
    row("jnp.mean(x, axis=1, where=x > -1)", x="f32[3,4]"),
    row("jnp.average(x, axis=0, weights=w)", x="f32[3,4]", w="f32[3] 0.2..1"),
    row(
        "y = jnp.where(x > 1, jnp.nan, x)\nreturn [jnp.nansum(y), jnp.nanmean(y), jnp.nanmax(y)]",
        x="f32[8]",
    ),
    row(
        "y = jnp.where(x > 1, jnp.nan, x)\nreturn [jnp.nanmedian(y), jnp.nanargmax(y)]",
        x="f32[8]",
        off="grad",
    ),
    row("jnp.max(jnp.array([1., 1., 0.]) * s)", s=2.0),
    row("jnp.max(x)", x="bf16[6]", off="second vmapgrad"),
    row("jnp.sum(x.astype(jnp.float16) * 100)", x="f32[6]", off="second vmapgrad"),
    row("jnp.sqrt(jnp.sum(jnp.square(x)))", x="f32[4]"),
    row("[jnp.sum(i), jnp.prod(i), jnp.max(i), jnp.mean(i), jnp.var(i)]", i="i32[5]"),
    row("[jnp.sum(i), jnp.cumsum(i.astype(jnp.int32)), i.dot(i)]", i="u8[5]"),
    row("[lax.reduce(x, 0., lax.add, (0,)), lax.reduce(x, -jnp.inf, lax.max, (1,))]", x="f32[3,4]"),
    row("lax.reduce(x, 1., lax.mul, (0,))", x="f32[3,2]"),
    row(
        "lax.reduce((x, y), (0., 1.), lambda a, b: (a[0] + b[0], a[1] * b[1]), (0,))",
        x="f32[3]",
        y="f32[3]",
        off="grad",
    ),
    # Cumulative.
    row("[jnp.cumsum(x), jnp.cumsum(x, axis=1), x.cumsum(0)]", x="f32[3,4]"),
    row("jnp.cumprod(x, axis=1)", x="f32[2,4] 0.5..2"),
    row("[lax.cumsum(x, 0), lax.cumsum(x, 1, reverse=True)]", x="f32[3,4]"),
    row("[lax.cummax(x, 0), lax.cummin(x, 1)]", x="f32[3,4]"),
    row("lax.cumprod(x, 0, reverse=True)", x="f32[4] 0.5..2"),
    row("lax.cumlogsumexp(x, 0)", x="f32[5]"),
    row("[jnp.diff(x), jnp.diff(x, n=2), jnp.ediff1d(x)]", x="f32[5]"),
    row("jnp.gradient(x)", x="f32[5]"),
    row("jnp.gradient(x, 0.5, axis=1)", x="f32[3,4]"),
    row("jnp.trapezoid(x, dx=0.5)", x="f32[5]"),
    row("jnp.cumulative_sum(x, include_initial=True)", x="f32[4]"),
    row("[jnp.cov(x), jnp.corrcoef(x)]", x="f32[3,6]", rtol=2e-4),
    row("jnp.add.reduce(x, axis=1)", x="f32[3,4]"),
    row("[jnp.add.accumulate(x), jnp.multiply.outer(x, x)]", x="f32[3]"),
    row("lax.associative_scan(jnp.add, x)", x="f32[7]"),
    row(
        "lax.associative_scan(lambda a, b: (a[0] * b[0], a[1] * b[0] + b[1]), (x, y))",
        x="f32[6]",
        y="f32[6]",
    ),
    row("lax.associative_scan(jnp.maximum, x, reverse=True, axis=1)", x="f32[2,5]"),
    # Products.
    row("[jnp.dot(x, y), jnp.inner(x, y), jnp.vdot(x, y)]", x="f32[4]", y="f32[4]"),
    row("jnp.dot(x, y)", x="f32[2,3]", y="f32[4,3,2]"),
    row("jnp.matmul(x, y)", x="f32[5,2,3]", y="f32[3,2]"),
    row("jnp.tensordot(x, y, axes=([1, 2], [0, 1]))", x="f32[2,3,4]", y="f32[3,4,2]"),
    row("jnp.tensordot(x, y, 1)", x="f32[2,3]", y="f32[3,4]"),
    row("[jnp.kron(x, y), jnp.cross(x[0], y[:3, 0])]", x="f32[2,3]", y="f32[3,2]"),
    row("[jnp.outer(x, y), jnp.multiply.outer(x, y)]", x="f32[2]", y="f32[3]"),
    row("jnp.einsum('ij,jk->ik', x, y)", x="f32[2,3]", y="f32[3,4]"),
    row("[jnp.einsum('ii', x), jnp.einsum('ii->i', x), jnp.einsum('ij->ji', x)]", x="f32[3,3]"),
    row("jnp.einsum('bij,bjk,k->bi', x, y, z)", x="f32[2,3,4]", y="f32[2,4,2]", z="f32[2]"),
    row("jnp.einsum('...ij,...j->...i', x, y)", x="f32[2,3,4]", y="f32[4]"),
    row("jnp.einsum('i,i,i->', x, x, x)", x="f32[4]"),
    row("jnp.einsum(x, [0, 1], y, [1, 2], [2, 0])", x="f32[2,3]", y="f32[3,4]"),
    row(
        "jnp.einsum('ij,ij->i', x, y, preferred_element_type=jnp.float32)",
        x="bf16[2,3]",
        y="bf16[2,3]",
        off="second vmapgrad",
    ),
    row("lax.dot_general(x, y, (((2,), (1,)), ((0,), (0,))))", x="f32[2,3,4]", y="f32[2,4,5]"),
    row("lax.dot(x, y)", x="f32[2,3]", y="f32[3,4]"),
    row("lax.batch_matmul(x, y)", x="f32[2,3,4]", y="f32[2,4,2]"),
    row("x @ y", x="bf16[3,4]", y="bf16[4,2]", off="second vmapgrad"),
    row("x @ y", x="i32[3,4]", y="i32[4,2]"),
    row("x @ y", x="c64[2,3]", y="f32[3,2]"),
    row("jnp.matvec(x, v) + jnp.vecmat(u, x)[..., :2]", x="f32[2,3]", v="f32[3]", u="f32[2]"),
    row("jnp.convolve(x, y)", x="f32[5]", y="f32[3]"),
    row(
        "jnp.convolve(x, y, mode='same') + jnp.correlate(x, y, mode='same')", x="f32[5]", y="f32[3]"
    ),
    row("x @ x.T @ x - 2 * x", x="f32[3,3]"),
    # Convolutions and pooling.
    row("lax.conv(x, k, (1, 1), 'SAME')", x="f32[1,2,5,5]", k="f32[3,2,3,3]", rtol=1e-4),
    row("lax.conv(x, k, (2, 1), 'VALID')", x="f32[2,1,6,5]", k="f32[2,1,3,2]", rtol=1e-4),
    row(
        "lax.conv_with_general_padding(x, k, (1,), [(2, 1)], (2,), (1,))",
        x="f32[1,2,4]",
        k="f32[2,2,3]",
        rtol=1e-4,
    ),
    row(
        """
        return lax.conv_general_dilated(
            x, k, (1, 2), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC'))
        """,
        x="f32[1,5,5,2]",
        k="f32[3,3,2,4]",
        rtol=1e-4,
    ),
    row(
        """
        return lax.conv_general_dilated(
            x, k, (1,), [(1, 2)], lhs_dilation=(2,), rhs_dilation=(2,), feature_group_count=2)
        """,
        x="f32[2,4,6]",
        k="f32[6,2,2]",
        rtol=1e-4,
    ),
    row(
        "lax.conv_general_dilated(x, k, (1,), 'SAME', batch_group_count=2)",
        x="f32[4,3,5]",
        k="f32[4,3,2]",
        rtol=1e-4,
    ),
    row(
        """
        return lax.conv_transpose(
            x, k, (2, 2), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC'))
        """,
        x="f32[1,3,3,2]",
        k="f32[3,3,2,2]",
        rtol=1e-4,
    ),
    row("lax.conv_general_dilated_patches(x, (2, 2), (1, 1), 'VALID')", x="f32[1,2,3,3]"),
    row(
        "lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), 'VALID')",
        x="f32[1,4,4,2]",
    ),
    row("lax.reduce_window(x, 0., lax.add, (2, 3), (1, 2), 'SAME')", x="f32[4,5]"),
    row("lax.reduce_window(x, jnp.inf, lax.min, (3,), (1,), [(1, 1)])", x="f32[6]", off="second"),
    row("lax.reduce_window(x, 0., lax.add, (2,), (1,), 'VALID', (2,), (2,))", x="f32[4]"),
    row(
        """
        s = lax.reduce_window(x, 0., lax.add, (1, 2, 2, 1), (1, 2, 2, 1), 'SAME')
        n = lax.reduce_window(jnp.ones_like(x), 0., lax.add, (1, 2, 2, 1), (1, 2, 2, 1), 'SAME')
        return s / n
        """,
        x="f32[1,3,5,1]",
    ),
    row(
        """
        x = lax.conv_general_dilated(
            x, k, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC'))
        x = nn.relu(x + b)
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), 'VALID')
        return x.mean((1, 2)) @ w
        """,
        x="f32[2,4,4,1]",
        k="f32[3,3,1,3]",
        b="f32[3]",
        w="f32[3,2]",
        rtol=1e-4,
        off="second",
    ),
]
