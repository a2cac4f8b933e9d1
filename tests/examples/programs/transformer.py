"""A causal transformer with rotary positions, learning to copy the first half of its input."""

import math

import fx as jax
import fx.numpy as jnp
import fx.optim as optax
from fx import jit, random
from fx.nn.initializers import lecun_normal, normal

VOCABULARY, WIDTH, HEADS, HALF = 8, 32, 4, 6


def init(key):
    k = random.split(key, 6)
    dense = lecun_normal()
    return {
        "embedding": normal(0.5)(k[0], (VOCABULARY, WIDTH)),
        "blocks": [
            {
                "qkv": dense(a, (WIDTH, 3 * WIDTH)),
                "out": dense(b, (WIDTH, WIDTH)),
                "up": dense(c, (WIDTH, 2 * WIDTH)),
                "down": dense(d, (2 * WIDTH, WIDTH)),
                "norms": jnp.ones((2, WIDTH)),
            }
            for a, b, c, d in (random.split(k[1], 4), random.split(k[2], 4))
        ],
        "norm": jnp.ones(WIDTH),
        "head": dense(k[3], (WIDTH, VOCABULARY)),
    }


def rms_norm(x, scale):
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-6) * scale


def rotate(x):
    """Rotary position embedding; x: (time, heads, size)."""
    time, _, size = x.shape
    frequencies = 1.0 / 100.0 ** (jnp.arange(0, size, 2) / size)
    angles = jnp.arange(time)[:, None] * frequencies
    cos, sin = jnp.cos(angles)[:, None], jnp.sin(angles)[:, None]
    even, odd = x[..., ::2], x[..., 1::2]
    return jnp.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)


def attention(block, x):
    time = x.shape[0]
    q, k, v = jnp.moveaxis((x @ block["qkv"]).reshape(time, 3, HEADS, -1), 1, 0)
    q, k = rotate(q), rotate(k)
    scores = jnp.einsum("qhd,khd->hqk", q, k) / math.sqrt(q.shape[-1])
    mask = jnp.tril(jnp.ones((time, time), dtype=bool))
    weights = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf), axis=-1)
    mixed = jnp.einsum("hqk,khd->qhd", weights, v)
    return mixed.reshape(time, -1) @ block["out"]


def forward(params, tokens):
    x = params["embedding"][tokens]
    for block in params["blocks"]:
        x = x + attention(block, rms_norm(x, block["norms"][0]))
        hidden = jax.nn.silu(rms_norm(x, block["norms"][1]) @ block["up"])
        x = x + hidden @ block["down"]
    return rms_norm(x, params["norm"]) @ params["head"]


def loss(params, tokens):
    """Of the second half, which repeats the first."""
    logits = jax.vmap(forward, (None, 0))(params, tokens[:, :-1])[:, HALF - 1 :]
    targets = tokens[:, HALF:]
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
    return losses.mean(), jnp.mean(logits.argmax(-1) == targets)


def batch_of(key, size):
    half = random.randint(key, (size, HALF), 0, VOCABULARY)
    return jnp.concatenate([half, half], axis=1)


def run(steps=200, size=32):
    params = init(random.key(0))
    schedule = optax.warmup_cosine_decay_schedule(0.0, 1e-2, 20, steps, 1e-4)
    optimizer = optax.adamw(schedule, weight_decay=1e-4)
    state = optimizer.init(params)

    @jit
    def step(params, state, key):
        gradient_of = jax.value_and_grad(loss, has_aux=True)
        (value, _), gradient = gradient_of(params, batch_of(key, size))
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, value

    history = []
    for i in range(steps):
        params, state, value = step(params, state, random.fold_in(random.key(1), i))
        history.append(value)
    value, accuracy = jit(loss)(params, batch_of(random.key(2), 128))
    # The logits at a position depend on the tokens up to it only.
    tokens = batch_of(random.key(3), 1)[0]
    influence = jax.jacrev(lambda e: forward({**params, "embedding": e}, tokens)[2])(
        params["embedding"]
    )
    later = jnp.setdiff1d(tokens, tokens[:3])
    return {
        "start": jnp.stack(history[:5]),
        "loss": value,
        "accuracy": accuracy,
        "leak": jnp.max(jnp.abs(influence[:, later])),
    }
