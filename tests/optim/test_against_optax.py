"""Twenty steps of every optimizer, beside Optax: the values and the structure of the state."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import optim
from tests.optim.table import OPTIMIZERS, TRANSFORMATIONS, VALUE

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

STEPS = 20
# Rows with averages in bfloat16, where one rounding is 0.4 %.
BFLOAT16 = ("adam_bfloat16", "ema_options", "lion", "sgd_nesterov")
# Rows with a `cond`, which JAX compiles again in every step unless the step is compiled.
COMPILED = (
    "apply_if_finite",
    "conditionally_mask",
    "conditionally_transform",
    "multi_steps",
    "multi_steps_options",
    "reduce_on_plateau",
)
# Optax does not take parameters of shape () here, or gives them another shape.
NO_SCALARS = ("distance", "sm3")
# Optax gives the step of the call before; here it is that of this call, as in the papers.
DIFFERENT = ("rprop",)
START = {
    "w": np.linspace(-1.0, 1.5, 12, dtype=np.float32).reshape(3, 4),
    "b": np.array([0.3, -0.7, 0.1], np.float32),
    "s": np.array(0.8, np.float32),
}
_RNG = np.random.default_rng(0)
NOISE = {name: _RNG.normal(size=(STEPS, *p.shape)).astype(np.float32) for name, p in START.items()}


def gradients(params, noise):
    """Of a bowl with noise; the noise keeps signs away from ties."""
    return {name: 0.7 * params[name] + 0.5 * noise[name] for name in params}


def run(library, make, value, names, compiler=lambda f: f):
    """All parameters after each step, and the last state."""
    tx = make(library)
    xp = jnp if library is optim else jax.numpy
    params = {name: xp.asarray(START[name]) for name in names}
    noise = {name: xp.asarray(NOISE[name]) for name in names}

    @compiler
    def step(params, state, noise):
        extra = {"value": (params["w"] ** 2).sum()} if value else {}
        updates, state = tx.update(gradients(params, noise), state, params, **extra)
        return library.apply_updates(params, updates), state

    state, path = tx.init(params), []
    for i in range(STEPS):
        params, state = step(params, state, {name: n[i] for name, n in noise.items()})
        path.append(params)
    return state, path


def numbers(x):
    x = np.asarray(x)
    return x.astype(np.float64) if x.dtype.kind not in "biu" else x


def describe(paths):
    """Leaves by their paths, under the same names for both libraries."""
    return {
        "".join(str(key) for key in path).replace("OrderedDict", "dict"): leaf
        for path, leaf in paths
    }


@pytest.mark.parametrize("name", sorted({*OPTIMIZERS, *TRANSFORMATIONS, *VALUE} - {*DIFFERENT}))
def test_same_steps(name):
    make = {**OPTIMIZERS, **TRANSFORMATIONS, **VALUE}[name]
    value = name in VALUE
    names = ("w", "b") if name in NO_SCALARS else tuple(START)
    state, path = run(optim, make, value, names)
    state_o, path_o = run(optax, make, value, names, *[jax.jit] * (name in COMPILED))
    coarse = 2e-2 if name in BFLOAT16 else 2e-5
    for i, (params, params_o) in enumerate(zip(path, path_o, strict=True)):
        for key in names:
            a, b = numbers(params[key]), numbers(params_o[key])
            np.testing.assert_allclose(a, b, rtol=coarse, atol=coarse, err_msg=f"step {i} {key}")
    ours = describe(fx.tree.flatten_with_path(state)[0])
    theirs = describe(jax.tree_util.tree_flatten_with_path(state_o)[0])
    assert list(ours) == list(theirs)
    for key, leaf in ours.items():
        other = theirs[key]
        assert leaf.shape == other.shape, key
        assert str(leaf.dtype) == str(other.dtype), key
        np.testing.assert_allclose(
            numbers(leaf), numbers(other), rtol=coarse * 10, atol=coarse * 10, err_msg=key
        )
