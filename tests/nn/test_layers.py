"""Dense, embedding, normalization, dropout, reshaping: definitions, gradients, options, errors."""

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import nn, random
from fx.errors import FxTypeError, FxValueError, ShapeError
from tests.laws import check_derivatives, check_jit, check_vmap

KEY = random.key(5)
RNG = np.random.default_rng(5)
X = RNG.normal(size=(2, 3, 6))

# Layers of one input (batch..., 6), and the shapes of their parameters.
LAYERS = {
    "Dense": (nn.Dense(4), {"kernel": (6, 4), "bias": (4,)}),
    "Dense without bias": (nn.Dense(4, use_bias=False), {"kernel": (6, 4)}),
    "LayerNorm": (nn.LayerNorm(), {"scale": (6,), "bias": (6,)}),
    "LayerNorm plain": (nn.LayerNorm(use_scale=False, use_bias=False), {}),
    "RMSNorm": (nn.RMSNorm(), {"scale": (6,)}),
    "RMSNorm plain": (nn.RMSNorm(use_scale=False), {}),
    "Dropout": (nn.Dropout(0.5), {}),
    "Flatten": (nn.Flatten(), {}),
    "Sequential": (
        nn.Sequential((nn.Dense(5), nn.tanh, ("last", nn.Dense(2)))),
        {"0": {"kernel": (6, 5), "bias": (5,)}, "last": {"kernel": (5, 2), "bias": (2,)}},
    ),
}
everything = pytest.mark.parametrize("name", LAYERS)


def noisy(params):
    """Parameters away from 0 and 1, where mistakes hide."""
    leaves, tree = fx.tree.flatten(params)
    rng = np.random.default_rng(1)
    return fx.tree.unflatten(tree, [p + rng.normal(size=p.shape).astype(p.dtype) for p in leaves])


def shapes(params):
    return fx.tree.map(jnp.shape, params)


@everything
def test_init_needs_shapes_only(name):
    layer, expected = LAYERS[name]
    params = layer.init(KEY, fx.ShapeDtypeStruct((2, 3, 6), "float32"))
    assert shapes(params) == expected
    for example in (jnp.ones((2, 3, 6)), np.ones((7, 1, 6), np.float32)):
        for got, want in zip(
            fx.tree.leaves(layer.init(KEY, example)), fx.tree.leaves(params), strict=True
        ):
            np.testing.assert_array_equal(got, want)
    traced = fx.eval_shape(layer.init, KEY, fx.ShapeDtypeStruct((2, 3, 6), "float32"))
    assert fx.tree.map(lambda s: s.shape, traced) == expected
    staged = fx.jit(layer.init)(KEY, jnp.ones((2, 3, 6)))
    assert shapes(staged) == expected


@everything
def test_laws(name):
    layer = LAYERS[name][0]
    params, tree = fx.tree.flatten(noisy(layer.init(KEY, X)))
    params = [p.astype("float64") for p in params]
    f = lambda x, *params: layer.apply(fx.tree.unflatten(tree, params), x)
    check_derivatives(f, X, *params)
    check_jit(f, X, *params)
    check_vmap(f, X, *params, size=2, all_axes=False, all_subsets=False)


@everything
def test_layers_are_static_values(name):
    """Equal hyperparameters are equal layers, which a jitted function does not trace twice."""
    layer = LAYERS[name][0]
    assert layer == LAYERS[name][0] and hash(layer) == hash(LAYERS[name][0])
    params, traces = layer.init(KEY, X), []

    @fx.jit
    def f(layer, params, x):
        traces.append(layer)
        return layer.apply(params, x)

    f(layer, params, jnp.asarray(X, "float32"))
    f(LAYERS[name][0], params, jnp.asarray(X, "float32"))
    assert len(traces) == 1 and fx.tree.leaves(layer) == []
    with pytest.raises(AttributeError):
        layer.features = 3


@pytest.mark.parametrize("layer", [nn.Dense, nn.LayerNorm, nn.RMSNorm])
@pytest.mark.parametrize(
    ("given", "param_dtype", "dtype", "result"),
    [
        ("float32", None, None, "float32"),
        ("bfloat16", None, None, "float32"),
        ("bfloat16", None, "bfloat16", "bfloat16"),
        ("float16", "float16", None, "float16"),
        ("float32", None, "float64", "float64"),
        ("float64", None, None, "float64"),
        ("int32", None, None, "float32"),
    ],
)
def test_dtypes(layer, given, param_dtype, dtype, result):
    options = {"dtype": dtype, "param_dtype": param_dtype}
    layer = layer(3, **options) if layer is nn.Dense else layer(**options)
    x = jnp.asarray(np.arange(6).reshape(2, 3)).astype(given)
    params = layer.init(KEY, x)
    assert {p.dtype for p in fx.tree.leaves(params)} == {np.dtype(param_dtype or "float32")}
    assert layer.apply(params, x).dtype == result


def test_default_dtype_decides_parameters():
    with fx.default_dtype("float64"):
        params = nn.Dense(3).init(KEY, jnp.ones((1, 2)))
    assert params["kernel"].dtype == "float64"


def test_dense_definition():
    layer = nn.Dense(4)
    params = noisy(layer.init(KEY, X))
    want = np.einsum("abi,io->abo", X, np.asarray(params["kernel"])) + np.asarray(params["bias"])
    np.testing.assert_allclose(layer.apply(params, X), want, rtol=1e-12)
    np.testing.assert_allclose(layer.apply(params, X[0, 0]), want[0, 0], rtol=1e-12)


def test_norm_definitions():
    x = 5 + 3 * X
    centred = x - x.mean(-1, keepdims=True)
    for layer, numerator, mean_square in (
        (nn.LayerNorm(epsilon=0.1), centred, np.mean(centred**2, -1, keepdims=True)),
        (nn.RMSNorm(epsilon=0.1), x, np.mean(x**2, -1, keepdims=True)),
    ):
        params = noisy(layer.init(KEY, x))
        want = numerator / np.sqrt(mean_square + 0.1) * np.asarray(params["scale"])
        want = want + np.asarray(params.get("bias", 0))
        np.testing.assert_allclose(layer.apply(params, x), want, rtol=1e-6)


def test_norms_compute_in_float32_at_least():
    x = jnp.asarray(300 + X, "float16")  # the squares overflow float16
    for layer in (nn.LayerNorm(param_dtype="float16"), nn.RMSNorm(param_dtype="float16")):
        params = layer.init(KEY, x)
        got, want = layer.apply(params, x), layer.apply(params, x.astype("float64"))
        assert got.dtype == "float16"
        np.testing.assert_allclose(np.asarray(got, np.float64), want, rtol=2e-3, atol=2e-3)


def test_embed():
    layer = nn.Embed(7, 3)
    words = jnp.array([[0, 6, 2], [2, 2, 1]])
    params = layer.init(KEY, words)
    assert shapes(params) == {"embedding": (7, 3)}
    table = np.asarray(params["embedding"])
    np.testing.assert_array_equal(layer.apply(params, words), table[np.asarray(words)])
    slope = fx.grad(lambda p: layer.apply(p, words).sum())(params)["embedding"]
    np.testing.assert_array_equal(slope[:, 0], np.bincount(np.asarray(words).ravel(), minlength=7))
    rows = nn.Embed(2000, 25).init(KEY, words)["embedding"]
    np.testing.assert_allclose(jnp.linalg.norm(rows, axis=1).mean(), 1.0, atol=0.02)
    with pytest.raises(FxTypeError, match=r"nn\.Embed expects integers, got f32\[2\]"):
        layer.apply(params, jnp.ones(2))


def test_flatten():
    assert nn.Flatten().apply({}, jnp.ones((2, 3, 4))).shape == (2, 12)
    assert nn.Flatten().apply({}, jnp.ones(2)).shape == (2, 1)
    assert nn.Flatten().apply({}, jnp.ones((0, 3, 2))).shape == (0, 6)
    x = jnp.arange(6.0).reshape(1, 2, 3)
    np.testing.assert_array_equal(nn.Flatten().apply({}, x)[0], range(6))
    with pytest.raises(ShapeError, match=r"nn\.Flatten expects an input with a batch axis"):
        nn.Flatten().apply({}, jnp.float32(1))


# ------------------------------------------------------------------ dropout
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_statistics(rate):
    """Five standard deviations of a binomial; the mean is kept."""
    count = 40_000
    x = jnp.full((count,), 3.0)
    y = np.asarray(nn.Dropout(rate).apply({}, x, key=KEY, train=True))
    dropped = np.sum(y == 0)
    assert abs(dropped - rate * count) < 5 * np.sqrt(count * rate * (1 - rate))
    np.testing.assert_allclose(y[y != 0], 3 / (1 - rate), rtol=1e-6)


def test_dropout_follows_its_key():
    layer, x = nn.Dropout(0.5), jnp.ones((8, 8))
    draw = lambda key: layer.apply({}, x, key=key, train=True)
    np.testing.assert_array_equal(draw(KEY), draw(KEY))
    np.testing.assert_array_equal(draw(KEY), fx.jit(draw)(KEY))
    assert (draw(KEY) != draw(random.key(6))).any()
    each = fx.vmap(draw)(random.split(KEY, 4))
    assert len({row.tobytes() for row in np.asarray(each)}) == 4


def test_dropout_acts_in_training_only():
    layer, x = nn.Dropout(0.5), jnp.ones(100)
    np.testing.assert_array_equal(layer.apply({}, x), x)
    np.testing.assert_array_equal(layer.apply({}, x, key=KEY), x)
    np.testing.assert_array_equal(nn.Dropout(0.0).apply({}, x, train=True), x)
    assert not nn.Dropout(1.0).apply({}, x, key=KEY, train=True).any()
    with pytest.raises(FxValueError, match=r"nn\.Dropout needs a random key.*a new key for each"):
        layer.apply({}, x, train=True)


def test_dropout_broadcasts():
    layer = nn.Dropout(0.5, broadcast_dims=(1, -1))
    y = np.asarray(layer.apply({}, jnp.ones((50, 4, 3)), key=KEY, train=True))
    assert (y == y[:, :1, :1]).all() and len(np.unique(y)) == 2


def test_dropout_gradient_is_its_own_mask():
    f = lambda x: nn.Dropout(0.3).apply({}, x, key=KEY, train=True)
    x = jnp.asarray(X)
    np.testing.assert_allclose(fx.grad(lambda x: f(x).sum())(x), f(x) / x, rtol=1e-12)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_dropout_rates(rate):
    with pytest.raises(FxValueError, match=r"nn\.Dropout: rate must be a probability, got"):
        nn.Dropout(rate)


# ------------------------------------------------------------------ sequential
def test_sequential_is_composition():
    first, last = nn.Dense(5), nn.Dense(2)
    net = nn.Sequential((first, nn.relu, ("last", last)))
    params = noisy(net.init(KEY, X))
    want = last.apply(params["last"], nn.relu(first.apply(params["0"], X)))
    np.testing.assert_array_equal(net.apply(params, X), want)


def test_sequential_nests():
    block = nn.Sequential((nn.Dense(6), nn.relu, nn.Dropout(0.5)))
    net = nn.Sequential((("body", block), ("more", block), ("head", nn.Dense(2))))
    params = net.init(KEY, X)
    assert shapes(params)["more"] == {"0": {"kernel": (6, 6), "bias": (6,)}}
    assert set(params) == {"body", "more", "head"}
    kernels = [np.asarray(params[name]["0"]["kernel"]) for name in ("body", "more")]
    assert (kernels[0] != kernels[1]).any()
    names = [fx.tree_util.keystr(path) for path, _ in fx.tree_util.tree_leaves_with_path(params)]
    assert "['body']['0']['bias']" in names
    assert net.stochastic and not nn.Sequential((nn.Dense(3), nn.relu)).stochastic
    with pytest.raises(FxValueError, match=r"nn\.Dropout needs a random key"):
        net.apply(params, X, train=True)
    train = lambda key: np.asarray(net.apply(params, X, key=key, train=True))
    np.testing.assert_array_equal(train(KEY), train(KEY))
    assert (train(KEY) != train(random.key(1))).any()


def test_equal_dropouts_of_one_network_draw_differently():
    net = nn.Sequential((nn.Dropout(0.5), nn.Dropout(0.5)))
    y = net.apply({}, jnp.ones(4000), key=KEY, train=True)
    assert abs(float((y != 0).mean()) - 0.25) < 0.05


def test_a_layer_of_ones_own():
    class Scale(nn.Layer):
        def init(self, key, x):
            return {"scale": jnp.full(x.shape[-1:], 2.0)}

        def apply(self, params, x, *, key=None, train=False):
            return x * params["scale"]

    net = nn.Sequential((Scale(), nn.Flatten()))
    params = net.init(KEY, fx.ShapeDtypeStruct((1, 2, 3), "float32"))
    np.testing.assert_array_equal(net.apply(params, jnp.ones((1, 2, 3))), np.full((1, 6), 2.0))


def test_training_by_gradient_of_nested_dicts():
    net = nn.Sequential((nn.Dense(8), nn.tanh, nn.Dense(1)))
    x = jnp.asarray(RNG.normal(size=(40, 3)), "float32")
    y = x[:, :1] * x[:, 1:2]
    loss = lambda params: jnp.mean((net.apply(params, x) - y) ** 2)
    params = net.init(KEY, x)
    first = float(loss(params))
    step = fx.jit(lambda p: fx.tree.map(lambda w, g: w - 0.2 * g, p, fx.grad(loss)(p)))
    for _ in range(200):
        params = step(params)
    assert float(loss(params)) < 0.3 * first


def test_models_are_mapped_like_any_function():
    """An ensemble: parameters with a leading axis, from vmap of init."""
    net = nn.Sequential((nn.Dense(4), nn.relu, nn.Dense(2)))
    x = jnp.asarray(X, "float32")
    members = fx.vmap(lambda key: net.init(key, x))(random.split(KEY, 3))
    assert shapes(members)["0"]["kernel"] == (3, 6, 4)
    got = fx.vmap(net.apply, in_axes=(0, None))(members, x)
    for i in range(3):
        one = fx.tree.map(lambda p, i=i: p[i], members)
        np.testing.assert_allclose(got[i], net.apply(one, x), rtol=1e-6, atol=1e-6)


SCALAR = jnp.float32(1.0)


@pytest.mark.parametrize(
    ("program", "error", "message"),
    [
        (lambda: nn.Dense(3).init(KEY, SCALAR), ShapeError, "nn.Dense.init .* got a scalar"),
        (
            lambda: nn.Dense(3).init(KEY, (2, 3)),
            FxTypeError,
            "nn.Dense.init expects an array or a ShapeDtypeStruct .* got tuple",
        ),
        (
            lambda: nn.Dense(3).apply(nn.Dense(3).init(KEY, X), jnp.ones((2, 5))),
            ShapeError,
            r"nn.Dense got an input f32\[2,5\], but .* for 6 features .* Call init",
        ),
        (
            lambda: nn.Dense(3).apply({"weight": 1}, X),
            FxTypeError,
            r"nn.Dense expects .* key 'kernel', got \['weight'\]. Pass what nn.Dense.init",
        ),
        (
            lambda: nn.Dense(3).apply({"kernel": jnp.ones((6, 3))}, X),
            FxTypeError,
            "nn.Dense expects parameters with the key 'bias'",
        ),
        (
            lambda: nn.Dense(3).apply(None, X),
            FxTypeError,
            "expects parameters with the key 'kernel', got NoneType",
        ),
        (
            lambda: nn.LayerNorm().apply(nn.LayerNorm().init(KEY, X), jnp.ones((2, 5))),
            ShapeError,
            "nn.LayerNorm got an input .* for 6 features",
        ),
        (lambda: nn.RMSNorm().init(KEY, SCALAR), ShapeError, "nn.RMSNorm.init expects an input"),
        (
            lambda: nn.Sequential(nn.Dense(3)),
            FxTypeError,
            r"nn.Sequential expects a tuple .* Write nn.Sequential\(\(first",
        ),
        (lambda: nn.Sequential((nn.Dense(3), 5)), FxTypeError, "entry 1 must be .* got 5"),
        (lambda: nn.Sequential((nn.Dense,)), FxTypeError, "entry 0 must be a layer"),
        (
            lambda: nn.Sequential((("a", nn.Dense(3)), ("a", nn.Dense(3)))),
            FxValueError,
            r"distinct names, got \['a', 'a'\]",
        ),
        (
            lambda: nn.Dropout(0.5, broadcast_dims=(2,)).apply(
                {}, jnp.ones((2, 3)), key=KEY, train=True
            ),
            FxValueError,
            "nn.Dropout.*axis 2",
        ),
    ],
)
def test_refusals(program, error, message):
    with pytest.raises(error, match=message):
        program()
