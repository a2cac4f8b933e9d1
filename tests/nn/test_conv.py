"""Convolution and pooling layers: their definitions by loops, JAX's numbers, gradients, errors."""

import itertools
import math

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import nn, random
from fx.errors import FxTypeError, FxValueError, ShapeError
from tests.laws import check_derivatives, check_jit, check_vmap

KEY = random.key(3)
RNG = np.random.default_rng(3)
SPACE = {1: (9,), 2: (7, 6), 3: (4, 5, 3)}
WINDOW = {1: (3,), 2: (3, 2), 3: (2, 3, 1)}


def images(rank, features, batch=2):
    return np.random.default_rng(rank).normal(size=(batch, *SPACE[rank], features))


def noisy(params):
    return fx.tree.map(
        lambda p: p + jnp.arange(p.size, dtype=p.dtype).reshape(p.shape) / 50, params
    )


def pads(padding, size, window, stride, dilation):
    """(low, high) of one dimension by the names' definition."""
    if not isinstance(padding, str):
        return padding
    reach = (window - 1) * dilation + 1
    total = max(0, (-(-size // stride) - 1) * stride + reach - size)
    few, many = total // 2, total - total // 2
    return {"VALID": (0, 0), "SAME": (few, many), "SAME_LOWER": (many, few)}[padding]


def each(value, rank):
    return (value,) * rank if isinstance(value, int) else value


def padded(x, padding, window, strides, dilation=1, value=0.0):
    rank = len(window)
    pairs = [
        pads(padding if isinstance(padding, str) else padding[d], x.shape[1 + d], window[d],
             each(strides, rank)[d], each(dilation, rank)[d])
        for d in range(rank)
    ]  # fmt: skip
    return np.pad(x, [(0, 0), *pairs, (0, 0)], constant_values=value)


def spread(x, dilation, rank):
    """The image with gaps of zeros."""
    steps = each(dilation, rank)
    space = [(n - 1) * s + 1 if n else 0 for n, s in zip(x.shape[1:-1], steps, strict=True)]
    out = np.zeros((x.shape[0], *space, x.shape[-1]))
    out[(slice(None), *(slice(None, None, s) for s in steps))] = x
    return out


def windows(x, window, strides, dilation=1):
    """Each position of the result and the window [batch, taps..., features] that it sees."""
    rank = len(window)
    steps, gaps = each(strides, rank), each(dilation, rank)
    counts = [
        (n - (w - 1) * g - 1) // s + 1
        for n, w, s, g in zip(x.shape[1:-1], window, steps, gaps, strict=True)
    ]
    for place in itertools.product(*map(range, counts)):
        cut = tuple(
            slice(p * s, p * s + (w - 1) * g + 1, g)
            for p, s, w, g in zip(place, steps, window, gaps, strict=True)
        )
        yield place, x[(slice(None), *cut)]


def convolved(x, kernel, strides=1, padding="SAME", input_dilation=1, kernel_dilation=1, groups=1):
    window, rank = kernel.shape[:-2], x.ndim - 2
    x = padded(spread(x, input_dilation, rank), padding, window, strides, kernel_dilation)
    depth, features = kernel.shape[-2], kernel.shape[-1] // groups
    found = {}
    for place, seen in windows(x, window, strides, kernel_dilation):
        parts = [
            np.tensordot(
                seen[..., g * depth : (g + 1) * depth],
                kernel[..., g * features : (g + 1) * features],
                rank + 1,
            )
            for g in range(groups)
        ]
        found[place] = np.concatenate(parts, -1)
    shape = tuple(1 + max(place[d] for place in found) for d in range(rank))
    out = np.zeros((len(x), *shape, kernel.shape[-1]))
    for place, value in found.items():
        out[(slice(None), *place)] = value
    return out


OPTIONS = {
    "plain": {},
    "valid": {"padding": "VALID"},
    "same lower": {"padding": "SAME_LOWER"},
    "strides": {"strides": 2},
    "strides valid": {"strides": 2, "padding": "VALID"},
    "dilated": {"kernel_dilation": 2},
    "groups": {"feature_group_count": 2},
    "depthwise": {"feature_group_count": 4},
    "no bias": {"use_bias": False},
}
PAIRS = {
    "dilated image": {1: [(2, 1)], 2: [(2, 1), (0, 0)], 3: [(1, 0), (0, 0), (2, 1)]},
    "pairs": {1: [(2, 1)], 2: [(2, 0), (0, 3)], 3: [(1, 0), (2, 2), (0, 1)]},
    "cropped": {1: [(-1, 1)], 2: [(-1, 1), (2, -1)], 3: [(0, 1), (-1, 2), (0, 0)]},
}


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("name", [*OPTIONS, *PAIRS])
def test_conv_definition_and_derivatives(name, rank):
    options = OPTIONS[name] if name in OPTIONS else {"padding": PAIRS[name][rank]}
    if name == "dilated image":
        options["input_dilation"] = 2
    layer, x = nn.Conv(8, WINDOW[rank], **options), images(rank, 4)
    params = noisy(layer.init(KEY, x))
    groups = options.get("feature_group_count", 1)
    assert params["kernel"].shape == (*WINDOW[rank], 4 // groups, 8)
    assert ("bias" in params) == options.get("use_bias", True)
    known = ("strides", "padding", "input_dilation", "kernel_dilation")
    plain = {k: v for k, v in options.items() if k in known}
    cropped = x
    if name in PAIRS:
        cut = [
            slice(max(0, -a), n - max(0, -b))
            for n, (a, b) in zip(SPACE[rank], plain["padding"], strict=True)
        ]
        cropped = x[(slice(None), *cut)]
        plain["padding"] = [(max(0, a), max(0, b)) for a, b in plain["padding"]]
    want = convolved(cropped, np.asarray(params["kernel"], np.float64), **plain, groups=groups)
    want = want + np.asarray(params.get("bias", 0.0))
    np.testing.assert_allclose(layer.apply(params, x), want, rtol=1e-10, atol=1e-12)

    leaves, tree = fx.tree.flatten(params)
    leaves = [p.astype("float64") for p in leaves]
    f = lambda x, *params: layer.apply(fx.tree.unflatten(tree, params), x)
    check_derivatives(f, x, *leaves)
    if rank == 2:
        check_jit(f, x, *leaves)
        check_vmap(f, x, *leaves, size=2, all_axes=False, all_subsets=False)


def test_conv_takes_any_batch_axes():
    layer, x = nn.Conv(3, (3, 3)), images(2, 2, batch=6)
    params = layer.init(KEY, x)
    want = np.asarray(layer.apply(params, x))
    shaped = x.reshape(2, 3, *x.shape[1:])
    np.testing.assert_allclose(layer.apply(params, shaped), want.reshape(2, 3, *want.shape[1:]))
    np.testing.assert_allclose(layer.apply(params, x[0]), want[0])
    assert layer.apply(params, x[:0]).shape == (0, *want.shape[1:])


@pytest.mark.parametrize(
    ("given", "param_dtype", "dtype", "result"),
    [
        ("float32", None, None, "float32"),
        ("bfloat16", "bfloat16", None, "bfloat16"),
        ("bfloat16", None, None, "float32"),
        ("float32", None, "bfloat16", "bfloat16"),
        ("float32", "float16", "float64", "float64"),
        ("uint8", None, None, "float32"),
    ],
)
def test_conv_dtypes(given, param_dtype, dtype, result):
    x = jnp.ones((1, 4, 4, 2), given)
    for layer in (nn.Conv, nn.ConvTranspose):
        layer = layer(3, (2, 2), dtype=dtype, param_dtype=param_dtype)
        params = layer.init(KEY, x)
        assert {p.dtype for p in params.values()} == {np.dtype(param_dtype or "float32")}
        assert layer.apply(params, x).dtype == result


def test_initial_kernels_keep_the_variance():
    """LeCun: the fan-in counts the window and the features of one group."""
    for groups in (1, 4):
        layer = nn.Conv(256, (3, 3), feature_group_count=groups)
        kernel = layer.init(KEY, fx.ShapeDtypeStruct((1, 8, 8, 16), "float32"))["kernel"]
        np.testing.assert_allclose(float(kernel.std()) ** 2 * 9 * 16 / groups, 1.0, rtol=0.05)


# ------------------------------------------------------------------ transposed
TRANSPOSED = {
    "plain": {},
    "strides": {"strides": 2},
    "valid": {"strides": 3, "padding": "VALID"},
    "dilated": {"kernel_dilation": 2, "strides": 2},
    "flipped": {"strides": 2, "transpose_kernel": True},
    "flipped valid": {"padding": "VALID", "transpose_kernel": True},
}


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("name", TRANSPOSED)
def test_conv_transpose(name, rank):
    options = TRANSPOSED[name]
    layer, x = nn.ConvTranspose(3, WINDOW[rank], **options), images(rank, 2)
    params = noisy(layer.init(KEY, x))
    pair = (3, 2) if "transpose_kernel" in options else (2, 3)
    assert params["kernel"].shape == (*WINDOW[rank], *pair)
    out = layer.apply(params, x)
    if options.get("padding") != "VALID":
        sizes = tuple(n * options.get("strides", 1) for n in SPACE[rank])
        assert out.shape == (2, *sizes, 3)

    leaves, tree = fx.tree.flatten(params)
    f = lambda x, *params: layer.apply(fx.tree.unflatten(tree, params), x)
    check_derivatives(f, x, *[p.astype("float64") for p in leaves])


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_transposed_convolution_is_the_gradient_of_one(rank, padding, stride):
    """With transpose_kernel, ConvTranspose is the transpose of Conv with the same kernel."""
    forward = nn.Conv(3, WINDOW[rank], stride, padding, use_bias=False)
    back = nn.ConvTranspose(2, WINDOW[rank], stride, padding, use_bias=False, transpose_kernel=True)
    x = RNG.normal(size=(2, *(3 * stride + w for w in WINDOW[rank]), 2))
    if padding == "SAME":
        x = RNG.normal(size=(2, *(3 * stride for _ in WINDOW[rank]), 2))
    params = {"kernel": jnp.asarray(RNG.normal(size=(*WINDOW[rank], 2, 3)))}
    y, transpose = fx.vjp(lambda x: forward.apply(params, x), jnp.asarray(x))
    (want,) = transpose(y)
    got = np.asarray(back.apply(params, y))
    # Rows at the end that no window reached have gradient 0, and are not part of the result.
    want = np.asarray(want)[tuple(slice(0, n) for n in got.shape)]
    np.testing.assert_allclose(got[tuple(slice(0, n) for n in want.shape)], want, atol=1e-10)


def test_conv_transpose_against_jax():
    jax = pytest.importorskip("jax")
    numbers = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC")}
    for rank, (name, options) in itertools.product(numbers, TRANSPOSED.items()):
        layer = nn.ConvTranspose(3, WINDOW[rank], **options, use_bias=False)
        x = images(rank, 2).astype(np.float32)
        params = layer.init(KEY, x)
        strides, padding = options.get("strides", 1), options.get("padding", "SAME")
        want = jax.lax.conv_transpose(
            x,
            np.asarray(params["kernel"]),
            each(strides, rank),
            padding,
            rhs_dilation=each(options.get("kernel_dilation", 1), rank),
            dimension_numbers=numbers[rank],
            transpose_kernel=options.get("transpose_kernel", False),
        )
        np.testing.assert_allclose(layer.apply(params, x), want, atol=2e-6, err_msg=name)


# ------------------------------------------------------------------ pooling
POOLS = {
    "plain": {},
    "overlapping": {"strides": 1},
    "gaps": {"strides": 4},
    "same": {"strides": 2, "padding": "SAME"},
    "same lower": {"strides": 1, "padding": "SAME_LOWER"},
    "pairs": {"padding": 1},
}


def pooled(x, window, fold, value, strides=None, padding="VALID"):
    strides = window if strides is None else strides
    x = padded(x, padding, window, strides, value=value)
    found = dict(windows(x, window, strides))
    shape = tuple(1 + max(place[d] for place in found) for d in range(len(window)))
    out = np.zeros((len(x), *shape, x.shape[-1]))
    for place, seen in found.items():
        out[(slice(None), *place)] = fold(seen, axis=tuple(range(1, seen.ndim - 1)))
    return out


def pool_options(name, rank):
    options = dict(POOLS[name])
    if name == "pairs":
        options["padding"] = [(1, 0)] * (rank - 1) + [(0, 1)]
    return options


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("name", POOLS)
def test_pooling_definitions_and_derivatives(name, rank):
    window, options, x = (2, 3, 2)[:rank], pool_options(name, rank), images(rank, 2)
    if rank == 3 and name == "gaps":
        options["strides"] = (2, 3, 1)
    sum_of = lambda x, value: pooled(x, window, np.sum, value, **options)
    largest = pooled(x, window, np.max, -np.inf, **options)
    total, inside = sum_of(x, 0.0), sum_of(np.ones_like(x), 0.0)
    for layer, want in (
        (nn.MaxPool(window, **options), largest),
        (nn.AvgPool(window, **options), total / math.prod(window)),
        (nn.AvgPool(window, **options, count_include_pad=False), total / inside),
    ):
        assert layer.init(KEY, x) == {}
        np.testing.assert_allclose(layer.apply({}, x), want, rtol=1e-12, atol=1e-14)
        f = lambda x, layer=layer: layer.apply({}, x)
        check_derivatives(f, x)
        if rank == 2:
            check_jit(f, x)
            check_vmap(f, x, size=2, all_axes=False)


def test_max_pooling_gives_its_gradient_to_the_first_of_equals():
    f = lambda x: nn.MaxPool((2, 2)).apply({}, x).sum()
    x = jnp.zeros((1, 4, 4, 1))
    want = np.zeros((4, 4))
    want[::2, ::2] = 1
    np.testing.assert_array_equal(fx.grad(f)(x)[0, ..., 0], want)
    np.testing.assert_array_equal(fx.jit(fx.grad(f))(x)[0, ..., 0], want)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "bfloat16", "float16", "float32"])
def test_pooling_keeps_dtypes(dtype):
    x = jnp.asarray(np.arange(16).reshape(1, 4, 4, 1) - (0 if dtype == "uint8" else 20))
    y = nn.MaxPool((3, 3), padding="SAME").apply({}, x.astype(dtype))
    assert y.dtype == dtype
    np.testing.assert_array_equal(
        y.astype("int32"), nn.MaxPool((3, 3), padding="SAME").apply({}, x)
    )
    if dtype not in ("int8", "uint8"):
        assert nn.AvgPool((2, 2)).apply({}, x.astype(dtype)).dtype == dtype


def test_pooling_takes_any_batch_axes():
    x = images(2, 3, batch=6)
    for layer in (nn.MaxPool((2, 2)), nn.AvgPool((2, 2), count_include_pad=False)):
        want = np.asarray(layer.apply({}, x))
        got = layer.apply({}, x.reshape(2, 3, *x.shape[1:]))
        np.testing.assert_allclose(got, want.reshape(2, 3, *want.shape[1:]))
        np.testing.assert_allclose(layer.apply({}, x[0]), want[0])


# ------------------------------------------------------------------ together
def test_a_network_against_jax():
    """Value and gradients of all parameters of a small convolutional network."""
    jax = pytest.importorskip("jax")
    net = nn.Sequential(
        (
            ("conv1", nn.Conv(4, (3, 3), padding="VALID")),
            nn.relu,
            ("conv2", nn.Conv(6, (3, 3), strides=2)),
            nn.gelu,
            nn.MaxPool((2, 2)),
            nn.Flatten(),
            ("dense", nn.Dense(5)),
            nn.log_softmax,
        )
    )
    x, labels = RNG.normal(size=(3, 12, 12, 2)).astype(np.float32), np.array([0, 3, 4])
    params = noisy(net.init(KEY, x))

    def theirs(p, x):
        conv = lambda x, layer, *how: (
            jax.lax.conv_general_dilated(
                x, layer["kernel"], *how, dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            + layer["bias"]
        )
        x = jax.nn.relu(conv(x, p["conv1"], (1, 1), "VALID"))
        x = jax.nn.gelu(conv(x, p["conv2"], (2, 2), "SAME"))
        x = jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        x = x.reshape(len(x), -1) @ p["dense"]["kernel"] + p["dense"]["bias"]
        return -jax.nn.log_softmax(x)[np.arange(3), labels].mean()

    ours = lambda p, x: -net.apply(p, x)[np.arange(3), labels].mean()
    loss, slopes = fx.jit(fx.value_and_grad(ours))(params, jnp.asarray(x))
    arrays = fx.tree.map(np.asarray, params)
    wanted_loss, wanted = jax.jit(jax.value_and_grad(theirs))(arrays, x)
    np.testing.assert_allclose(loss, wanted_loss, rtol=1e-5)
    for got, want in zip(fx.tree.leaves(slopes), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


IMAGE = jnp.ones((1, 5, 5, 4))


@pytest.mark.parametrize(
    ("program", "error", "message"),
    [
        (
            lambda: nn.Conv(3, 3),
            FxTypeError,
            r"nn.Conv: kernel_size must have one entry .* write kernel_size=\(3, 3\)",
        ),
        (lambda: nn.Conv(3, (3, 3), strides=(1,)), FxValueError, "strides must have one entry"),
        (lambda: nn.Conv(3, (3, 0)), FxValueError, "kernel_size must be at least 1"),
        (lambda: nn.Conv(3, (3, 2.0)), FxTypeError, "kernel_size must be integers"),
        (lambda: nn.Conv(3, (3,), kernel_dilation=0), FxValueError, "kernel_dilation must be at"),
        (
            lambda: nn.Conv(3, (3, 3), feature_group_count=2),
            FxValueError,
            "feature_group_count=2 must divide features=3",
        ),
        (
            lambda: nn.Conv(6, (3, 3), feature_group_count=3).init(KEY, IMAGE),
            FxValueError,
            "feature_group_count=3 must divide the 4 features of the input",
        ),
        (
            lambda: nn.Conv(3, (3, 3)).init(KEY, jnp.ones((5, 4))),
            ShapeError,
            r"nn.Conv.init expects an input \(batch..., 2 spatial axes, features\), got f32\[5,4\]",
        ),
        (
            lambda: nn.Conv(3, (3, 3)).apply(nn.Conv(3, (3, 3)).init(KEY, IMAGE), IMAGE[..., :3]),
            ShapeError,
            r"nn.Conv got an input f32\[1,5,5,3\], but .* for 4 features",
        ),
        (
            lambda: nn.Conv(3, (3, 3), padding="EQUAL").apply(
                nn.Conv(3, (3, 3)).init(KEY, IMAGE), IMAGE
            ),
            FxValueError,
            "EQUAL",
        ),
        (
            lambda: nn.ConvTranspose(3, (3, 3)).apply({"kernel": jnp.ones((3, 3, 2, 3))}, IMAGE),
            ShapeError,
            "nn.ConvTranspose got an input .* for 2 features",
        ),
        (lambda: nn.ConvTranspose(3, 3), FxTypeError, "nn.ConvTranspose: kernel_size"),
        (lambda: nn.MaxPool((2, 2), strides=(1, 1, 1)), FxValueError, "nn.MaxPool: strides"),
        (lambda: nn.MaxPool((2, 0)), FxValueError, "nn.MaxPool: window_shape must be at least 1"),
        (
            lambda: nn.AvgPool((2, 2)).apply({}, jnp.ones((5, 4))),
            ShapeError,
            "nn.AvgPool expects an input .*2 spatial axes",
        ),
        (lambda: nn.MaxPool(2), FxTypeError, "nn.MaxPool: window_shape .* write window_shape="),
        (
            lambda: nn.MaxPool((2, 2), padding=[(0, 0)]).apply({}, IMAGE),
            FxValueError,
            "nn.MaxPool: padding",
        ),
        (
            lambda: nn.Conv(3, (3, 3), padding=[(0, 0)]).apply(
                nn.Conv(3, (3, 3)).init(KEY, IMAGE), IMAGE
            ),
            FxValueError,
            "nn.Conv: padding",
        ),
    ],
)
def test_refusals(program, error, message):
    with pytest.raises(error, match=message):
        program()
