"""fx.numpy: making arrays, shapes, indices, joining, selection, sets."""

from tests.functions.spec import row, rows

WHERE = "the result is positions"
MADE = "no argument is an array"
MASK = "the result is a mask"
TEXT = "not numbers"
ANY = "biufc"

ROWS = [
    # Creation.
    *rows("numpy: zeros ones empty", call="(2, 0, 3)"),
    *rows("numpy: zeros ones", call="3, 'int16'"),
    *rows("numpy: zeros_like ones_like", "biufc[*]"),
    *rows("numpy: empty_like", "biufc[*]", values=False),
    row("numpy.full", "biufc[]", call="(2, 3), x"),
    row("numpy.full_like", "biufc[*]", "biuf[]"),
    row("numpy.arange", call="5"),
    row("numpy.arange", call="1.5, 7, 2"),
    row("numpy.arange", call="0"),
    row("numpy.linspace", "fc[~]", "fc[*]", call="x, y, 5"),
    row("numpy.linspace", "iuf[]", "iuf[]", call="x, y, 4, endpoint=False"),
    row("numpy.logspace", "f[~] 0..1", "f[*] 1..2", call="x, y, 4", rtol=1e-4),
    row("numpy.geomspace", "f[~] 1..2", "f[*] 2..3", call="x, y, 4", rtol=1e-4),
    *rows("numpy: eye identity tri", call="3"),
    row("numpy.eye", call="2, 4, 1, dtype='int8'"),
    *rows("numpy: blackman hamming hanning bartlett", call="6", rtol=1e-4),
    row("numpy.kaiser", "f[]", call="6, x", ref="np.kaiser(6, float(x))", rtol=1e-4),
    *rows("numpy: array asarray", "biufc[*]"),
    *rows("numpy: array", "f[n]", "f[n]", call="[x, y]"),
    row("numpy.meshgrid", "biuf[n]", "biuf[m]"),
    row("numpy.indices", call="(2, 3)"),
    row("numpy.ix_", "iu[n]", "iu[m]"),
    row("numpy.vander", "iufc[n]", wider=True),
    row("numpy.fromfunction", call="lambda i, j: i + j, (2, 3)", values=True),
    row("numpy.fromiter", call="iter([1.0, 2.0]), 'float32'", jax=False),
    row("numpy.frombuffer", call="b'1234', 'uint8'"),
    row("numpy.fromstring", call="'1 2 3', dtype='int32', sep=' '"),
    # Shapes.
    *rows("numpy: ravel squeeze transpose atleast_1d atleast_2d atleast_3d", "biufc[*]"),
    row("numpy.reshape", "biufc[n,2,3]", call="x, (6, x.shape[0])"),
    row("numpy.reshape", "biufc[*]", call="x, -1"),
    row("numpy.reshape", "f[n,2,3]", call="x, (6, x.shape[0]), order='F'"),
    row("numpy.resize", "biuf[N,2]", call="x, (3, 3)"),
    row("numpy.expand_dims", "biufc[*]", call="x, (0, -1)"),
    row("numpy.broadcast_to", "biufc[n]", call="x, (2, *x.shape)"),
    row("numpy.broadcast_arrays", "biufc[*]", "biufc[~]"),
    row("numpy.broadcast_shapes", call="(2, 1), (3,)", grad=TEXT),
    row("numpy.swapaxes", "biufc[n,m,2]", call="x, 0, -1"),
    row("numpy.moveaxis", "biufc[n,m,2]", call="x, 0, -1"),
    row("numpy.rollaxis", "biufc[n,m,2]", call="x, 2"),
    row("numpy.permute_dims", "biufc[n,m,2]", call="x, (2, 0, 1)"),
    row("numpy.matrix_transpose", "biufc[2,n,m]"),
    *rows("numpy: flip flipud", "biufc[n,m]"),
    *rows("numpy: fliplr rot90", "biufc[n,m]"),
    row("numpy.roll", "biufc[*]", call="x, 2"),
    row("numpy.roll", "biufc[n,m]", call="x, (1, -1), (0, 1)"),
    row("numpy.repeat", "biufc[n,m]", call="x, 2, axis=1"),
    row("numpy.repeat", "f[3]", call="x, np.array([2, 0, 1])"),
    row("numpy.tile", "biufc[*]", call="x, (2, 1)"),
    row("numpy.pad", "biufc[n,m]", call="x, ((1, 0), (2, 1))"),
    *[
        row("numpy.pad", "iufc[3,4]", call=f"x, ((1, 2), (0, 1)), mode={mode!r}",
            order=1, rtol=1e-4)
        for mode in ("edge", "reflect", "symmetric", "wrap")
    ],
    *[
        row("numpy.pad", "f[3,4]", call=f"x, ((1, 2), (0, 1)), mode={mode!r}", order=1)
        for mode in ("linear_ramp", "maximum", "mean", "median", "minimum")
    ],
    # Joining, splitting.
    *rows("numpy: concatenate concat", "biufc[n,2]", "biufc[m,2]", call="[x, y]"),
    row("numpy.concatenate", "biufc[2,n]", "biufc[2,m]", call="[x, y], axis=1"),
    *rows("numpy: stack", "biufc[*]", "biufc[*]", call="[x, y], -1"),
    *rows("numpy: hstack vstack dstack column_stack", "biufc[n,m]", "biufc[n,m]", call="[x, y]"),
    row("numpy.append", "biufc[*]", "biufc[n]"),
    row("numpy.block", "biuf[2,N]", "biuf[2,M]", call="[[x, y], [x, y]]"),
    *rows("numpy: split array_split", "biufc[4,n]", call="x, 2"),
    row("numpy.array_split", "biufc[n,m]", call="x, 3"),
    row("numpy.vsplit", "biufc[4,n]", call="x, 2"),
    row("numpy.hsplit", "biufc[n,4]", call="x, [1, 3]"),
    row("numpy.dsplit", "biufc[n,1,4]", call="x, 2"),
    row("numpy.unstack", "biufc[n,m]", call="x, axis=1"),
    row("numpy.insert", "biufc[3,n]", call="x, 1, 7, axis=0"),
    row("numpy.delete", "biufc[3,n]", call="x, 1, axis=0"),
    row("numpy.trim_zeros", "f[N] 1..3", jit=False, ref="np.trim_zeros(x)", jax=False),
    # Diagonals and triangles.
    *rows("numpy: tril triu", "biufc[2,n,m]", call="x, 1"),
    row("numpy.diag", "biufc[n]", call="x, 1"),
    row("numpy.diag", "biufc[n,m]"),
    row("numpy.diagflat", "biufc[*]"),
    row("numpy.diagonal", "biufc[n,m,2]", call="x, 1"),
    row("numpy.trace", "biufc[N,m,2]", call="x, 1", ref="np.trace(x, 1)"),
    row("numpy.fill_diagonal", "f[3,3]", call="x, 2, inplace=False",
        ref="np.where(np.eye(3, dtype=bool), 2, x)"),
    *rows("numpy: tril_indices triu_indices", call="3, 1"),
    *rows("numpy: tril_indices_from triu_indices_from diag_indices_from", "f[3,3]", grad=WHERE),
    row("numpy.diag_indices", call="3"),
    row("numpy.mask_indices", call="3, jnp.triu", jit=False),
    # Selection by positions.
    row("numpy.take", "biufc[4,m]", "i32[n] 0..3", call="x, y, axis=0"),
    row("numpy.take", "biufc[4]", "i32[*] 0..3"),
    row("numpy.take_along_axis", "biufc[4,m]", "i32[n,m] 0..3", call="x, y, 0"),
    row("numpy.put_along_axis", "f[4,2]", "f[1,2]",
        call="x, np.array([[1, 3]]), y, 0, inplace=False",
        ref="(lambda a: (np.put_along_axis(a, np.array([[1, 3]]), y, 0), a)[1])(x.copy())"),
    row("numpy.put", "f[4,2]", "f[2]", call="x, np.array([1, 5]), y, inplace=False",
        ref="(lambda a: (np.put(a, [1, 5], y), a)[1])(x.copy())"),
    row("numpy.place", "f[4]", "f[2]",
        call="x, np.array([True, False, True, True]), y, inplace=False",
        ref="(lambda a: (np.place(a, [True, False, True, True], y), a)[1])(x.copy())"),
    row("numpy.compress", "biufc[3,m]", call="np.array([True, False, True]), x, axis=0", jit=False),
    row("numpy.extract", "biufc[3]", call="np.array([True, False, True]), x", jit=False),
    *rows("numpy: nonzero argwhere flatnonzero", "biufc[N,m]", jit=False, grad=WHERE),
    row("numpy.unravel_index", "i32[n] 0..5", call="x, (2, 3)"),
    row("numpy.ravel_multi_index", "i32[n] 0..1", "i32[n] 0..2",
        call="(x, y), (2, 3), mode='clip'"),
    row("numpy.searchsorted", "iuf[n]", "iuf[*]", call="jnp.sort(x), y", grad=WHERE, indices=True),
    row("numpy.searchsorted", "f[n]", "f[*]", call="jnp.sort(x), y, side='right'", grad=WHERE,
        indices=True),
    row("numpy.digitize", "iuf[*]", "iuf[n]", call="x, jnp.sort(y)", grad=WHERE, indices=True),
    # Sorting.
    *rows("numpy: sort", "biufc[n,m]", complex_grad=False, call="x, axis=0"),
    row("numpy.sort_complex", "fc[n]", complex_grad=False),
    row("numpy.argsort", "biuf[n,m]", call="x, axis=1, stable=True", grad=WHERE),
    row("numpy.lexsort", "biuf[n]", "iuf[n]", call="(x, y)", grad=WHERE),
    row("numpy.partition", "iuf[4]", call="x, 2", ref="np.sort(x)", values=False),
    row("numpy.argpartition", "iuf[4]", call="x, 2", values=False, grad=WHERE, indices=True),
    row("numpy.top_k", "iuf[2,4]", call="x, 2", ref="", grad="", jax=False, values=False),
    # Sets.
    *[
        row(f"numpy.{f}", "biuf[n]", jit=False, grad="its length depends on values",
            ref="np.unique" if f == "unique_values" else f"np.{f}")
        for f in ("unique", "unique_values", "unique_counts")
    ],
    *rows("numpy: unique_all unique_inverse", "iuf[n]", jit=False,
          grad="its length depends on values"),
    *rows("numpy: union1d intersect1d setdiff1d setxor1d", "iuf[n]", "iuf[m]", jit=False,
          grad="its length depends on values"),
    row("numpy.isin", "biuf[*]", "biuf[n]", grad=MASK),
    # Functions of functions.
    row("numpy.apply_along_axis", "f[3,N]", call="lambda v: v.sum(), 0, x"),
    row("numpy.apply_over_axes", "f[3,N]", call="lambda v, a: jnp.sum(v, a, keepdims=True), x, [1]",
        ref="np.apply_over_axes(np.sum, x, [1])"),
    # Bits.
    row("numpy.packbits", "b[n,m]", call="x, axis=1"),
    row("numpy.packbits", "u[n] 0..1", call="x.astype('uint8')"),
    row("numpy.unpackbits", "u[n]", call="x.astype('uint8')"),
]  # fmt: skip
