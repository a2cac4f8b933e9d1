"""Control flow, transformations inside expressions, custom rules, pytrees and randomness."""

from tests.differential.harness import row

ROWS = [
    # cond and switch.
    row("lax.cond(p, lambda x: x * 2, lambda x: jnp.sin(x), x)", p="b[]", x="f32[3]"),
    row("lax.cond(x.sum() > 0, jnp.cos, lambda x: x ** 2, x)", x="f32[3]"),
    row("lax.cond(True, lambda: x, lambda: 2 * x)", x="f32[3]"),
    row(
        "lax.cond(i > 0, lambda a, b: (a, b), lambda a, b: (b, a * b), x, y)",
        i="i32[]",
        x="f32[2]",
        y="f32[2]",
    ),
    row("lax.switch(i, [jnp.sin, jnp.cos, lambda v: v * v], x)", i="i32[] -1..3", x="f32[3]"),
    row(
        "lax.cond(p, lambda x: x.astype(jnp.int32), lambda x: jnp.zeros(3, jnp.int32), x)",
        p="b[]",
        x="f32[3]",
        off="grad",
    ),
    row("jax.vmap(lambda v: lax.cond(v > 0, jnp.sqrt, lambda v: 3. * v, v))(x)", x="f32[6]"),
    row(
        "jax.vmap(lambda k, v: lax.switch(k, [jnp.sin, jnp.cos], v))(i, x)",
        i="i32[4] 0..1",
        x="f32[4]",
    ),
    # Loops.
    row("lax.fori_loop(0, 4, lambda i, x: x * 1.5 + i, x)", x="f32[3]"),
    row("lax.fori_loop(0, 3, lambda i, x: x.at[i].multiply(2.), x)", x="f32[3]"),
    row(
        "lax.fori_loop(0, n, lambda i, x: jnp.sin(x), x)",
        n="i32[] 2..4",
        x="f32[3]",
        off="grad second vmapgrad",
    ),
    row(
        "lax.while_loop(lambda s: s[0] < 5, lambda s: (s[0] + 1, s[1] * 1.1), (0, x))",
        x="f32[3]",
        off="grad second vmapgrad",
    ),
    row(
        "lax.while_loop(lambda x: jnp.max(x) < 10, lambda x: x * 2, x)",
        x="f32[3] 0.5..2",
        off="grad second vmapgrad",
    ),
    row(
        "lax.while_loop(lambda s: s[1] != 0, lambda s: (s[1], s[0] % s[1]), (i, j))",
        i="i32[] 1..9",
        j="i32[] 1..9",
    ),
    row("lax.scan(lambda c, a: (c + a, c * a), 0., x)", x="f32[5]"),
    row("lax.scan(lambda c, a: (c * 0.9 + a, c), jnp.zeros(2), x, reverse=True)", x="f32[4,2]"),
    row("lax.scan(lambda c, _: (jnp.sin(c), c), x, None, length=3)", x="f32[2]"),
    row(
        "lax.scan(lambda c, a: (c @ w + a, c.sum()), jnp.zeros(3), x, unroll=2)",
        x="f32[4,3]",
        w="f32[3,3]",
    ),
    row(
        """
        def cell(h, inputs):
            u, keep = inputs
            h = jnp.where(keep, jnp.tanh(w @ h + u), h)
            return h, {'out': h, 'norm': h @ h}
        return lax.scan(cell, h, (x, m))
        """,
        w="f32[3,3]",
        h="f32[3]",
        x="f32[4,3]",
        m="b[4]",
    ),
    row("lax.scan(lambda c, a: (c + 1, a * c), 0, x)", x="f32[4]"),
    row("lax.map(lambda v: v @ v, x)", x="f32[3,4]"),
    row("lax.map(lambda t: t[0] * t[1], (x, y), batch_size=2)", x="f32[5]", y="f32[5]"),
    row(
        """
        def outer(c, row):
            return lax.scan(lambda d, a: (d * a + 1., d), c, row)
        return lax.scan(outer, jnp.ones(()), x)
        """,
        x="f32[3,4] 0.2..1",
    ),
    row(
        "lax.scan(lambda c, f: lax.cond(f, lambda c: (c * 2., c), lambda c: (c + 1., c), c), s, m)",
        s=0.5,
        m="b[5]",
    ),
    row("lax.fori_loop(0, 3, lambda i, s: (s[1], s[0] + s[1]), (x, y))", x="f32[2]", y="f32[2]"),
    row(
        "jax.vmap(lambda n: lax.while_loop(lambda s: s < n, lambda s: s * 2, 1))(i)",
        i="i32[4] 1..9",
    ),
    row(
        "lax.custom_root(lambda y: y ** 2 - x, 1.5, lambda f, y0: lax.fori_loop("
        "0, 20, lambda _, y: y - f(y) / (2 * y), y0), lambda g, y: y / g(1.0))",
        x="f32[] 1..2",
        off="second vmapgrad",
    ),
    row(
        "lax.custom_linear_solve(lambda v: a * v, b, lambda mv, r: r / a, symmetric=True)",
        a="f32[3] 1..2",
        b="f32[3]",
    ),
    # Transformations as functions.
    row("jax.grad(lambda x: jnp.sum(jnp.sin(x) * x))(x)", x="f32[4]"),
    row("jax.grad(jax.grad(lambda s: s ** 4))(s)", s=1.5),
    row("jax.grad(lambda x: x[0] * x[1])(x)", x="f32[2]"),
    row(
        "jax.value_and_grad(lambda p: jnp.sum(p['w'] * p['b']))(p)",
        p={"w": "f32[3]", "b": "f32[3]"},
    ),
    row("jax.grad(lambda a, b: jnp.sum(a * b ** 2), argnums=(0, 1))(x, y)", x="f32[3]", y="f32[3]"),
    row("jax.grad(lambda x: (jnp.sum(x ** 2), x), has_aux=True)(x)", x="f32[3]"),
    row("jax.jacfwd(lambda x: jnp.outer(x, jnp.sin(x)))(x)", x="f32[3]"),
    row("jax.jacrev(lambda x: x ** 2 @ jnp.ones((3, 2)))(x)", x="f32[3]"),
    row("jax.jacfwd(lambda p: p['a'] * p['b'].sum())(p)", p={"a": "f32[2]", "b": "f32[3]"}),
    row("jax.hessian(lambda x: jnp.sum(x ** 3) + x[0] * x[1])(x)", x="f32[3]", off="second"),
    row(
        "jax.hessian(lambda p: jnp.sum(p['a'] ** 2 * p['b']))(p)",
        p={"a": "f32[2]", "b": "f32[2]"},
        off="second",
    ),
    row("jax.jvp(jnp.sin, (x,), (jnp.cos(x),))", x="f32[3]"),
    row("jax.vjp(lambda x: (x * 2, jnp.exp(x)), x)[1]((y, y))", x="f32[3]", y="f32[3]"),
    row("jax.linearize(lambda x: x ** 3, x)[1](y)", x="f32[3]", y="f32[3]"),
    row("jax.linear_transpose(lambda x: x @ jnp.ones((3, 2)), y)(z)", y="f32[3]", z="f32[2]"),
    row("jax.jvp(jax.grad(lambda x: jnp.sum(x ** 3)), (x,), (y,))[1]", x="f32[3]", y="f32[3]"),
    row("jax.vmap(lambda a, b: a @ b, in_axes=(0, None))(x, y)", x="f32[3,4]", y="f32[4]"),
    row("jax.vmap(lambda a: a * 2, in_axes=1, out_axes=1)(x)", x="f32[3,4]"),
    row("jax.vmap(jax.vmap(jnp.dot, (None, 1)), (0, None))(x, y)", x="f32[2,3]", y="f32[3,4]"),
    row(
        "jax.vmap(lambda p: p['a'] + p['b'], in_axes=({'a': 0, 'b': None},))(p)",
        p={"a": "f32[3]", "b": "f32[]"},
    ),
    row("jax.vmap(lambda a: a - lax.pmean(a, 'i'), axis_name='i')(x)", x="f32[4]"),
    row("jax.vmap(lambda a: a / lax.psum(jnp.abs(a), 'i'), axis_name='i')(x)", x="f32[4]"),
    row("jax.vmap(lambda a: lax.all_gather(a, 'i')[::-1] * a, axis_name='i')(x)", x="f32[3]"),
    row(
        "jax.vmap(lambda a: lax.ppermute(a, 'i', [(0, 1), (1, 2), (2, 0)]), axis_name='i')(x)",
        x="f32[3]",
    ),
    row("jax.vmap(lambda a: a * lax.axis_index('i'), axis_name='i')(x)", x="f32[3]"),
    row("jax.vmap(lambda a: lax.psum_scatter(a, 'i', tiled=True), axis_name='i')(x)", x="f32[3,3]"),
    row("jax.vmap(lambda a: lax.all_to_all(a, 'i', 0, 0), axis_name='i')(x)", x="f32[3,3]"),
    row(
        "jax.vmap(lambda a: [lax.pmax(a, 'i'), lax.pmin(a, 'i')], axis_name='i')(x)",
        x="f32[3]",
        off="grad",
    ),
    row("jax.jit(lambda x, n: x * n, static_argnums=1)(x, 3)", x="f32[3]"),
    row(
        "jax.jit(lambda x, mode: x if mode == 'a' else -x, static_argnames='mode')(x, mode='b')",
        x="f32[3]",
    ),
    row("jax.jit(jax.grad(jax.jit(lambda x: jnp.sum(jnp.tanh(x)))))(x)", x="f32[3]"),
    row("jax.vmap(jax.grad(lambda v: jnp.sum(jnp.sin(v) ** 2)))(x)", x="f32[3,2]"),
    row("jax.grad(lambda x: jnp.sum(jax.vmap(jnp.tanh)(x)))(x)", x="f32[3]"),
    row("jax.checkpoint(lambda x: jnp.sin(jnp.sin(x)))(x)", x="f32[3]"),
    row(
        """
        layer = jax.checkpoint(lambda h, w: (jnp.tanh(h @ w), None))
        return lax.scan(layer, x, w)[0]
        """,
        x="f32[3]",
        w="f32[4,3,3]",
    ),
    row(
        "jax.checkpoint(lambda x: jnp.exp(x) * x, policy=jax.checkpoint_policies.dots_saveable)(x)",
        x="f32[3]",
    ),
    row("jax.remat(lambda x, y: jnp.sum(jnp.sin(x) @ y))(x, y)", x="f32[3,3]", y="f32[3,2]"),
    row("jax.named_call(lambda x: x * 2, name='twice')(x)", x="f32[3]"),
    row("jax.eval_shape(lambda x: x @ x.T, x).shape == (3, 3)", x="f32[3,2]", off="grad"),
    row(
        "jax.pure_callback(lambda v: np.sin(v), jax.ShapeDtypeStruct((3,), jnp.float32), x)",
        x="f32[3]",
        off="grad vmap",
    ),
    # Rules of the user's own.
    row(
        """
        @jax.custom_jvp
        def f(x):
            return jnp.log(1 + jnp.exp(x))
        @f.defjvp
        def rule(primals, tangents):
            (x,), (t,) = primals, tangents
            return f(x), t / (1 + jnp.exp(-x))
        return f(x)
        """,
        x="f32[4]",
    ),
    row(
        """
        @jax.custom_jvp
        def f(x, y):
            return jnp.sin(x) * y
        f.defjvps(lambda t, ans, x, y: 2 * t * y, lambda t, ans, x, y: t * ans)
        return f(x, y)
        """,
        x="f32[3]",
        y="f32[3]",
    ),
    row(
        """
        @jax.custom_vjp
        def f(x, y):
            return jnp.sin(x) * y
        f.defvjp(lambda x, y: (f(x, y), (x, y)),
                 lambda res, g: (2 * g * res[1], jnp.cos(res[0]) * g))
        return f(x, y)
        """,
        x="f32[3]",
        y="f32[3]",
        off="jvp second",
    ),
    row(
        """
        @partial(jax.custom_vjp, nondiff_argnums=(0,))
        def apply(f, x):
            return f(x)
        apply.defvjp(lambda f, x: (f(x), x), lambda f, x, g: (jax.grad(lambda v: jnp.sum(
            f(v)))(x) * jnp.clip(g, -0.5, 0.5),))
        return apply(jnp.sin, x)
        """,
        x="f32[3]",
        off="jvp second",
    ),
    row(
        """
        @jax.custom_vjp
        def f(p):
            return p['a'] * p['b']
        f.defvjp(lambda p: (f(p), p), lambda p, g: ({'a': g, 'b': None},))
        return f(p)
        """,
        p={"a": "f32[3]", "b": "f32[3]"},
        off="jvp second",
    ),
    row(
        """
        @jax.custom_gradient
        def f(x):
            return x ** 2, lambda g: 3 * g * x
        return f(x)
        """,
        x="f32[3]",
        off="jvp second",
    ),
    row("x + lax.stop_gradient(jnp.round(x) - x)", x="f32[4]"),
    row(
        """
        def f(x):
            if x > 0:
                return jnp.sin(x)
            return x ** 2
        return jax.grad(f)(x)
        """,
        x="f32[]",
        off="jit",
    ),
    # Pytrees.
    row(
        "tree.map(lambda a, b: a * b, p, q)",
        p={"a": "f32[2]", "b": ["f32[3]"]},
        q={"a": "f32[2]", "b": ["f32[]"]},
    ),
    row("tree.reduce(lambda a, b: a + jnp.sum(b), p, 0.)", p=("f32[2]", {"x": "f32[3]"})),
    row("ravel_pytree(p)[0] ** 2", p={"a": "f32[2]", "b": "f32[2,2]"}),
    row(
        """
        flat, unravel = ravel_pytree(p)
        return unravel(jnp.sin(flat))
        """,
        p={"a": "f32[2]", "b": "f32[2,2]"},
    ),
    row(
        """
        leaves, structure = tree.flatten(p)
        return tree.unflatten(structure, [x + 1 for x in leaves])
        """,
        p=["f32[2]", ("f32[1]", "i32[2]")],
    ),
    row(
        "tree.map(lambda p, g: p - 0.1 * g, p, jax.grad(lambda p: jnp.sum(p[0] * p[1]))(p))",
        p=("f32[3]", "f32[3]"),
    ),
    row(
        "tree.transpose(tree.structure([0, 0]), tree.structure((0, 0)), [(x, y), (y, x)])",
        x="f32[2]",
        y="f32[2]",
    ),
    row(
        "[x.shape[0] * tree.all(tree.map(lambda a: a.ndim == 1, [x, x])), tree.leaves((x, None))]",
        x="f32[2]",
        off="grad",
    ),
    row(
        "jax.tree_util.tree_map_with_path(lambda k, v: v * len(k), p)",
        p={"a": "f32[2]", "b": ["f32[2]"]},
    ),
    # Random numbers.
    row("[random.normal(random.key(3), (3, 2)), random.uniform(random.PRNGKey(1), (4,))]"),
    row("random.uniform(random.key(0), (3,), minval=x, maxval=x + 1)", x="f32[3]"),
    row(
        "x * random.normal(random.fold_in(random.key(0), i), (3,))",
        x="f32[3]",
        i="i32[] 0..9",
        off="vmap vmapgrad",
    ),
    row("[random.randint(k, (5,), 0, 10) for k in random.split(random.key(7), 2)]"),
    row(
        "[random.permutation(random.key(0), 6), random.choice(random.key(1), x, (3,))]", x="f32[5]"
    ),
    row("random.categorical(random.key(0), x, shape=(5,))", x="f32[4]", off="grad vmap"),
    row("[random.bernoulli(random.key(0), 0.3, (6,)), random.bits(random.key(1), (3,))]"),
    row(
        "[random.exponential(random.key(0), (3,)), random.laplace(random.key(1), (3,)),"
        " random.gumbel(random.key(2), (3,)), random.cauchy(random.key(3), (3,))]",
        rtol=1e-4,
    ),
    row(
        "[random.truncated_normal(random.key(0), -1., 1., (4,)), random.logistic(random.key(1),"
        " (4,)), random.rademacher(random.key(2), (4,))]",
        rtol=1e-4,
    ),
    row("random.gamma(random.key(0), a, (3,))", a="f32[3] 1..3", rtol=1e-3, off="second vmapgrad"),
    row("random.dirichlet(random.key(0), jnp.array([1., 2., 3.]))", rtol=1e-3),
    row("jax.vmap(lambda k: random.normal(k, (2,)))(random.split(random.key(0), 3))"),
    row("random.key_data(random.split(random.key(5), 3))"),
]
