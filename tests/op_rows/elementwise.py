"""Rows of the elementwise primitives."""

from __future__ import annotations

import numpy as np

from fx import dtypes
from fx.core.primitive import P
from tests.op_rows.row import Arg, row, shapes

# Rank 0, zero size, odd sizes; pairs with a scalar on either side.
ONE = [[()], [(0,)], [(7,)], [(2, 3)]]
TWO = [[(), ()], [(3,), (3,)], [(2, 3), ()], [(), (5,)], [(0, 2), (0, 2)]]


def unary(names: str, low: float = -2.0, high: float = 2.0, **flags) -> None:
    for name in names.split():
        row(name, shapes(*ONE, low=low, high=high), **flags)


def binary(names: str, low: float = -2.0, high: float = 2.0, **flags) -> None:
    for name in names.split():
        row(name, shapes(*TWO, low=low, high=high), **flags)


def mixed(name: str, *ranges: tuple[float, float], **flags) -> None:
    """Arguments of different ranges: full, with scalars, and empty."""
    examples = []
    for where in ([()] * 3, [(4,)] * 3, [(2, 3), (), (2, 3)], [(), (5,), (5,)], [(0,)] * 3):
        pairs = zip(ranges, where, strict=False)
        examples.append(tuple(Arg(shape, *bounds) for bounds, shape in pairs))
    row(name, tuple(examples), **flags)


# ------------------------------------------------------------------ one operand
unary("neg copy conj real imag", linear=((0,),))
unary("sin cos tan sinh cosh tanh asinh exp exp2 expm1 logistic square", -1.2, 1.2)
unary("asin acos atan atanh", -0.8, 0.8)
unary("acosh", 1.2, 3)
unary("log log1p sqrt rsqrt cbrt", 0.5, 4)
unary("abs sign", 0.2, 2)
unary("abs sign", -2, -0.2, label="negative")
unary("floor ceil is_finite not population_count clz")
unary("stop_gradient", finite_differences=False)
for method in (0, 1):
    unary("round", label=f"method{method}", params={"rounding_method": method})
for power in (-3, -1, 0, 1, 2, 5):
    unary(
        "integer_pow",
        0.5,
        2,
        label=str(power),
        params={"y": power},
        kinds="fc" if power < 0 else None,
    )
unary("erf erfc erf_inv erfcx", -0.9, 0.9)
unary("lgamma digamma", 0.3, 5)
unary("bessel_i0e bessel_i1e", 0.3, 4)
unary("portable_exp portable_erf portable_erf_inv", -0.9, 0.9)
unary("portable_log portable_log1p", 0.3, 4)
unary(
    "reduce_precision",
    label="all-bits",
    params={"exponent_bits": 11, "mantissa_bits": 52},
    linear=((0,),),
)
unary(
    "reduce_precision",
    label="bfloat16",
    params={"exponent_bits": 8, "mantissa_bits": 7},
    finite_differences=False,
    tolerance=0.1,
)

# ------------------------------------------------------------------ two operands
binary("add", linear=((0, 1),))
binary("sub", linear=((0, 1),))
binary("mul", linear=((0,), (1,)))
binary("div", 0.5, 2, linear=((0,),))
binary("rem", 0.5, 4)
binary("max min atan2 complex")
binary("nextafter", finite_differences=False)
row("complex", shapes(*TWO), label="linear", linear=((0, 1),))
binary("pow", 0.5, 2)
row(
    "pow",
    tuple((Arg(a, 0.5, 2), Arg(b, -3, 3, "int32")) for a, b in TWO),
    label="integer",
    kinds="fc",
)
binary("eq ne lt le gt ge", -2, 2)
binary("and or xor")
mixed("shift_left", (0, 9), (0, 7))
mixed("shift_right_arithmetic", (-9, 9), (0, 7))
mixed("shift_right_logical", (-9, 9), (0, 7))
mixed("igamma", (0.5, 4), (0.3, 5), tolerance=1e-4, twice=False)
mixed("igammac", (0.5, 4), (0.3, 5), tolerance=1e-4, twice=False)
mixed("gamma_density", (0.5, 4), (0.3, 5))
mixed("igamma_grad_a", (0.5, 4), (0.3, 5), wrt=(1,), no_derivative=(0,))
mixed("random_gamma_grad", (0.5, 4), (0.3, 5), wrt=(1,), no_derivative=(0,))
mixed("zeta", (1.5, 4), (0.5, 3), wrt=(1,), no_derivative=(0,))
row(
    "polygamma",
    tuple((Arg(a, 1, 1), Arg(b, 0.5, 4)) for a, b in TWO),
    wrt=(1,),
    no_derivative=(0,),
)

# ------------------------------------------------------------------ more operands
mixed("clamp", (-0.9, -0.5), (-2, 2), (0.5, 0.9))
mixed("fma", (-2, 2), (-2, 2), (-2, 2))
mixed("beta_density", (0.5, 3), (0.5, 3), (0.1, 0.9))
mixed(
    "regularized_incomplete_beta",
    (0.5, 3),
    (0.5, 3),
    (0.1, 0.9),
    wrt=(2,),
    no_derivative=(0, 1),
)
row(
    "select_n",
    tuple(
        (Arg(a, dtype="bool"), Arg(b), Arg(b)) for a, b in [((), ()), ((), (2, 3)), ((4,), (4,))]
    ),
    kinds="bifck",
    linear=((1, 2),),
)
row(
    "select_n",
    ((Arg((5,), 0, 2, "int32"), Arg((5,)), Arg((5,)), Arg((5,))),),
    label="three",
    kinds="bifck",
    linear=((1, 2, 3),),
)

# ------------------------------------------------------------------ changes of dtype
for target in ("bool", "int8", "uint32", "bfloat16", "float32", "float64", "complex64"):
    unary(
        "convert_element_type",
        label=target,
        kinds="bifc",
        params={"new_dtype": dtypes.canonicalize(target)},
        finite_differences=False,
        tolerance=0.1,
    )
unary(
    "convert_element_type",
    label="weak",
    kinds="bif",
    params={"new_dtype": np.dtype("float64"), "weak_type": True},
    linear=((0,),),
)
row(
    "convert_element_type",
    shapes(*ONE),
    lambda x: P.convert_element_type(x, new_dtype=np.dtype("complex128")),
    label="complex128",
    kinds="fc",
    linear=((0,),),
)
for label, arg, dtype in [
    ("same-width", Arg((2, 3), dtype="float32"), "int32"),
    ("wider", Arg((3, 2), -9, 9, "int16"), "int32"),
    ("narrower", Arg((3,), dtype="float64"), "uint16"),
    ("rank-0", Arg((), dtype="float32"), "uint32"),
]:
    row(
        "bitcast_convert_type",
        ((arg,),),
        label=label,
        kinds="-",
        params={"new_dtype": np.dtype(dtype)},
    )

# ------------------------------------------------------------------ random bits
row(
    "threefry2x32",
    shapes([()] * 4, [(3,)] * 4, [(), (), (5,), (5,)], high=9, dtype="uint32"),
    kinds="-",
)
for bits, target in [
    ("uint8", "bfloat16"),
    ("uint16", "float16"),
    ("uint32", "float32"),
    ("uint64", "float64"),
]:
    row(
        "unit_interval",
        shapes(*ONE, high=9, dtype=bits),
        lambda x, target=target: P.unit_interval(x, dtype=np.dtype(target)),
        label=target,
        kinds="-",
    )
