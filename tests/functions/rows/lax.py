"""fx.lax. What NumPy has under another name is compared with that, the rest with JAX."""

from functools import partial

from tests.functions.spec import row as any_row
from tests.functions.spec import rows as any_rows

row, rows = partial(any_row, one_dtype=True), partial(any_rows, one_dtype=True)

MASK = "the result is a mask"
WHERE = "the result is positions"
SIZES = "numbers about shapes"
_WINDOW = "(1, 1, 2), (1, 1, 1), 'VALID'"
_GATHER = (
    "lax.GatherDimensionNumbers(offset_dims=(1,), collapsed_slice_dims=(0,), start_index_map=(0,))"
)
_SCATTER = (
    "lax.ScatterDimensionNumbers(update_window_dims=(1,), inserted_window_dims=(0,), "
    "scatter_dims_to_operand_dims=(0,))"
)
_POSITIONS = "np.array([[2], [0]])"

ROWS = [
    # Elementwise.
    *[
        row(f"lax.{f}", spec, ref=f"np.{ref}")
        for names, spec in {
            "sin cos tanh sinh cosh exp exp2 expm1 asinh:arcsinh atan:arctan": "fc[*] -2..2",
            "tan": "fc[*] -1.2..1.2",
            "asin:arcsin acos:arccos atanh:arctanh": "fc[*] -0.9..0.9",
            "acosh:arccosh": "fc[*] 1.2..3",
            "log log1p sqrt": "fc[*] 0.2..3",
            "cbrt": "f[*] 0.2..3",
            "reciprocal": "fc[*] 0.5..3",
            "square": "iufc[*]",
            "neg:negative": "iufc[*]",
            "floor ceil": "f[*]",
            "abs": "ifc[*]",
            "real imag conj": "c[*]",
        }.items()
        for f, _, other in (n.partition(":") for n in names.split())
        for ref in (other or f,)
    ],
    row("lax.rsqrt", "fc[*] 0.5..3", ref="1 / np.sqrt(x)"),
    row("lax.logistic", "fc[*] -2..2", ref="1 / (1 + np.exp(-x))"),
    row("lax.sign", "iufc[*]", ref="np.sign"),
    row("lax.round", "f[*]", call="x, lax.RoundingMethod.TO_NEAREST_EVEN", ref="np.rint(x)"),
    row("lax.is_finite", "f[*]", ref="np.isfinite", grad=MASK),
    row("lax.bitwise_not", "biu[*]", ref="np.invert"),
    row("lax.population_count", "u[*]", ref="np.bitwise_count"),
    row("lax.clz", "iu[*]"),
    row("lax.integer_pow", "iufc[*]", call="x, 3", ref="x ** 3", rtol=1e-4),
    row("lax.integer_pow", "fc[*] 0.5..2", call="x, -2", ref="1 / x ** 2", rtol=1e-4),
    row("lax.reduce_precision", "f[*]", call="x, 5, 3", grad="rounds"),
    row("lax.stop_gradient", "biufc[*]", ref="x", grad="its derivative is zero on purpose"),
    row("lax.convert_element_type", "biuf[*]", call="x, 'float32'", ref="np.float32(x)",
        grad="rounds"),
    row("lax.convert_element_type", "f[*]", call="x, 'float64'", ref="x.astype('float64')",
        jax=False),
    row("lax.convert_element_type", "biu[*] 0..3", call="x, 'uint8'", ref="x.astype('uint8')"),
    row("lax.bitcast_convert_type", "i32[*]", call="x, 'float32'", ref="x.view('float32')",
        grad="bits", values=False),
    row("lax.optimization_barrier", "biufc[*]", ref="x"),
    row("lax.complex", "f64[*]", "f64[*]", ref="x + 1j * y"),
    row("lax.complex", "f32[*]", "f32[*]", ref="x + 1j * y"),
    *[
        row(f"lax.{f}", spec, spec.replace("*", "*"), ref=f"np.{other or f}")
        for names, spec in {
            "add mul:multiply": "iufc[*]",
            "sub:subtract": "iufc[*]",
            "max:maximum min:minimum": "iuf[*]",
            "bitwise_and bitwise_or bitwise_xor": "biu[*]",
            "shift_left:left_shift shift_right_arithmetic:right_shift": "i[*] 0..3",
        }.items()
        for f, _, other in (n.partition(":") for n in names.split())
    ],
    *[
        row(f"lax.{f}", spec, spec, ref=f"np.{other}", grad=MASK)
        for f, other, spec in [
            ("eq", "equal", "biufc[*]"),
            ("ne", "not_equal", "biufc[*]"),
            ("lt", "less", "biuf[*]"),
            ("le", "less_equal", "biuf[*]"),
            ("gt", "greater", "biuf[*]"),
            ("ge", "greater_equal", "biuf[*]"),
        ]
    ],
    row("lax.shift_right_logical", "u[*]", "u[*] 0..3", ref="np.right_shift"),
    row("lax.div", "fc[*]", "fc[*] 1..3", ref="x / y"),
    row("lax.div", "iu[*]", "iu[*] 1..3", ref="np.trunc(x / y)"),
    row("lax.rem", "f[*]", "f[*] 1..3", ref="np.fmod"),
    row("lax.rem", "iu[*]", "iu[*] 1..3", ref="np.fmod"),
    row("lax.pow", "fc[*] 0.5..2", "fc[*] -2..2", ref="np.power", rtol=1e-4),
    row("lax.atan2", "f[*] 1..3", "f[*]", ref="np.arctan2"),
    row("lax.nextafter", "f[*]", "f[*]", ref="np.nextafter", grad="distances of numbers"),
    row("lax.mulhi", "iu[*]", "iu[*]"),
    row("lax.clamp", "f[*] -2..-1", "f[*]", "f[*] 1..2", ref="np.clip(y, x, z)"),
    row("lax.select", "b[*]", "biufc[*]", "biufc[*]", ref="np.where"),
    row("lax.select_n", "i32[*] 0..2", "f[*]", "f[*]", "f[*]",
        ref="np.select([x == 0, x == 1], [y, z], w)"),
    # Special functions.
    row("lax.erf", "f[*]", ref="scipy.special.erf"),
    row("lax.erfc", "f[*]", ref="scipy.special.erfc"),
    row("lax.erf_inv", "f[*] -0.8..0.8", ref="scipy.special.erfinv", rtol=1e-4),
    row("lax.lgamma", "f[*] 0.3..4", ref="scipy.special.gammaln", rtol=1e-4),
    row("lax.digamma", "f[*] 0.3..4", ref="scipy.special.digamma", rtol=1e-4),
    row("lax.bessel_i0e", "f[*]", ref="scipy.special.i0e", rtol=1e-4),
    row("lax.bessel_i1e", "f[*]", ref="scipy.special.i1e", rtol=1e-4),
    row("lax.igamma", "f[*] 0.5..3", "f[*] 0.5..4", ref="scipy.special.gammainc", order=1,
        rtol=1e-3),
    row("lax.igammac", "f[*] 0.5..3", "f[*] 0.5..4", ref="scipy.special.gammaincc", order=1,
        rtol=1e-3),
    row("lax.igamma_grad_a", "f[*] 0.5..3", "f[*] 0.5..4", rtol=1e-2,
        grad="itself a derivative, of which none is known"),
    row("lax.random_gamma_grad", "f[*] 1..3", "f[*] 0.5..2", rtol=1e-2,
        grad="itself a derivative, of which none is known"),
    row("lax.betainc", "f[]", "f[]", "f[] 0.1..0.9", call="abs(x) + 0.5, abs(y) + 0.5, z",
        ref="scipy.special.betainc(abs(x) + 0.5, abs(y) + 0.5, z)", rtol=1e-3,
        grad="in its first arguments none is known; scipy.special.betainc has that in x"),
    row("lax.polygamma", "f[*] 1..3", "f[*] 1..4", call="jnp.round(x), y", rtol=1e-3,
        ref="scipy.special.polygamma(np.round(x), y)", grad="steps in x; scipy.special.polygamma"),
    row("lax.zeta", "f[*] 2..4", "f[*] 1..4", rtol=1e-3, ref="scipy.special.zeta",
        grad="none is known in x; scipy.special.zeta has that in q"),
    # Creation.
    row("lax.full", "f[]", call="(2, 0, 3), x", ref="np.full((2, 0, 3), x)"),
    row("lax.full_like", "biufc[*]", call="x, 2", ref="np.full_like(x, 2)"),
    row("lax.iota", call="'int32', 4", ref="np.arange(4)"),
    row("lax.broadcasted_iota", call="'float32', (2, 3), 1", ref="np.tile(np.arange(3.0), (2, 1))"),
    row("lax.empty", call="(2, 3), 'float32'", values=False),
    # Shapes.
    row("lax.broadcast", "biufc[n]", call="x, (2, 3)", ref="np.broadcast_to(x, (2, 3, *x.shape))"),
    row("lax.broadcast_in_dim", "biufc[n]", call="x, (2, x.shape[0], 2), (1,)",
        ref="np.broadcast_to(x[None, :, None], (2, x.shape[0], 2))"),
    any_row("lax.broadcast_like", "biufc[~]", "f[*]", ref="np.broadcast_to(x, y.shape)",
            jax=False),
    row("lax.broadcast_to_rank", "biufc[n,m]", call="x, 4", ref="x[None, None]"),
    row("lax.reshape", "biufc[n,6]", call="x, (2, 3, x.shape[0])",
        ref="np.reshape(x, (2, 3, x.shape[0]))"),
    row("lax.reshape", "f[n,6]", call="x, (3, 2, x.shape[0]), (1, 0)",
        ref="np.reshape(x.T, (3, 2, x.shape[0]))"),
    row("lax.collapse", "biufc[n,m,2]", call="x, 1",
        ref="np.reshape(x, (x.shape[0], 2 * x.shape[1]))"),
    row("lax.expand_dims", "biufc[n]", call="x, (0, 2)", ref="x[None, :, None]"),
    row("lax.squeeze", "biufc[n,1,m]", call="x, (1,)", ref="x[:, 0]"),
    row("lax.transpose", "biufc[n,m,2]", call="x, (2, 0, 1)", ref="np.transpose(x, (2, 0, 1))"),
    row("lax.rev", "biufc[n,m]", call="x, (1,)", ref="x[:, ::-1]"),
    row("lax.tile", "biufc[n,m]", call="x, (2, 1)", ref="np.tile(x, (2, 1))"),
    row("lax.pad", "biufc[n,m]", "biufc[]", call="x, y, ((1, 0, 1), (0, 2, 0))"),
    row("lax.pad", "f[n,4]", "f[]", call="x, y, ((0, 0, 0), (-1, -1, 1))"),
    row("lax.concatenate", "biufc[n,2]", "biufc[m,2]", call="[x, y], 0",
        ref="np.concatenate([x, y])"),
    row("lax.stack", "biufc[n]", "biufc[n]", call="[x, y], 1", ref="np.stack([x, y], 1)",
        jax=False),
    row("lax.unstack", "biufc[n,2]", call="x, 1", ref="(x[:, 0], x[:, 1])", jax=False),
    row("lax.split", "biufc[4,n]", call="x, (1, 3)", ref="(x[:1], x[1:])"),
    row("lax.slice", "biufc[4,n]", call="x, (1, 0), (4, x.shape[1]), (2, 1)", ref="x[1:4:2]"),
    row("lax.slice_in_dim", "biufc[n,4]", call="x, 1, None, 2, 1", ref="x[:, 1::2]"),
    row("lax.index_in_dim", "biufc[4,n]", call="x, -1, keepdims=False", ref="x[-1]"),
    any_row("lax.index_take", "biufc[4,n]", "i32[3] 0..3", call="x, (y,), (0,)", ref="x[y]"),
    any_row("lax.dynamic_slice", "biufc[4,n]", "i32[] 0..5",
            call="x, (y, np.int32(0)), (2, x.shape[1])", ref="x[min(y, 2):min(y, 2) + 2]"),
    any_row("lax.dynamic_slice_in_dim", "biufc[4,n]", "i32[] -3..5", call="x, y, 2"),
    any_row("lax.dynamic_index_in_dim", "biufc[4,n]", "i32[] -3..5", call="x, y"),
    any_row("lax.dynamic_update_slice", "f[4,n]", "f[2,n]", "i32[] -3..5",
            call="x, y, (z, np.int32(0))", one_dtype=True),
    any_row("lax.dynamic_update_slice_in_dim", "f[4,n]", "f[2,n]", "i32[] -3..5",
            call="x, y, z, 0", one_dtype=True),
    any_row("lax.dynamic_update_index_in_dim", "f[4,n]", "f[n]", "i32[] -3..5",
            call="x, y, z, 0", one_dtype=True),
    row("lax.gather", "biufc[4,N]", call=f"x, {_POSITIONS}, {_GATHER}, (1, x.shape[1])",
        ref="x[[2, 0]]"),
    *[
        row(f"lax.{f}", "iuf[4,n]", "iuf[2,n]", call=f"x, {_POSITIONS}, y, {_SCATTER}",
            **flags)
        for f, flags in {
            "scatter": {},
            "scatter_add": {},
            "scatter_sub": {},
            "scatter_mul": {},
            "scatter_min": {},
            "scatter_max": {},
        }.items()
    ],
    row("lax.scatter_apply", "f[4,2]",
        call=f"x, {_POSITIONS}, jnp.sin, {_SCATTER}, update_shape=(2, 2)"),
    # Reductions.
    *[
        row(f"lax.{f}", spec, call="x, (0,)", ref=f"np.{ref}(x, axis=0)", rtol=1e-4, **flags)
        for f, spec, ref, flags in [
            ("reduce_sum", "iufc[n,m]", "sum", {}),
            ("reduce_prod", "iufc[n,m]", "prod", {}),
            ("reduce_max", "iuf[N,m]", "max", {}),
            ("reduce_min", "iuf[N,m]", "min", {}),
            ("reduce_and", "b[n,m]", "all", {}),
            ("reduce_or", "b[n,m]", "any", {}),
            ("reduce_xor", "iu[n,m]", "bitwise_xor.reduce", {}),
        ]
    ],
    *[
        row(f"lax.{f}", "biuf[N,m]", call="x, 0, 'int32'", ref=f"np.{f}(x, 0)", grad=WHERE)
        for f in ("argmax", "argmin")
    ],
    row("lax.reduce", "f[n,m]", call="x, 0.0, lax.add, (0,)", ref="np.sum(x, 0)",
        jit=True),
    *[
        row(f"lax.{f}", "iufc[n,m]", call="x, 1", ref=f"np.{f}(x, 1)", rtol=1e-4)
        for f in ("cumsum", "cumprod")
    ],
    row("lax.cumsum", "iufc[n,m]", call="x, 0, reverse=True", ref="np.cumsum(x[::-1], 0)[::-1]",
        rtol=1e-4),
    row("lax.cummax", "iuf[n,m]", call="x, 1", ref="np.maximum.accumulate(x, 1)"),
    row("lax.cummin", "iuf[n,m]", call="x, 1", ref="np.minimum.accumulate(x, 1)"),
    row("lax.cumlogsumexp", "f[n,m]", call="x, 1", ref="np.logaddexp.accumulate(x, 1)", rtol=1e-4),
    row("lax.reduce_window", "f[2,4,3]", call=f"x, 0.0, lax.add, {_WINDOW}",
        ref="x[..., :-1] + x[..., 1:]"),
    row("lax.reduce_window", "f[2,4,3]", call=f"x, -jnp.inf, lax.max, {_WINDOW}",
        ref="np.maximum(x[..., :-1], x[..., 1:])"),
    row("lax.sort", "biuf[n,m]", ref="np.sort(x)"),
    row("lax.sort_key_val", "f[n,m]", "f[n,m]",
        ref="(np.sort(x), np.take_along_axis(y, np.argsort(x, kind='stable'), -1))"),
    row("lax.top_k", "iuf[2,4]", call="x, 2", ref="-np.sort(-np.asarray(x, float))[:, :2]",
        values=False),
    *rows("lax: approx_max_k approx_min_k", "f[2,4]", call="x, 2", values=False),
    # Products.
    *[
        row(f"lax.{f}", "iufc[n,m]", "iufc[m,k]", ref="np.matmul", rtol=1e-4)
        for f in ("dot",)
    ],
    row("lax.dot_general", "iufc[2,n,m]", "iufc[2,k,m]", call="x, y, (((2,), (2,)), ((0,), (0,)))",
        ref="np.einsum('bij,bkj->bik', x, y)", rtol=1e-4),
    row("lax.batch_matmul", "iufc[2,n,m]", "iufc[2,m,k]", ref="np.matmul", rtol=1e-4),
    any_row("lax.ragged_dot", "f[4,m]", "f[2,m,k]", call="x, y, np.array([1, 3], 'int32')",
            ref="np.concatenate([x[:1] @ y[0], x[1:] @ y[1]])", one_dtype=True, rtol=1e-4),
    row("lax.conv", "f[2,3,4,4]", "f[1,3,2,2]", call="x, y, (1, 1), 'SAME'", rtol=1e-4),
    row("lax.conv_with_general_padding", "f[2,3,4]", "f[1,3,2]",
        call="x, y, (2,), [(1, 0)], None, (2,)", rtol=1e-4),
    row("lax.conv_general_dilated", "fc[2,3,4]", "fc[2,3,2]",
        call="x, y, (1,), [(1, 1)], (2,), (1,)", rtol=1e-4),
    row("lax.conv_general_dilated_patches", "f[2,3,4]", call="x, (2,), (1,), 'VALID'"),
    row("lax.conv_general_dilated_local", "f[2,3,4]", "f[1,6,3]",
        call="x, y, (1,), 'VALID', (2,)", rtol=1e-4),
    row("lax.conv_transpose", "f[2,4,3]", "f[2,3,1]",
        call="x, y, (2,), 'SAME', dimension_numbers=('NWC', 'WIO', 'NWC')", rtol=1e-4),
    *rows("lax: fft", "c[2,3]", call="x, lax.FftType.FFT, (3,)", ref="np.fft.fft(x)", rtol=1e-4),
    # Control.
    any_row("lax.cond", "b[]", "f[*]", call="x, lambda a: a * a, jnp.sin, y",
            ref="np.where(x, y * y, np.sin(y))"),
    any_row("lax.switch", "i32[] -1..3", "f[*]", call="x, [jnp.sin, jnp.cos, lambda a: a * a], y",
            ref="[np.sin, np.cos, lambda a: a * a][min(max(x, 0), 2)](y)"),
    row("lax.scan", "f[]", "f[n]", call="lambda c, a: (c + a, c * a), x, y",
        ref="(x + np.sum(y), (x + np.cumsum(y) - y) * y)", rtol=1e-4),
    row("lax.map", "f[n,m]", call="lambda r: r * 2, x", ref="x * 2"),
    row("lax.fori_loop", "f[*]", call="0, 3, lambda i, a: a * 2, x", ref="x * 8"),
    row("lax.while_loop", "f[*]", call="lambda a: jnp.sum(a * a) < 0, lambda a: a * 2, x",
        ref="x", grad="its number of steps has no bound"),
    row("lax.while_loop", "f[3] 1..2", jax=False, values=False,
        call="lambda a: jnp.sum(a) < 15, lambda a: a * 2, x, max_steps=5"),
    row("lax.fori_loop", "f[*]", call="0, 2, lambda i, a: a * a, x", ref="x ** 4", rtol=1e-4),
    row("lax.associative_scan", "iuf[n,m]", call="lax.add, x", ref="np.cumsum(x, 0)", rtol=1e-4),
    row("lax.custom_linear_solve", "f[2,2]", "f[2]", rtol=1e-3,
        call="lambda v: well(x) @ v, y, lambda f, b: jnp.linalg.solve(well(x), b), "
        "lambda f, b: jnp.linalg.solve(well(x).T, b)", ref="np.linalg.solve(well(x), y)"),
    row("lax.custom_root", "f[] 1..3", rtol=1e-3,
        call="lambda r: r * r - x, x, lambda f, g: jnp.sqrt(x), "
        "lambda g, y: y / g(jnp.ones_like(x))",
        ref="np.sqrt(x)", values=False),
    row("lax.platform_dependent", "f[*]", call="x, default=jnp.sin", ref="np.sin(x)"),
    # Numbers about shapes.
    *[
        row(f"lax.{f}", call=call, grad=SIZES)
        for f, call in {
            "broadcast_shapes": "(2, 1), (3,)",
            "conv_shape_tuple": "(2, 3, 4), (1, 3, 2), (1,), [(0, 1)]",
            "conv_general_permutations": "('NCW', 'OIW', 'NWC')",
            "conv_general_shape_tuple": "(2, 3, 4), (1, 3, 2), (1,), 'SAME', ('NCH', 'OIH', 'NCH')",
            "conv_transpose_shape_tuple": "(2, 3, 4), (1, 3, 2), (2,), 'SAME', None",
            "reduce_window_shape_tuple": "(4, 5), (2, 2), (1, 2), [(0, 0), (1, 0)]",
            "padtype_to_pads": "(4, 5), (2, 2), (1, 2), 'SAME'",
        }.items()
    ],
    row("lax.shape_as_value", call="(2, 3)", ref="np.array([2, 3])", grad=SIZES, jax=False),
]  # fmt: skip
