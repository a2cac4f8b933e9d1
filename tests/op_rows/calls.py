"""Rows of the primitives that carry programs, of callbacks and of collectives."""

from __future__ import annotations

from typing import Any

import numpy as np

import fx
import fx.numpy as jnp
from fx import lax
from fx.core.primitive import P
from tests.op_rows.row import Arg, row, shapes

SMALL = {"low": -1.0, "high": 1.0}


# ------------------------------------------------------------------ programs inside
def _body(x: Any, y: Any) -> Any:
    return jnp.sin(x) * y, x + y


row("jit", shapes([(3,), (3,)], [(), ()]), lambda x, y: list(fx.jit(_body)(x, y)), kinds="fc")
row(
    "jit",
    shapes([(2, 3)]),
    lambda x: fx.jit(lambda x: fx.jit(lambda x: x * 2)(x) + x)(x),
    label="nested-linear",
    kinds="ifc",
    linear=((0,),),
)
row(
    "pmap",
    shapes([(2, 3), (2, 3)], [(1,), (1,)]),
    lambda x, y: list(fx.pmap(_body)(x, y)),
    kinds="f",
)
row(
    "pmap",
    shapes([(2, 3)]),
    lambda x: fx.pmap(lambda x: x * 3)(x),
    label="linear",
    kinds="f",
    linear=((0,),),
)
row(
    "cond",
    tuple((Arg((), 0, 1, "bool"), Arg(s), Arg(s)) for s in [(3,), ()]),
    lambda p, x, y: lax.cond(p, lambda x, y: jnp.sin(x) * y, lambda x, y: x - y, x, y),
    kinds="fc",
)
row(
    "cond",
    ((Arg((), -1, 4, "int32"), Arg((2, 3))),),
    lambda i, x: list(
        lax.switch(i, [lambda x: (x, x + 1), lambda x: (x * 2, x), lambda x: (x * 0, x)], x)
    ),
    label="switch",
    kinds="ifc",
)
row(
    "cond",
    ((Arg((), 0, 1, "bool"), Arg((3,))),),
    lambda p, x: lax.cond(p, lambda x: x * 2, lambda x: x * 3, x),
    label="linear",
    kinds="fc",
    linear=((1,),),
)


def _scan(c: Any, xs: Any, **options: Any) -> Any:
    return lax.scan(lambda c, x: (jnp.sin(c) * x, c + x), c, xs, **options)


row(
    "scan",
    shapes([(), (4,)], [(2,), (3, 2)], [(), (0,)]),
    lambda c, xs: list(_scan(c, xs)),
    kinds="fc",
)
row(
    "scan",
    shapes([(), (4,)]),
    lambda c, xs: list(_scan(c, xs, reverse=True, unroll=3)),
    label="reverse",
    kinds="f",
)
row(
    "scan",
    shapes([(), (4,)]),
    lambda c, xs: list(lax.scan(lambda c, x: (c + x, c * 2), c, xs)),
    label="linear",
    kinds="fc",
    linear=((0, 1),),
)
row(
    "while",
    ((Arg((), 0, 4, "int32"), Arg((3,))), (Arg((), 0, 0, "int32"), Arg(()))),
    lambda n, x: list(
        lax.while_loop(lambda s: s[0] < n, lambda s: (s[0] + 1, jnp.sin(s[1]) + s[1]), (n * 0, x))
    ),
    kinds="fc",
    # Without a bound on the number of steps there is a forward mode only.
    wrt=(),
)
row(
    "checkpoint",
    shapes([(3,), (3,)], [(), ()]),
    lambda x, y: list(fx.checkpoint(_body)(x, y)),
    kinds="fc",
)
row(
    "checkpoint_lin",
    shapes([(3,), (3,), (3,)]),
    lambda x, y, t: list(fx.linearize(lambda x: fx.checkpoint(_body)(x, y), x)[1](t)),
    kinds="f",
    linear=((2,),),
)
row(
    "checkpoint",
    shapes([(3,), (3,)]),
    lambda x, y: list(fx.checkpoint(lambda x, y: (x * 2 - y, y))(x, y)),
    label="linear",
    kinds="fc",
    linear=((0, 1),),
)
row("name", shapes([(3,)], [()]), kinds="bifc", params={"name": "layer"}, linear=((0,),))


# ------------------------------------------------------------------ rules of the user
@fx.custom_jvp
def _by_jvp(x: Any) -> Any:
    return jnp.sin(x)


_by_jvp.defjvp(lambda primals, tangents: (jnp.sin(primals[0]), jnp.cos(primals[0]) * tangents[0]))


@fx.custom_jvp
def _triple(x: Any) -> Any:
    return x * 3


_triple.defjvp(lambda primals, tangents: (primals[0] * 3, tangents[0] * 3))


@fx.custom_vjp
def _by_vjp(x: Any) -> Any:
    return jnp.sin(x)


_by_vjp.defvjp(lambda x: (jnp.sin(x), x), lambda x, ct: (jnp.cos(x) * ct,))

row("custom_jvp_call", shapes([(3,)], [()]), _by_jvp, kinds="fc", data=False)
row(
    "custom_jvp_call",
    shapes([(3,)]),
    _triple,
    label="linear",
    kinds="fc",
    linear=((0,),),
    data=False,
)
row("custom_vjp_call", shapes([(3,)], [()]), _by_vjp, kinds="f", wrt=(), data=False)
row(
    "custom_lin",
    shapes([(3,), (3,)]),
    lambda x, ct: fx.vjp(_by_vjp, x)[1](ct)[0],
    kinds="f",
    linear=((1,),),
    visible=False,
    data=False,
)
row(
    "linear_solve",
    ((Arg((2, 2), 0.1, 0.3), Arg((2,))),),
    lambda a, b: lax.custom_linear_solve(
        lambda x: x * 2 + a @ x,
        b,
        lambda matvec, b: _inverse2(a + 2 * jnp.eye(2, dtype=a.dtype)) @ b,
        transpose_solve=lambda vecmat, b: _inverse2(a + 2 * jnp.eye(2, dtype=a.dtype)).T @ b,
    ),
    kinds="f",
    linear=((1,),),
)


def _inverse2(a: Any) -> Any:
    determinant = a[0, 0] * a[1, 1] - a[0, 1] * a[1, 0]
    return jnp.stack([jnp.stack([a[1, 1], -a[0, 1]]), jnp.stack([-a[1, 0], a[0, 0]])]) / determinant


# ------------------------------------------------------------------ Python inside
def _double(x: Any) -> Any:
    return [np.asarray(x) * 2]


def _called(name: str) -> Any:
    def function(x: Any) -> Any:
        return P.table[name](
            x, function=_double, results=(x.aval.strong(),), vmap_method="expand_dims"
        )

    return function


row(
    "pure_callback",
    shapes([(3,)], [()]),
    _called("pure_callback"),
    kinds="ifc",
    wrt=(),
    no_derivative=(0,),
    data=False,
)
row(
    "io_callback",
    shapes([(3,)], [()]),
    _called("io_callback"),
    kinds="ifc",
    finite_differences=False,
    data=False,
)
row(
    "debug_callback",
    shapes([(3,)], [()]),
    _called("debug_callback"),
    kinds="ifc",
    finite_differences=False,
    data=False,
)


# ------------------------------------------------------------------ collectives
def across(name: str, function: Any, *examples: Any, **flags: Any) -> None:
    """A row whose program is a pmap with a collective inside."""
    row(
        name,
        shapes(*examples),
        lambda *xs: fx.pmap(function, axis_name="i")(*xs),
        kinds="f",
        **flags,
    )


LINEAR = {"linear": ((0,),)}
across("psum", lambda x: lax.psum(x, "i"), [(2, 3)], [(3,)], **LINEAR)
across("pmax", lambda x: lax.pmax(x, "i"), [(2, 3)], [(3,)])
across("pmin", lambda x: lax.pmin(x, "i"), [(2, 3)], [(3,)])
across("all_gather", lambda x: lax.all_gather(x, "i"), [(2, 3)], **LINEAR)
across("psum_scatter", lambda x: lax.psum_scatter(x, "i"), [(2, 2, 3)], **LINEAR)
across("all_to_all", lambda x: lax.all_to_all(x, "i", 0, 0), [(2, 2, 3)], **LINEAR)
across("ppermute", lambda x: lax.ppermute(x, "i", [(0, 1), (1, 0)]), [(2, 3)], **LINEAR)
across("axis_index", lambda x: x * lax.axis_index("i"), [(3,)], finite_differences=False)
