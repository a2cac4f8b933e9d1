"""Where fx differs from JAX on purpose. Each entry is checked to differ still."""

from __future__ import annotations

from dataclasses import dataclass

from tests.differential.harness import Row, row


@dataclass(frozen=True)
class Difference:
    """A row that gives something else on fx than on JAX in a mode, and why."""

    reason: str
    row: Row
    mode: str = "value"

    def __str__(self) -> str:
        return f"{self.row} ({self.mode})"


KNOWN_DIFFERENCES = [
    # Types.
    Difference(
        "Explicit dtypes of 64 bits are honoured; JAX needs a global flag, and warns.",
        row("x.astype(np.dtype('float64')).sum()", x="f32[3]"),
    ),
    Difference(
        "Explicit dtypes of 64 bits are honoured; JAX needs a global flag, and warns.",
        row("jnp.arange(3, dtype='int64')"),
    ),
    Difference(
        "Arrays of NumPy keep their dtype of 64 bits, which is as explicit as a dtype argument.",
        row("jnp.asarray(np.ones(2))"),
    ),
    Difference(
        "Running sums of narrow integers are widened to int32 as sums are; JAX lets them wrap.",
        row("jnp.cumsum(i)", i="u8[5]"),
    ),
    Difference(
        "Derivatives by weakly typed arguments are weakly typed; JAX loses the mark in some rules.",
        row("jax.grad(lambda z: (z ** 3).real)(s)", s=1.0 + 2.0j),
    ),
    Difference(
        "Carry types of a scan reach a fixpoint before the stacked results get theirs.",
        row("lax.scan(lambda c, a: (c * a + 1., c), 1., x)", x="f32[3]"),
    ),
    # The array API's special cases.
    Difference(
        "A finite number over an infinity is a zero, rounded down as well; for JAX that is -1.",
        row("jnp.floor_divide(x, -jnp.inf)", x="f32[3] 0.5..1.5"),
    ),
    # Errors in place of silent results.
    Difference(
        "An index out of bounds is an error where it is known; JAX clamps it.",
        row("x[7]", x="f32[3]", off="jit grad"),
    ),
    Difference(
        "An index out of bounds is an error where it is known; JAX gives NaN.",
        row("jnp.take(x, jnp.array([0, 5]))", x="f32[3]", off="jit grad"),
    ),
    # What JAX does not have.
    Difference(
        "Products at repeated positions have a gradient.",
        row("x.at[jnp.array([0, 0])].multiply(y)", x="f32[3]", y="f32[2]"),
        "grad",
    ),
    Difference(
        "A function applied at positions has a gradient.",
        row("x.at[1].apply(jnp.sin)", x="f32[3]"),
        "grad",
    ),
    Difference(
        "A number set where a traced mask holds needs no static shape.",
        row("jax.jit(lambda x: x.at[x > 0].set(0.))(x)", x="f32[6]"),
    ),
    Difference(
        "Under grad values are known, so that float() works as `if` does.",
        row("jax.grad(lambda x: float(x) * x)(x)", x="f32[]", off="jit"),
    ),
    Difference(
        "A permutation may leave devices out under vmap, too; they get zeros.",
        row("jax.vmap(lambda a: lax.ppermute(a, 'i', [(0, 1), (1, 2)]), axis_name='i')(x)",
            x="f32[3]"),
    ),
]  # fmt: skip
