"""The workloads of fx and JAX: the very same functions, since fx follows JAX's names."""

import importlib
import itertools

from common import RNG, f32, registry


def functional(lib):
    """The table of workloads, and the function that waits for a result."""
    jax = importlib.import_module(lib)
    jnp = importlib.import_module(f"{lib}.numpy")
    lax = jax.lax
    optax = importlib.import_module("optax" if lib == "jax" else "fx.optim")
    sync = jax.block_until_ready
    table, workload, large = registry()

    def gelu(x):
        return 0.5 * x * (1 + jnp.tanh(0.7978845608 * (x + 0.044715 * x**3)))

    def layer_norm(x):
        centred = x - x.mean(-1, keepdims=True)
        return centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)

    @workload
    def dispatch_add4():
        f, x = jax.jit(lambda x: x + 1), jnp.ones(4)
        return lambda: f(x)

    @workload
    def dispatch_tree50():
        f = jax.jit(lambda t: {k: v + 1 for k, v in t.items()})
        tree = {f"k{i}": jnp.ones(4) for i in range(50)}
        return lambda: f(tree)

    @workload
    def gelu_16M():
        f, x = jax.jit(gelu), jnp.asarray(f32(1 << 24))
        return lambda: f(x)

    @workload
    def grad_chain_16M():
        f = jax.jit(jax.grad(lambda x: jnp.sum(jnp.exp(-x * x) * jnp.sin(x) + jnp.log1p(x * x))))
        x = jnp.asarray(f32(1 << 24))
        return lambda: f(x)

    @workload
    def softmax_4096x1024():
        f, x = jax.jit(lambda x: jax.nn.softmax(x, -1)), jnp.asarray(f32(4096, 1024))
        return lambda: f(x)

    @workload
    def layernorm_4096x1024():
        f, x = jax.jit(layer_norm), jnp.asarray(f32(4096, 1024))
        return lambda: f(x)

    @workload
    def sum_rows_4096x1024():
        f, x = jax.jit(lambda x: x.sum(0)), jnp.asarray(f32(4096, 1024))
        return lambda: f(x)

    @workload
    def matmul_1024():
        f, x = jax.jit(lambda a: a @ a), jnp.asarray(f32(1024, 1024))
        return lambda: f(x)

    def cnn_init():
        return {
            "c1": jnp.asarray(f32(32, 1, 3, 3, scale=0.47)),
            "b1": jnp.zeros(32),
            "c2": jnp.asarray(f32(64, 32, 3, 3, scale=0.083)),
            "b2": jnp.zeros(64),
            "w1": jnp.asarray(f32(9216, 128, scale=0.0147)),
            "d1": jnp.zeros(128),
            "w2": jnp.asarray(f32(128, 10, scale=0.125)),
            "d2": jnp.zeros(10),
        }

    def cnn(p, x):
        def conv(x, w):
            return lax.conv_general_dilated(x, w, (1, 1), "VALID")

        x = jax.nn.relu(conv(x, p["c1"]) + p["b1"][:, None, None])
        x = jax.nn.relu(conv(x, p["c2"]) + p["b2"][:, None, None])
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        x = jax.nn.relu(x.reshape(x.shape[0], -1) @ p["w1"] + p["d1"])
        return jax.nn.log_softmax(x @ p["w2"] + p["d2"])

    def nll(net, p, x, y):
        return -net(p, x)[jnp.arange(x.shape[0]), y].mean()

    def train(net, p, x, y):
        opt = optax.adam(1e-3)
        state = opt.init(p)

        @jax.jit
        def step(p, state, x, y):
            loss, grads = jax.value_and_grad(lambda p: nll(net, p, x, y))(p)
            updates, state = opt.update(grads, state)
            return optax.apply_updates(p, updates), state, loss

        return lambda: step(p, state, x, y)

    def images(batch):
        return jnp.asarray(f32(batch, 1, 28, 28)), jnp.asarray(RNG.integers(0, 10, batch))

    @workload
    def cnn_train_b64():
        return train(cnn, cnn_init(), *images(64))

    @workload
    def cnn_train_b256():
        return train(cnn, cnn_init(), *images(256))

    @workload
    def cnn_infer_b64():
        f, p, (x, _) = jax.jit(cnn), cnn_init(), images(64)
        return lambda: f(p, x)

    @large
    def cnn_train_b4096():
        return train(cnn, cnn_init(), *images(4096))

    def mlp_init():
        sizes = [784, 512, 512, 10]
        return [
            (jnp.asarray(f32(a, b, scale=(2 / a) ** 0.5)), jnp.zeros(b))
            for a, b in itertools.pairwise(sizes)
        ]

    def mlp(p, x):
        for w, b in p[:-1]:
            x = jax.nn.relu(x @ w + b)
        return jax.nn.log_softmax(x @ p[-1][0] + p[-1][1])

    def rows(batch):
        return jnp.asarray(f32(batch, 784)), jnp.asarray(RNG.integers(0, 10, batch))

    @workload
    def mlp_train_b128():
        return train(mlp, mlp_init(), *rows(128))

    @workload
    def per_example_grads_b128():
        f = jax.jit(jax.vmap(jax.grad(lambda p, x, y: nll(mlp, p, x[None], y[None])), (None, 0, 0)))
        p, (x, y) = mlp_init(), rows(128)
        return lambda: f(p, x, y)

    @workload
    def lstm_grad_T100():
        hidden = 256
        w, xs = (
            jnp.asarray(f32(2 * hidden, 4 * hidden, scale=0.05)),
            jnp.asarray(f32(100, 32, hidden)),
        )

        def loss(w, xs):
            def step(carry, x):
                h, c = carry
                i, f, g, o = jnp.split(jnp.concatenate([x, h], -1) @ w, 4, -1)
                c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
                h = jax.nn.sigmoid(o) * jnp.tanh(c)
                return (h, c), h

            zero = jnp.zeros((32, hidden))
            return lax.scan(step, (zero, zero), xs)[1].sum()

        f = jax.jit(jax.grad(loss))
        return lambda: f(w, xs)

    def transformer(batch, length, d):
        p = {
            "qkv": jnp.asarray(f32(d, 3 * d, scale=0.05)),
            "o": jnp.asarray(f32(d, d, scale=0.05)),
            "f1": jnp.asarray(f32(d, 4 * d, scale=0.05)),
            "f2": jnp.asarray(f32(4 * d, d, scale=0.05)),
        }
        x = jnp.asarray(f32(batch, length, d))

        def block(p, x):
            heads = [
                t.reshape(batch, length, d // 64, 64).transpose(0, 2, 1, 3)
                for t in jnp.split(layer_norm(x) @ p["qkv"], 3, -1)
            ]
            q, k, v = heads
            a = jax.nn.softmax(q @ k.swapaxes(-1, -2) / 8, -1) @ v
            x = x + a.transpose(0, 2, 1, 3).reshape(batch, length, d) @ p["o"]
            return x + gelu(layer_norm(x) @ p["f1"]) @ p["f2"]

        f = jax.jit(jax.grad(lambda p, x: (block(p, x) ** 2).sum()))
        return lambda: f(p, x)

    @workload
    def transformer_block_grad():
        return transformer(8, 128, 256)

    @large
    def transformer_block_grad_large():
        return transformer(16, 1024, 1024)

    @workload
    def hessian_vector_product():
        def f(x):
            return jnp.sum(jnp.tanh(x) ** 3 + jnp.exp(-x * x))

        hvp = jax.jit(lambda x, v: jax.jvp(jax.grad(f), (x,), (v,))[1])
        x, v = jnp.asarray(f32(1 << 20)), jnp.asarray(f32(1 << 20))
        return lambda: hvp(x, v)

    @workload
    def random_normal_4M():
        f, key = jax.jit(lambda key: jax.random.normal(key, (1 << 22,))), jax.random.key(0)
        return lambda: f(key)

    @workload
    def eager_grad_small():
        f, x = jax.grad(lambda x: jnp.sum(jnp.tanh(x) ** 2)), jnp.ones(4)
        return lambda: f(x)

    return table, sync
