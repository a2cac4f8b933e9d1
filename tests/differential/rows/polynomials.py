"""Polynomials."""

from tests.differential.harness import row

ROWS = [
    row("jnp.polyval(p, x)", p="f32[4]", x="f32[2,3]"),
    row("jnp.polyval(p, x)", p="i32[3]", x="i32[4]"),
    row("jnp.polyval(p, 2)", p="f32[3]"),
    row("jnp.polyval(p, x)", p="f32[40] -1..1", x="f32[3] -1..1"),
    row("jnp.polyval(p, x)", p="f32[0]", x="f32[3]"),
    row("jnp.polyval(p, z)", p="f32[3]", z="c64[2]"),
    row("[jnp.polyadd(p, q), jnp.polysub(p, q)]", p="f32[4]", q="f32[2]"),
    row("[jnp.polyadd(p, q), jnp.polysub(p, q)]", p="i32[2]", q="i32[3]"),
    row("jnp.polymul(p, q)", p="f32[4]", q="f32[3]"),
    row("jnp.polymul(p, q)", p="i32[2]", q="i32[3]"),
    row("jnp.polydiv(p, q)", p="f32[5]", q="f32[3] 1..2", rtol=1e-4),
    row("jnp.polydiv(p, q)", p="f32[2]", q="f32[2] 1..2"),
    row(
        "jnp.polydiv(p, q, trim_leading_zeros=True)[0]", p="f32[4]", q="f32[3] 1..2", off="jit grad"
    ),
    row("[jnp.polyder(p), jnp.polyder(p, 2), jnp.polyder(p, 0)]", p="f32[5]"),
    row("jnp.polyder(p)", p="i32[4]"),
    row("[jnp.polyint(p), jnp.polyint(p, 2), jnp.polyint(p, k=3.)]", p="f32[4]"),
    row("jnp.polyint(p, 2, k)", p="f32[3]", k="f32[2]"),
    row("jnp.polyint(p)", p="i32[3]"),
    row("jnp.poly(x)", x="f32[4]", rtol=1e-4),
    row("jnp.poly(x)", x="i32[3] -3..3", off="grad"),
    row("jnp.poly(x)", x="f32[3,3]", off="grad vmap", rtol=1e-4),
    row("jnp.sort_complex(jnp.roots(p))", p="f32[4] 0.5..2", off="jit grad", rtol=1e-4),
    row("jnp.sort_complex(jnp.roots(jnp.array([0., 1., -3., 2., 0., 0.])))", off="jit", rtol=1e-4),
    row("jnp.roots(p, strip_zeros=False).sum().real", p="f32[4] 0.5..2", off="grad", rtol=1e-4),
    row("jnp.polyfit(x, y, 2)", x="f32[7]", y="f32[7]", off="second vmapgrad", rtol=1e-3),
    row("jnp.polyfit(x, y, 1)", x="f32[6]", y="f32[6,2]", off="second vmapgrad", rtol=1e-3),
    row(
        "jnp.polyfit(x, y, 1, w=w)",
        x="f32[6]",
        y="f32[6]",
        w="f32[6] 0.5..1",
        off="second vmapgrad",
        rtol=1e-3,
    ),
    row("jnp.polyfit(x, y, 1, full=True)[1:4]", x="f32[6]", y="f32[6]", off="grad", rtol=1e-3),
    row("jnp.polyfit(x, y, 1, cov=True)", x="f32[6]", y="f32[6]", off="grad", rtol=1e-3),
    row("jnp.polyfit(x, y, 1, cov=True)[1]", x="f32[6]", y="f32[6,2]", off="grad", rtol=1e-3),
    row("jnp.polyfit(x, y, 1, cov='unscaled')[1]", x="f32[6]", y="f32[6]", off="grad", rtol=1e-3),
]
