"""Convolutions, windows, padding and networks of them, compiled against interpreted.

Numbers are small integers, also as floats, so results are equal wherever nothing divides.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fx
import fx.numpy as jnp
from fx import lax
from fx.core.primitive import P

pytest.importorskip("llvmlite")

from tests.backends.agreement import agree, described
from tests.backends.test_contractions import chooser, seeded

INTS = ["int32", "int8", "uint8", "int64", "uint32", "int16"]


def values(pick, shape, dtype, spread=3):
    rng = np.random.default_rng(pick(range(4)) + sum(shape))
    low = 0 if dtype[0] == "u" else -spread
    return rng.integers(low, spread + 1, shape).astype(dtype)


def shuffled(pick, n):
    order = list(range(n))
    for i in range(n - 1):
        j = pick(range(i, n))
        order[i], order[j] = order[j], order[i]
    return tuple(order)


def permuted(shape, spec):
    """The shape of an array in the layout of a spec; `shape` is (batch, feature, space)."""
    out = [0] * len(spec)
    for n, axis in zip(shape, spec, strict=True):
        out[axis] = n
    return tuple(out)


def derivatives(pick, f, float_args, options=("value", "value", "grads", "both", "vmap", "jvp")):
    """A function that is or uses a derivative of f, with respect to the first `float_args`."""
    how = pick(options)
    argnums = tuple(range(float_args))

    def loss(*args):
        z = f(*args)
        return jnp.sum(z * z + z)

    if how == "grads":
        return fx.grad(loss, argnums), how
    if how == "both":
        return fx.value_and_grad(loss, argnums), how
    if how == "jvp":
        return lambda *args: fx.jvp(loss, args, args), how
    if how == "vmap":
        return lambda *args: fx.vmap(f)(*[jnp.stack([a, a + 1, a * 2]) for a in args]), how
    return f, how


EXTENTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 17, 20, 33]


def convolution(pick):
    rank = pick([1, 1, 2, 2, 2, 2, 3])
    dtype = pick(["float32", "float32", "float32", "float64", *INTS])
    groups = pick([1, 1, 1, 1, 2, 3])
    by_batch = groups > 1 and pick([True, False])
    batch = pick([1, 2, 3, 5])
    features = pick([1, 2, 3, 4, 8, 16, 17])
    outs = pick([1, 2, 3, 4, 5, 8, 16, 17, 33])
    space = [pick(EXTENTS) for _ in range(rank)]
    taps = [pick([1, 2, 3, 3, 4, 5]) for _ in range(rank)]
    strides = [pick([1, 1, 1, 2, 3]) for _ in range(rank)]
    lhs_dilation = [pick([1, 1, 1, 1, 2, 3]) for _ in range(rank)]
    rhs_dilation = [pick([1, 1, 1, 1, 2, 3]) for _ in range(rank)]
    amounts = [0, 0, 1, 1, 2, 4, -1, 7]
    padding = pick(["SAME", "VALID", [(pick(amounts), pick(amounts)) for _ in range(rank)]])
    while math.prod(space) * features * batch > 6000:
        i = max(range(rank), key=lambda i: space[i])
        space[i] = (space[i] + 1) // 2
    n = rank + 2
    layout = pick(["default", "last", "any", "any"])
    specs = {
        "default": (tuple(range(n)),) * 3,
        "last": ((0, n - 1, *range(1, n - 1)), (n - 1, n - 2, *range(n - 2)),
                 (0, n - 1, *range(1, n - 1))),
        "any": tuple(shuffled(pick, n) for _ in range(3)),
    }[layout]  # fmt: skip
    lhs_shape = (batch * (groups if by_batch else 1), features * (1 if by_batch else groups),
                 *space)  # fmt: skip
    rhs_shape = (outs * groups, features, *taps)
    x = values(pick, permuted(lhs_shape, specs[0]), dtype)
    w = values(pick, permuted(rhs_shape, specs[1]), dtype)
    after = pick(["plain", "plain", "relu", "turned", "sum"])
    numbers = lax.ConvDimensionNumbers(*specs)

    def f(x, w):
        z = lax.conv_general_dilated(
            x, w, strides, padding, lhs_dilation, rhs_dilation, numbers,
            feature_group_count=1 if by_batch else groups,
            batch_group_count=groups if by_batch else 1,
        )  # fmt: skip
        if after == "relu":
            bias = lax.broadcasted_iota(z.dtype, z.shape, specs[2][1])
            return jnp.maximum(z - bias, 0)
        if after == "turned":
            return z.T * 2
        return z.sum(specs[2][1]) if after == "sum" else z

    what = f"{dtype} {x.shape} {w.shape} {strides} {padding} {lhs_dilation} {rhs_dilation} {specs}"
    what += f" groups={groups} {by_batch} {after}"
    try:
        shape = fx.eval_shape(f, x, w).shape
    except fx.errors.FxError:
        return convolution(pick)
    how = "value"
    if dtype[0] == "f" and math.prod(shape):
        f, how = derivatives(pick, f, 2)
    exact = dtype != "float32" or how in ("value", "vmap")
    return f, (x, w), f"{what} {how}", exact


def window(pick):
    rank = pick([1, 2, 2, 3, 4])
    dtype = pick(["float32", "float32", "float64", *INTS])
    kind = pick([lax.add, lax.max, lax.min, lax.mul])
    start = {lax.add: 0, lax.mul: 1}.get(kind)
    if start is None:
        info = (-np.inf, np.inf)
        if dtype[0] != "f":
            info = np.iinfo(dtype).min, np.iinfo(dtype).max
        start = info[kind is lax.min]
    start = np.asarray(start, dtype)
    space = [pick(EXTENTS) for _ in range(rank)]
    while math.prod(space) > 6000:
        i = max(range(rank), key=lambda i: space[i])
        space[i] = (space[i] + 1) // 2
    size = [pick([1, 1, 2, 2, 3, 4]) for _ in range(rank)]
    strides = [k if pick([0, 1]) else pick([1, 1, 2, 3]) for k in size]
    if pick([0, 1]):
        strides = list(size)
    amounts = [0, 0, 1, 2, -1]
    padding = pick(["SAME", "VALID", "VALID", [(pick(amounts), pick(amounts)) for _ in size]])
    dilated = pick([False, False, True])
    base, within = ([pick([1, 2, 3]) if dilated else 1 for _ in size] for _ in range(2))
    turn = pick([None, None, shuffled(pick, rank)])
    x = values(pick, space, dtype, 2 if kind is lax.mul else 3)

    def f(x):
        y = x if turn is None else jnp.transpose(x, turn) * 1
        z = lax.reduce_window(y, start, kind, size, strides, padding, base, within)
        return z if turn is None else jnp.transpose(z, np.argsort(turn))

    what = f"{dtype} {kind.__name__} {space} {size} {strides} {padding} {base} {within} {turn}"
    try:
        shape = fx.eval_shape(f, x).shape
    except fx.errors.FxError:
        return window(pick)
    how = "value"
    if dtype[0] == "f" and math.prod(shape):
        if kind is lax.max or kind is lax.min:
            # Windows in the padding alone are infinite.
            f = (lambda g: lambda x: jnp.where(jnp.isinf(g(x)), 0, g(x)))(f)
        options = ("value", "grads", "vmap") if kind is not lax.mul else ("value", "vmap")
        f, how = derivatives(pick, f, 1, options)
    return f, (x,), f"{what} {how}", kind is not lax.mul


def padding(pick):
    rank = pick([1, 2, 2, 3, 4])
    dtype = pick(["float32", "float64", "bool", *INTS])
    shape = [pick(EXTENTS[:9]) for _ in range(rank)]
    config = [(pick([0, 0, 1, 3, -1, -2]), pick([0, 0, 1, 3, -1, -2]), pick([0, 0, 0, 1, 2]))
              for _ in shape]  # fmt: skip
    x = values(pick, shape, dtype)
    use = pick(["plain", "sum", "product", "turned", "again"])
    turn = shuffled(pick, rank)

    def f(x):
        y = jnp.transpose(x, turn) if use == "turned" else x
        z = lax.pad(y, jnp.asarray(1, dtype), config)
        if dtype == "bool":
            return z, ~z
        if use == "sum":
            return z.sum(0) if z.ndim else z
        if use == "product":
            return z.reshape(z.shape[0], -1) @ z.reshape(z.shape[0], -1).T
        if use == "again":
            return lax.pad(z * 2, jnp.asarray(3, dtype), [(1, 2, 1)] * z.ndim)
        return z

    try:
        out = fx.eval_shape(f, x)
    except (fx.errors.FxError, ZeroDivisionError):
        return padding(pick)
    how = "value"
    if dtype[0] == "f" and math.prod(out.shape):
        f, how = derivatives(pick, f, 1)
    what = f"{dtype} {shape} {config} {use} {turn} {how}"
    return f, (x,), what, use != "product" or dtype != "float32"


def scatter(pick):
    """select_and_scatter_add, also where windows overlap or are padded."""
    rank = pick([1, 2, 3])
    dtype = pick(["float32", "float64"])
    space = [pick(EXTENTS[:10]) for _ in range(rank)]
    size = tuple(min(pick([1, 2, 2, 3, 5]), n) for n in space)
    strides = size if pick([1, 1, 0]) else tuple(pick([1, 2, 3]) for _ in size)
    amounts = tuple((pick([0, 0, 1]), pick([0, 0, 1])) for _ in size)
    if pick([1, 0]):
        amounts = ((0, 0),) * rank
    shape = [(n + a + b - k) // s + 1
             for n, (a, b), k, s in zip(space, amounts, size, strides, strict=True)]  # fmt: skip
    x, source = values(pick, space, dtype), values(pick, shape, dtype)
    select = pick(["ge", "le"])
    turn = shuffled(pick, rank)

    def f(source, x):
        y = jnp.transpose(jnp.transpose(x, turn) * 1, np.argsort(turn))
        return P.select_and_scatter_add(
            source, y, select=select, window_dimensions=size, window_strides=strides,
            padding=amounts,
        )  # fmt: skip

    return f, (source, x), f"{dtype} {space} {size} {strides} {amounts} {select} {turn}", True


# ------------------------------------------------------------------ networks
def network(pick):
    """Layers, branches and reshapes of images in NCHW or NHWC, with all gradients."""
    last = pick([True, False])
    channel = 3 if last else 1
    numbers = ("NHWC", pick(["HWIO", "OIHW"]), "NHWC") if last else (
        "NCHW", pick(["OIHW", "HWIO"]), "NCHW")  # fmt: skip
    batch, features = pick([1, 2, 3]), pick([1, 2, 3, 5])
    height, width = pick([4, 5, 6, 8, 9]), pick([4, 5, 6, 8, 11])
    dtype = "float64"
    params: list[np.ndarray] = []
    log = []
    exact = True

    def shaped(c, h, w):
        return (batch, h, w, c) if last else (batch, c, h, w)

    def along(v, axis=channel):
        return v.reshape([-1 if i == axis else 1 for i in range(4)])

    def made(*shape, spread=1):
        params.append(values(pick, shape, dtype, spread))
        return len(params) - 1

    def convolve(state):
        c, h, w = state
        groups = pick([1, 1, 1, c])
        size, stride = pick([1, 2, 3]), pick([1, 1, 1, 2])
        if min(h, w) < size:
            size = 1
        outs = groups * pick([1, 2, 3, 4] if groups > 1 else [1, 2, 4, 6])
        pad = pick(["SAME", "VALID"])
        shape = {"O": outs, "I": c // groups, "H": size, "W": size}
        i = made(*(shape[a] for a in numbers[1]))

        def layer(p, x):
            return lax.conv_general_dilated(
                x, p[i], (stride, stride), pad, dimension_numbers=numbers,
                feature_group_count=groups,
            )  # fmt: skip

        size = (lambda n: -(-n // stride)) if pad == "SAME" else (
            lambda n, k=size: (n - k) // stride + 1)  # fmt: skip
        return layer, (outs, size(h), size(w))

    def bias(state):
        i = made(state[0])
        return lambda p, x: x + along(p[i]), state

    def relu(state):
        return lambda p, x: jnp.maximum(x, 0), state

    def pool(state):
        c, h, w = state
        kind, start = pick([(lax.max, -jnp.inf), (lax.add, 0.0)])
        size, stride = pick([(2, 2), (2, 2), (2, 1), (3, 2)])
        if min(h, w) < size:
            return lambda p, x: x, state
        window, steps = ((1, size, size, 1), (1, stride, stride, 1)) if last else (
            (1, 1, size, size), (1, 1, stride, stride))  # fmt: skip
        out = (c, (h - size) // stride + 1, (w - size) // stride + 1)
        return lambda p, x: lax.reduce_window(x, start, kind, window, steps), out

    def residual(state):
        parts, inner = [], state
        for _ in range(pick([1, 2])):
            layer, inner = pick([bias, relu, norm, square])(inner)
            parts.append(layer)
        i = None
        if pick([0, 1]):
            i = made(*({"O": inner[0], "I": inner[0], "H": 3, "W": 3}[a] for a in numbers[1]))

        def layer(p, x):
            y = x
            for part in parts:
                y = part(p, y)
            if i is not None:
                y = lax.conv_general_dilated(y, p[i], (1, 1), "SAME", dimension_numbers=numbers)
            return x + y

        return layer, state

    def joined(state):
        layer, inner = pick([bias, relu, same_convolution])(state)
        return (
            lambda p, x: jnp.concatenate([x, layer(p, x)], channel),
            (state[0] + inner[0], *state[1:]),
        )

    def same_convolution(state):
        shape = {"O": 3, "I": state[0], "H": 3, "W": 3}
        i = made(*(shape[a] for a in numbers[1]))

        def layer(p, x):
            return lax.conv_general_dilated(x, p[i], (1, 1), "SAME", dimension_numbers=numbers)

        return layer, (3, *state[1:])

    def square(state):
        return lambda p, x: x * jnp.clip(x, -2, 2), state

    def norm(state):
        axes = tuple(a for a in range(4) if a != channel)
        i = made(state[0], spread=2)

        def layer(p, x):
            mean = x.mean(axes, keepdims=True)
            variance = ((x - mean) ** 2).mean(axes, keepdims=True)
            return (x - mean) * lax.rsqrt(variance + 1) * along(p[i])

        nonlocal exact
        exact = False
        return layer, state

    def padded(state):
        c, h, w = state
        config = [(0, 0, 0)] * 4
        rows = [(pick([0, 1, -1]), pick([0, 1]), pick([0, 0, 1])) for _ in range(2)]
        where = (1, 2) if last else (2, 3)
        sizes = []
        for axis, row, n in zip(where, rows, (h, w), strict=True):
            if n + (n - 1) * row[2] + row[0] + row[1] <= 1:
                row = (0, 0, 0)
            config[axis] = row
            sizes.append(n + (n - 1) * row[2] + row[0] + row[1])
        return lambda p, x: lax.pad(x, jnp.zeros((), x.dtype), config), (c, *sizes)

    def flipped(state):
        axes = [a for a in range(4) if pick([0, 1])]
        return lambda p, x: lax.rev(x, axes), state

    def cut(state):
        c, h, w = state
        a, b = min(c - 1, pick([0, 1])), min(h - 1, pick([0, 1]))
        index = (slice(None), slice(b, None), slice(None), slice(a, None))
        if not last:
            index = (slice(None), slice(a, None), slice(b, None))
        return lambda p, x: x[index], (c - a, h - b, w)

    def turned(state):
        c, h, w = state
        order = (0, 2, 1, 3) if last else (0, 1, 3, 2)
        return lambda p, x: jnp.transpose(x, order) + 1, (c, w, h)

    def excited(state):
        """A factor for each channel, computed from means (here sums) over space."""
        axes = (1, 2) if last else (2, 3)
        i = made(state[0], state[0])

        def layer(p, x):
            s = jnp.clip(x.sum(axes) @ p[i], -2, 2)
            return x * (s[:, None, None, :] if last else s[:, :, None, None])

        return layer, state

    def mixed(state):
        """Channels as groups: a reshape and a transposition, as a shuffle of channels."""
        c, h, w = state
        if c % 2:
            return lambda p, x: x, state

        def layer(p, x):
            if last:
                y = x.reshape(batch, h, w, 2, c // 2)
                return jnp.swapaxes(y, 3, 4).reshape(batch, h, w, c)
            return jnp.swapaxes(x.reshape(batch, 2, c // 2, h, w), 1, 2).reshape(batch, c, h, w)

        return layer, state

    state = (features, height, width)
    x = values(pick, shaped(*state), dtype, 2)
    layers = []
    kinds = [convolve, convolve, bias, relu, pool, residual, joined, square, norm, padded,
             flipped, cut, turned, excited, mixed]  # fmt: skip
    for _ in range(pick([2, 3, 4, 5, 6])):
        kind = pick(kinds)
        if state[0] > 12 and kind is joined:
            kind = relu
        layer, state = kind(state)
        layers.append(layer)
        log.append(kind.__name__)
    end = pick(["image", "flat", "dense", "mean", "sums"])
    if end == "dense":
        k = made(math.prod(state), 4)

    def f(x, *p):
        for layer in layers:
            x = layer(p, x)
        if end == "flat":
            return x.reshape(batch, -1)
        if end == "dense":
            return jnp.maximum(x.reshape(batch, -1) @ p[k], 0)
        if end == "mean":
            return x.sum((1, 2) if last else (2, 3))
        return (x.sum(0) + x.sum((0, 1, 2)).sum()) if end == "sums" else x

    f, how = derivatives(pick, f, 1 + len(params))
    what = f"{numbers} {x.shape} {'-'.join(log)} {end} {how}"
    return f, (x, *params), what, False


KINDS: dict[str, Any] = {
    "convolution": (convolution, 60),
    "window": (window, 60),
    "padding": (padding, 40),
    "scatter": (scatter, 30),
    "network": (network, 60),
}


# ------------------------------------------------------------------ images of some size
def residual_net(pick):
    """Two convolutions with a norm, pools and a dense layer, of sizes that make large kernels."""
    last = pick([True, False])
    channel = 3 if last else 1
    numbers = ("NHWC", "HWIO", "NHWC") if last else ("NCHW", "OIHW", "NCHW")
    n, h, c, k, groups = pick([(6, 33, 3, 16, 1), (3, 30, 5, 34, 2), (17, 16, 1, 7, 7),
                               (2, 66, 4, 65, 1)])  # fmt: skip
    rng = np.random.default_rng(n)  # no integers: sums that cancel would be bends of relu

    def made(*shape):
        return rng.standard_normal(shape)

    x = made(n, h, h, c) if last else made(n, c, h, h)
    kernels = [made(3, 3, c, k), made(3, 3, k // groups, k)]
    if not last:
        kernels = [w.transpose(3, 2, 0, 1).copy() for w in kernels]
    window = (1, 2, 2, 1) if last else (1, 1, 2, 2)

    def f(x, w1, b, w2, d):
        z = lax.conv_general_dilated(x, w1, (1, 1), "SAME", dimension_numbers=numbers)
        axes = tuple(a for a in range(4) if a != channel)
        mean = z.mean(axes, keepdims=True)
        z = (z - mean) * lax.rsqrt(((z - mean) ** 2).mean(axes, keepdims=True) + 1)
        z = jnp.maximum(z + b.reshape([-1 if i == channel else 1 for i in range(4)]), 0)
        r = z = lax.reduce_window(z, -jnp.inf, lax.max, window, window)
        z = lax.conv_general_dilated(
            z, w2, (1, 1), "SAME", dimension_numbers=numbers, feature_group_count=groups
        )
        z = lax.reduce_window(jnp.maximum(z + r, 0), 0.0, lax.add, window, window)
        return z.reshape(n, -1) @ d

    args = (x, kernels[0], made(k), kernels[1], made((h // 4) ** 2 * k, 10))
    f, how = derivatives(pick, f, 5, ("value", "grads", "both"))
    return f, args, f"{numbers} {x.shape} {k} {groups} {how}", False


KINDS["residual_net"] = (residual_net, 12)


@pytest.mark.parametrize("kind", KINDS)
def test_random(kind):
    generator, count = KINDS[kind]

    @settings(max_examples=count)
    @given(st.data())
    def check(data):
        f, args, _, exact = generator(chooser(data))
        agree(f, *args, exact=exact)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many(kind):
    for seed in range(3 * KINDS[kind][1]):
        f, args, what, exact = KINDS[kind][0](seeded(seed))
        with described(f"seed {seed}: {what}"):
            agree(f, *args, exact=exact)


# ------------------------------------------------------------------ what was wrong once
def test_windows_of_one_element_that_are_padded_or_apart():
    x = np.arange(1, 4, dtype=np.float32)
    for strides, padding in (((1,), (-1, 1)), ((2,), (1, 1)), ((1,), (0, 0))):
        source = np.arange(5, 8, dtype=np.float32)[: (3 + sum(padding) - 1) // strides[0] + 1]

        def f(source, x, strides=strides, padding=padding):
            return P.select_and_scatter_add(
                source, x, select="ge", window_dimensions=(1,), window_strides=strides,
                padding=(padding,),
            )  # fmt: skip

        agree(f, source, x)
