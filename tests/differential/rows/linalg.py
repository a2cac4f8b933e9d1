"""Linear algebra and Fourier transforms."""

import numpy as np

from tests.differential.harness import row

ROWS = [
    row("[jnp.linalg.norm(x), jnp.linalg.norm(x, axis=1), jnp.linalg.norm(x, 1)]", x="f32[3,4]"),
    row("[jnp.linalg.vector_norm(x, ord=3), jnp.linalg.matrix_norm(x)]", x="f32[3,4]"),
    row("jnp.linalg.inv(x + 3 * jnp.eye(3))", x="f32[3,3]", rtol=2e-4),
    row("jnp.linalg.solve(a + 3 * jnp.eye(3), b)", a="f32[3,3]", b="f32[3]", rtol=2e-4),
    row("jnp.linalg.solve(a + 3 * jnp.eye(3), b)", a="f32[2,3,3]", b="f32[2,3,2]", rtol=2e-4),
    row("[jnp.linalg.det(x), jnp.linalg.slogdet(x)[1]]", x="f32[3,3]", rtol=5e-4),
    row("jnp.linalg.cholesky(x @ x.T + jnp.eye(3))", x="f32[3,3]", rtol=2e-4),
    row("jnp.linalg.eigh(x + x.T)[0]", x="f32[3,3]", rtol=5e-4, off="second"),
    row("jnp.linalg.eigvalsh(x @ x.T)", x="f32[3,4]", rtol=5e-4, off="second"),
    row("jnp.linalg.svd(x, compute_uv=False)", x="f32[3,4]", rtol=5e-4, off="second"),
    row(
        "u, s, vt = jnp.linalg.svd(x, full_matrices=False)\nreturn (u * s) @ vt",
        x="f32[4,3]",
        rtol=5e-4,
        off="second",
    ),
    row("q, r = jnp.linalg.qr(x)\nreturn q @ r", x="f32[4,3]", rtol=5e-4, off="second"),
    row("jnp.linalg.pinv(x)", x="f32[4,3]", rtol=1e-3, off="second vmapgrad"),
    row("jnp.linalg.lstsq(x, y)[0]", x="f32[4,2]", y="f32[4]", rtol=1e-3, off="second vmapgrad"),
    row(
        "[jnp.linalg.matrix_power(x, 3), jnp.linalg.multi_dot([x, x, x])]", x="f32[3,3]", rtol=1e-4
    ),
    row("[jnp.linalg.matrix_rank(x), jnp.linalg.cond(x) > 1]", x="f32[3,3]", off="grad"),
    row(
        "[jnp.linalg.cross(x, y), jnp.linalg.vecdot(x, y), jnp.linalg.outer(x, y)]",
        x="f32[3]",
        y="f32[3]",
    ),
    row(
        "lax.linalg.triangular_solve(jnp.tril(a) + 3 * jnp.eye(3), b, left_side=True, lower=True)",
        a="f32[3,3]",
        b="f32[3,2]",
        rtol=2e-4,
    ),
    row(
        """
        L = jnp.linalg.cholesky(x @ x.T + jnp.eye(3))
        a = lax.linalg.triangular_solve(L, y[:, None], left_side=True, lower=True)
        return jnp.sum(a ** 2) / 2 + jnp.sum(jnp.log(jnp.diag(L)))
        """,
        x="f32[3,3]",
        y="f32[3]",
        rtol=3e-4,
    ),
    row("jnp.fft.fft(x)", x="f32[6]"),
    row("jnp.abs(jnp.fft.rfft(x)) ** 2", x="f32[8]", rtol=1e-4),
    row("jnp.fft.irfft(jnp.fft.rfft(x) * jnp.fft.rfft(y))", x="f32[6]", y="f32[6]", rtol=1e-4),
    row("jnp.fft.ifft(jnp.fft.fft(z) ** 2)", z="c64[5]", rtol=1e-4),
    row("jnp.real(jnp.fft.fft2(x))", x="f32[3,4]", rtol=1e-4),
    row("[jnp.fft.fftfreq(6), jnp.fft.rfftfreq(6), jnp.fft.fftshift(x)]", x="f32[6]"),
    row(
        "lax.ragged_dot(x, y, i)",
        x="f32[6,3]",
        y="f32[3,3,2]",
        i=np.array([2, 0, 3], np.int32),
        off="vmap vmapgrad",
    ),
    row("lax.ragged_dot(x, y, jnp.array([1, 1]))", x="i32[4,3]", y="i32[2,3,2]", off="vmap"),
]
