"""Functions of batches in parts, perturbed functions, and states in files."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import nn, optim, random
from fx.optim.microbatching import AccumulationType, micro_grad, micro_vmap, microbatch
from fx.optim.perturbations import Normal, make_perturbed_fun
from fx.train import checkpoint
from tests.optim.table import OPTIMIZERS, TRANSFORMATIONS

X = jnp.asarray(np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32))
WHOLE = {
    AccumulationType.SUM: lambda x: jnp.sum(x**2, axis=0),
    AccumulationType.MEAN: lambda x: jnp.mean(x**2, axis=0),
    AccumulationType.RUNNING_MEAN: lambda x: jnp.mean(x**2, axis=0),
    AccumulationType.CONCAT: lambda x: x**2,
}


def close(a, b, rtol=1e-5, atol=1e-6):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=rtol, atol=atol)


@pytest.mark.parametrize("size", [1, 2, 3, 6, None])
@pytest.mark.parametrize("kind", WHOLE)
def test_parts_make_the_whole(kind, size):
    whole = WHOLE[kind]
    f = fx.jit(microbatch(whole, 0, size, kind))
    close(f(X), whole(X))
    g = microbatch(lambda *, x: whole(x.T), (), size, kind, argnames="x", in_axes=1)
    close(g(x=X.T), whole(X))


def test_pytrees_of_accumulators_and_early_ends():
    f = microbatch(
        lambda x, y: (jnp.sum(x), {"each": y}),
        (0, 1),
        2,
        (AccumulationType.SUM, AccumulationType.CONCAT),
    )
    total, rest = f(X, X[:, 0])
    close(total, jnp.sum(X), atol=1e-5)
    close(rest["each"], X[:, 0])
    half = microbatch(jnp.mean, 0, 2, AccumulationType.RUNNING_MEAN, num_real_microbatches=2)
    close(half(X), jnp.mean(X[jnp.array([0, 1, 3, 4])]))


def test_gradients_of_parts():
    loss = lambda w, x: jnp.sum(jnp.tanh(x @ w))
    w = jnp.array([0.1, -0.2, 0.3])
    parts = microbatch(loss, 1, 2)
    close(fx.grad(parts)(w, X), fx.grad(loss)(w, X))
    f = fx.jit(micro_grad(loss, microbatch_size=3, metrics_fn=optim.global_norm))
    grads, each = f(w, X)
    alone = fx.vmap(fx.grad(loss), in_axes=(None, 0))(w, X)
    close(grads, jnp.sum(alone, axis=0))
    close(each.values, fx.vmap(loss, in_axes=(None, 0))(w, X))
    close(each.metrics, jnp.sqrt(jnp.sum(alone**2, axis=1)))
    clip = lambda g: g / jnp.maximum(1, optim.global_norm(g))
    clipped, _ = micro_grad(loss, transform_fn=clip, keep_batch_dim=False)(w, X)
    close(clipped, optim.per_example_global_norm_clip(alone, 1.0)[0])
    aux = lambda w, x: (loss(w, x), x[0])
    _, each = micro_grad(aux, has_aux=True, keep_batch_dim=False, microbatch_size=2)(w, X)
    close(each.aux, X[:, 0])


def test_vmap_in_parts():
    f = lambda x, y, *, z: x * y + z
    got = micro_vmap(f, (0, None), microbatch_size=2)(X, 2.0, z=X)
    close(got, 3 * X)
    summed = micro_vmap(f, (0, None), microbatch_size=2, accumulator=AccumulationType.SUM)
    close(summed(X, 2.0, z=X), jnp.sum(3 * X, axis=0))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: microbatch(jnp.sum, 0, 4)(X), "microbatch_size=4"),
        (lambda: microbatch(lambda x, y: x, (0, 1), 2)(X, X[:4]), r"\[4, 6\]"),
        (lambda: microbatch(jnp.sum, 0, 2, "sum")(X), "'sum'"),
        (lambda: microbatch(jnp.sum, 0, 2, AccumulationType.MEAN)(jnp.arange(6)), "int32"),
        (lambda: micro_vmap(jnp.sum, out_axes=1), "out_axes=1"),
    ],
)
def test_errors_name_the_cause(call, words):
    with pytest.raises((ValueError, TypeError), match=words):
        call()


def test_perturbed_argmax_is_softmax():
    """With Gumbel noise, exactly so in the mean; so are its derivatives."""
    x = jnp.array([0.5, -0.5, 0.2])
    argmax = lambda x: nn.one_hot(jnp.argmax(x), 3)
    f = make_perturbed_fun(argmax, num_samples=20_000, sigma=1.0)
    close(f(random.key(0), x), nn.softmax(x), atol=0.02)
    close(fx.jacobian(lambda x: f(random.key(0), x))(x), fx.jacobian(nn.softmax)(x), atol=0.05)


@pytest.mark.parametrize("use_baseline", [True, False])
def test_perturbed_quadratic(use_baseline):
    """E (x + σ z)² = x² + σ², with the derivative 2 x."""
    f = make_perturbed_fun(lambda x: x["a"] ** 2, 20_000, 0.5, Normal(), use_baseline)
    value, grad = fx.value_and_grad(lambda x: f(random.key(0), x))({"a": jnp.array(1.5)})
    close(value, 1.5**2 + 0.25, atol=0.05)
    close(grad["a"], 3.0, atol=0.2)


@pytest.mark.parametrize("name", {**OPTIMIZERS, **TRANSFORMATIONS})
def test_states_go_through_files(name, tmp_path):
    """A run that is stopped and loaded again goes on with the same steps."""
    tx = {**OPTIMIZERS, **TRANSFORMATIONS}[name](optim)
    params = {"w": X, "b": X[0], "s": X[0, 0]}
    _, state = tx.update(params, tx.init(params), params)
    checkpoint.save(tmp_path / "state", state)
    loaded = checkpoint.load(tmp_path / "state", like=state)
    assert fx.tree.structure(loaded) == fx.tree.structure(state)
    for a, b in zip(fx.tree.leaves(loaded), fx.tree.leaves(state), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    first, second = (tx.update(params, s, params)[0] for s in (state, loaded))
    for a, b in zip(fx.tree.leaves(first), fx.tree.leaves(second), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
