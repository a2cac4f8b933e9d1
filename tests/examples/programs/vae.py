"""A variational autoencoder of handwritten digits: an encoder, a decoder and the noise between."""

from functools import partial

import fx as jax
import fx.numpy as jnp
import fx.optim as optax
from fx import jit, lax, nn, random
from fx.data import load

LATENT, HIDDEN = 6, 64


def dense(key, m, n):
    k1, k2 = random.split(key)
    return nn.initializers.he_normal()(k1, (m, n)), nn.initializers.normal()(k2, (n,))


def init(key, pixels):
    k = random.split(key, 5)
    return {
        "encoder": dense(k[0], pixels, HIDDEN),
        "mean": dense(k[1], HIDDEN, LATENT),
        "variance": dense(k[2], HIDDEN, LATENT),
        "decoder": [dense(k[3], LATENT, HIDDEN), dense(k[4], HIDDEN, pixels)],
    }


def affine(layer, x):
    w, b = layer
    return jnp.dot(x, w) + b


def encode(params, x):
    h = nn.relu(affine(params["encoder"], x))
    return affine(params["mean"], h), nn.softplus(affine(params["variance"], h))


def decode(params, z):
    for layer in params["decoder"][:-1]:
        z = nn.relu(affine(layer, z))
    return affine(params["decoder"][-1], z)


def bernoulli_logpdf(logits, x):
    return -jnp.sum(jnp.logaddexp(0.0, jnp.where(x, -1.0, 1.0) * logits), axis=-1)


def elbo(params, key, images):
    mu, var = encode(params, images)
    z = mu + jnp.sqrt(var) * random.normal(key, mu.shape)
    likelihood = bernoulli_logpdf(decode(params, z), images)
    divergence = -0.5 * jnp.sum(1.0 + jnp.log(var) - mu**2 - var, axis=-1)
    return jnp.mean(likelihood - divergence)


def run(epochs=6, batch=100):
    data = load()
    shrink = lambda x: x.reshape(-1, 14, 2, 14, 2).mean((2, 4)).reshape(-1, 196)
    train = jnp.asarray(shrink(data.train_images))
    test = jnp.asarray(shrink(data.test_images)) > 0.5
    batches = train.shape[0] // batch
    params = init(random.key(0), 196)
    optimizer = optax.adam(5e-3)

    @partial(jit, donate_argnums=(0, 1))
    def epoch(params, state, key):
        order_key, *keys = random.split(key, batches + 1)
        order = random.permutation(order_key, train.shape[0]).reshape(batches, batch)

        def body(carry, inputs):
            params, state = carry
            rows, key = inputs
            binarize_key, sample_key = random.split(key)
            images = random.bernoulli(binarize_key, jnp.take(train, rows, axis=0))
            value, g = jax.value_and_grad(lambda p: -elbo(p, sample_key, images))(params)
            updates, state = optimizer.update(g, state, params)
            return (optax.apply_updates(params, updates), state), value

        return lax.scan(body, (params, state), (order, jnp.stack(keys)))

    before = elbo(params, random.key(9), test)
    state = optimizer.init(params)
    for i in range(epochs):
        (params, state), values = epoch(params, state, random.fold_in(random.key(1), i))
    after = elbo(params, random.key(9), test)
    images = nn.sigmoid(decode(params, random.normal(random.key(10), (5, LATENT))))
    return {
        "before": before,
        "after": after,
        "ink": images.mean(),
        "epoch": values.mean(),
    }
