"""Floats of 8 bits. JAX rounds each operation, and so does fx; sums are taken in float32."""

from tests.differential.harness import row

KINDS = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz")
OFF = "second vmapgrad"

ROWS = [
    *(row(f"x.astype(jnp.{k})", x="f32[40] -3..3", off=OFF) for k in KINDS),
    *(row(f"x.astype(jnp.{k}).astype('float32') * 2", x="f32[3,4]", off=OFF) for k in KINDS),
    *(
        row(
            f"a = x.astype(jnp.{k})\nreturn [a + a, a * 0.5, -a, abs(a), a - 1]",
            x="f32[9]",
            off=OFF,
        )
        for k in KINDS
    ),
    *(
        row(
            f"a = x.astype(jnp.{k})\nreturn [a.sum(), a.max(0), jnp.sort(a, 1), a.argmin()]",
            x="f32[3,4]",
            off="grad",
        )
        for k in KINDS
    ),
    *(
        row(
            f"a = x.astype(jnp.{k})\nreturn [a > 0, a == a, jnp.where(a > 0, a, 0), a[1:], a.T]",
            x="f32[3,4]",
            off="grad",
        )
        for k in KINDS
    ),
    *(
        row(
            f"lax.dot_general(x.astype(jnp.{k}), y.astype(jnp.{k}), (((1,), (0,)), ((), ())), "
            "preferred_element_type='float32')",
            x="f32[3,4]",
            y="f32[4,2]",
            off="grad",
        )
        for k in KINDS
    ),
    row(
        "x.astype(jnp.float8_e5m2) @ y.astype(jnp.float8_e5m2)",
        x="f32[3,4]",
        y="f32[4]",
        off="grad",
    ),
    row(
        "[jnp.zeros(2, jnp.float8_e4m3fn), jnp.ones(2, 'float8_e5m2'), "
        "jnp.full(2, 300., jnp.float8_e4m3fn)]"
    ),
    row("i.astype(jnp.float8_e4m3fn) + i", i="i32[5]", off="grad"),
    row("x.astype('bfloat16').astype(jnp.float8_e4m3fn)", x="f32[9]", off=OFF),
    row("jnp.concatenate([x, x]).astype(jnp.float8_e5m2).at[1].set(2.)", x="f32[3]", off=OFF),
    row("jnp.clip(x.astype(jnp.float8_e4m3fn), -1, 1)", x="f32[7]", off=OFF),
    row("lax.bitcast_convert_type(x.astype(jnp.float8_e4m3fn), jnp.uint8)", x="f32[7]", off="grad"),
]
