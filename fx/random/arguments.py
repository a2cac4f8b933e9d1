"""How samplers read their arguments: keys, shapes, dtypes and parameters of distributions."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.core.array import Array, is_arraylike, to_array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, ShapeError
from fx.lax.arguments import broadcast, shape_tuple
from fx.ops.portable import unit_bits

ArrayLike = Any

_MAKE_KEY = "Make a key with fx.random.key(seed)."


def typed_keys(name: str, key: Any) -> tuple[Array, bool]:
    """Keys of any shape as an array of keys, and whether they came as legacy uint32 words."""
    if not is_arraylike(key) or type(key) in (bool, int, float, complex):
        raise FxTypeError(
            f"random.{name} expects a random key, got {type(key).__name__} {key!r}. {_MAKE_KEY}"
        )
    array = to_array(key, f"random.{name}")
    if dtypes.is_key(array.dtype):
        return array, False
    if array.dtype != np.uint32 or array.shape[-1:] != (2,):
        raise FxTypeError(
            f"random.{name} expects a random key (key<fry>[], or the legacy u32[2]), got "
            f"{array.aval.short()}. {_MAKE_KEY}"
        )
    return P.random_wrap(array), True


def one_key(name: str, key: Any) -> tuple[Array, bool]:
    """A single key, and whether it came as legacy words."""
    keys, legacy = typed_keys(name, key)
    if keys.shape:
        raise FxValueError(
            f"random.{name} expects a single key, got an array of keys of shape {keys.shape}. "
            f"Use fx.vmap(fx.random.{name}) for one result a key, or index the array."
        )
    return keys, legacy


def single_key(name: str, key: Any) -> Array:
    """A single key for a sampler."""
    return one_key(name, key)[0]


def split_key(key: Array, number: int = 2) -> list[Array]:
    """New keys from a typed key."""
    return unstack(P.random_split(key, shape=(number,)))


def unstack(x: Array) -> list[Array]:
    """The slices of an array along its first axis."""
    size, *rest = x.shape
    zeros = (0,) * len(rest)
    return [
        P.reshape(
            P.slice(x, start_indices=(i, *zeros), limit_indices=(i + 1, *rest), strides=None),
            new_sizes=tuple(rest),
        )
        for i in range(size)
    ]


def sample_shape(name: str, shape: Any, *parameters: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the result: as given, or that of the parameters broadcast together.

    Raises:
        ShapeError: parameters do not broadcast to the given shape.
    """
    if shape is None:
        try:
            return np.broadcast_shapes(*parameters)
        except ValueError:
            raise ShapeError(
                f"random.{name}: parameters of shapes {', '.join(map(str, parameters))} do not "
                "broadcast together."
            ) from None
    target = shape_tuple(f"random.{name}", (shape,) if isinstance(shape, int) else shape)
    for parameter in parameters:
        check_broadcast(name, parameter, target)
    return target


def check_broadcast(name: str, parameter: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Raise unless a parameter of the one shape broadcasts to the other."""
    offset = len(shape) - len(parameter)
    if offset < 0 or any(n not in (1, m) for n, m in zip(parameter, shape[offset:], strict=True)):
        raise ShapeError(
            f"random.{name}: a parameter of shape {parameter} does not broadcast to "
            f"shape={shape}. Leave shape out, or add the parameter's axes at its end."
        )


def float_dtype(name: str, dtype: Any, *parameters: Any) -> np.dtype:
    """The floating dtype of the result: as given, else the default one or a wider parameter's."""
    if dtype is None:
        found = dtypes.default_float()
        for x in parameters:
            own, weak = dtypes.dtype_and_weak(x)
            if dtypes.is_floating(own) and not weak:
                found = dtypes.promote_types(found, own)
        return found
    found = dtypes.check_user_dtype(dtype, f"random.{name}")
    if not dtypes.is_floating(found):
        raise FxTypeError(
            f"random.{name}: dtype must be floating, got {found}. Use e.g. 'float32', and "
            ".astype(...) on the result."
        )
    return found


def int_dtype(name: str, dtype: Any) -> np.dtype:
    """The integer dtype of the result: as given, else the default one."""
    found = dtypes.check_user_dtype(int if dtype is None else dtype, f"random.{name}")
    if not dtypes.is_integer(found):
        raise FxTypeError(
            f"random.{name}: dtype must be an integer dtype, got {found}. Use e.g. 'int32'."
        )
    return found


def parameter(
    name: str, what: str, value: Any, dtype: np.dtype, shape: Sequence[int] | None = None
) -> Array:
    """A parameter of a distribution as an array of a dtype, broadcast to a shape."""
    if type(value) in (int, float):
        array = Array(as_dtype(value, dtype))  # not by way of the default dtype
    else:
        array = to_array(value, f"random.{name}")
    if dtypes.is_key(array.dtype) or (array.dtype.kind == "c" and dtype.kind != "c"):
        raise FxTypeError(f"random.{name}: {what} must be real numbers, got {array.aval.short()}.")
    if array.dtype != dtype or array.weak_type:
        array = P.convert_element_type(array, new_dtype=dtype)
    return array if shape is None else broadcast(array, tuple(shape))


def as_dtype(value: Any, dtype: np.dtype) -> np.ndarray:
    """A number in a floating dtype; by way of float32 to half precision, as in JAX."""
    return np.asarray(np.float32(value) if dtype.itemsize < 4 else value).astype(dtype)


def inexact(name: str, *values: Any) -> list[Array]:
    """Arrays converted to the floating dtype that they promote to."""
    arrays = [to_array(x, f"random.{name}") for x in values]
    dtype = dtypes.to_inexact_dtype(dtypes.result_type(*arrays))
    return [parameter(name, "a parameter", x, dtype) for x in arrays]


def static_integer(name: str, what: str, value: Any) -> int:
    """A static integer of at least 0."""
    try:
        return operator.index(value)
    except TypeError:
        raise FxTypeError(
            f"random.{name}: {what} must be an integer, got {type(value).__name__} {value!r}."
        ) from None


def draw_bits(key: Array, shape: tuple[int, ...], bit_width: int = 32) -> Array:
    """Unsigned integers."""
    return P.random_bits(key, bit_width=bit_width, shape=shape)


def draw_unit(key: Array, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Uniform numbers in [0, 1)."""
    bits = P.random_bits(key, bit_width=unit_bits(dtype), shape=shape)
    return P.unit_interval(bits, dtype=dtype)
