"""Making random keys and taking them apart.

A key is a value: the same key always gives the same numbers. New keys come from old ones by
`split` and `fold_in`, as in `jax.random`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fx import dtypes
from fx.config import config
from fx.core.array import Array, to_array
from fx.core.primitive import P
from fx.errors import FxOverflowError, FxTypeError, FxValueError, public
from fx.lax.arguments import integer, shape_tuple
from fx.random.arguments import ArrayLike, one_key, typed_keys

_NAME = "threefry2x32"


def _check_impl(name: str, impl: Any, dtype: Any = None) -> None:
    if impl is not None and dtype is not None:
        raise FxValueError(f"random.{name}: give impl or dtype, not both.")
    given = dtype if impl is None else impl
    if given is None or given is dtypes.key_dtype:
        return
    if isinstance(given, str) and given in (_NAME, "fry"):
        return
    raise FxValueError(
        f"random.{name}: the random number generator of fx is {_NAME!r}, got {given!r}. "
        "Leave the argument out."
    )


@public
def key(seed: int | ArrayLike, *, impl: Any = None, dtype: Any = None) -> Array:
    """A random key from an integer.

    Args:
        seed: an integer, or an integer array of shape (). Its 64 bits (two's complement) are the
            key; a seed that fits in 32 bits has a high word of zero.
        impl, dtype: the generator; only 'threefry2x32', the default.

    Returns:
        A key, an array of shape () and dtype key<fry>.

    Raises:
        FxTypeError: the seed is not an integer.
        FxValueError: the seed is an array with axes; or of more than 64 bits.

    Example:
        >>> import fx
        >>> fx.random.bits(fx.random.key(0), (2,))
        Array([4070199207, 4202968722], dtype=uint32)
    """
    _check_impl("key", impl, dtype)
    return _make_key("key", seed)


@public
def PRNGKey(seed: int | ArrayLike, *, impl: Any = None) -> Array:
    """A random key from an integer, in the legacy form: a uint32 array of shape (2,).

    Every function of `fx.random` takes both forms. `key` makes the other one, which cannot be
    mistaken for numbers; under `fx.enable_custom_prng()` this one does, too.

    Args:
        seed: as for `key`.
        impl: only 'threefry2x32', the default.

    Example:
        >>> import fx
        >>> fx.random.PRNGKey(7)
        Array([0, 7], dtype=uint32)
    """
    _check_impl("PRNGKey", impl)
    made = _make_key("PRNGKey", seed)
    return made if config.enable_custom_prng else P.random_unwrap(made)


def _make_key(name: str, seed: Any) -> Array:
    if isinstance(seed, int):
        for dtype in (np.int32, np.uint32, np.int64, np.uint64):
            info = np.iinfo(dtype)
            if info.min <= seed <= info.max:
                return P.random_seed(Array(np.asarray(seed, dtype)))
        raise FxValueError(
            f"random.{name}: a seed has at most 64 bits, got {seed}. Reduce it modulo 2**64."
        )
    array = to_array(seed, f"random.{name}")
    if dtypes.is_key(array.dtype):
        raise FxTypeError(
            f"random.{name} expects an integer seed, got a random key. Use the key as it is, or "
            "fx.random.split(key) for new ones."
        )
    if not dtypes.is_integer(array.dtype):
        raise FxTypeError(
            f"random.{name} expects an integer seed, got {array.aval.short()}"
            f"{f' ({seed})' if isinstance(seed, float) else ''}. Convert it with int(seed)."
        )
    if array.shape:
        raise FxValueError(
            f"random.{name} expects one seed, got an array of shape {array.shape}. Use "
            f"fx.vmap(fx.random.{name})(seeds)."
        )
    return P.random_seed(array)


@public
def split(key: ArrayLike, num: int | Sequence[int] = 2) -> Array:
    """New keys from a key, independent of each other.

    The old key should not be used again. The first keys do not depend on how many are made.

    Args:
        key: a random key.
        num: how many, or the shape of the array of new keys.

    Returns:
        Keys of shape `(num,)`, or `num` if that is a shape (legacy keys: one axis of 2 more).

    Raises:
        FxTypeError: not a key.
        FxValueError: an array of keys; use vmap.

    Example:
        >>> import fx
        >>> key, subkey = fx.random.split(fx.random.key(0))
        >>> fx.random.key_data(subkey)
        Array([ 928981903, 3453687069], dtype=uint32)
    """
    typed, legacy = one_key("split", key)
    if isinstance(num, Sequence):
        shape = shape_tuple("random.split", num, "num")
    else:
        shape = shape_tuple("random.split", (integer("random.split", "num", num),), "num")
    new = P.random_split(typed, shape=shape)
    return P.random_unwrap(new) if legacy else new


@public
def fold_in(key: ArrayLike, data: ArrayLike) -> Array:
    """The new key that belongs to a key and an integer, such as a step or the index of a layer.

    Args:
        key: a random key.
        data: an integer in [0, 2**32), or an integer array of shape (), counted modulo 2**32.

    Returns:
        A key in the form of the given one.

    Raises:
        FxTypeError: `data` is not an integer, or out of range; not a key.
        FxValueError: an array of keys or of integers; use vmap.

    Example:
        >>> import fx
        >>> fx.random.key_data(fx.random.fold_in(fx.random.key(0), 1))
        Array([ 928981903, 3453687069], dtype=uint32)
    """
    typed, legacy = one_key("fold_in", key)
    if isinstance(data, int):
        if not 0 <= data < 1 << 32:
            raise FxOverflowError(
                f"random.fold_in expects data in [0, 2**32), got {data}. Reduce it modulo 2**32."
            )
        number = Array(np.asarray(data, np.uint32))
    else:
        number = to_array(data, "random.fold_in")
        if not dtypes.is_integer(number.dtype):
            raise FxTypeError(
                f"random.fold_in expects an integer, got {number.aval.short()}. Use "
                "data.astype('uint32')."
            )
        if number.shape:
            raise FxValueError(
                f"random.fold_in expects one integer, got an array of shape {number.shape}. Use "
                "fx.vmap(fx.random.fold_in, in_axes=(None, 0))(key, data)."
            )
        number = P.convert_element_type(number, new_dtype=np.dtype(np.uint32))
    new = P.random_fold_in(typed, number)
    return P.random_unwrap(new) if legacy else new


@public
def key_data(keys: ArrayLike) -> Array:
    """The words of keys.

    Args:
        keys: keys of shape `s`, of either form.

    Returns:
        uint32 of shape `(*s, 2)`.

    Example:
        >>> import fx
        >>> fx.random.key_data(fx.random.key(7))
        Array([0, 7], dtype=uint32)
    """
    return P.random_unwrap(typed_keys("key_data", keys)[0])


@public
def wrap_key_data(key_bits_array: ArrayLike, *, impl: Any = None, dtype: Any = None) -> Array:
    """Keys from their words; the inverse of `key_data`.

    Args:
        key_bits_array: uint32 of shape `(*s, 2)`.
        impl, dtype: only 'threefry2x32', the default.

    Returns:
        Keys of shape `s`.

    Raises:
        FxTypeError, ShapeError: another dtype or shape.

    Example:
        >>> import fx
        >>> key = fx.random.key(7)
        >>> fx.random.wrap_key_data(fx.random.key_data(key)) == key
        Array(True, dtype=bool)
    """
    _check_impl("wrap_key_data", impl, dtype)
    return P.random_wrap(to_array(key_bits_array, "random.wrap_key_data"))


@public
def key_impl(keys: ArrayLike) -> str:
    """The name of the generator that keys are for: 'threefry2x32'.

    Example:
        >>> import fx
        >>> fx.random.key_impl(fx.random.key(0))
        'threefry2x32'
    """
    typed_keys("key_impl", keys)
    return _NAME


def key_dtype(impl: Any = None) -> np.dtype:
    """The dtype of keys.

    Example:
        >>> import fx
        >>> fx.random.key_dtype() == fx.random.key(0).dtype
        True
    """
    _check_impl("key_dtype", impl)
    return dtypes.key_dtype


@public
def clone(key: ArrayLike) -> Array:
    """The same key, declared fit for another use: see `fx.config.debug_key_reuse`.

    Args:
        key: a key, or an array of keys.

    Returns:
        Keys equal to the given ones, and of the same form.

    Example:
        >>> import fx
        >>> key = fx.random.key(0)
        >>> with fx.config.scope(debug_key_reuse=True):
        ...     bool(fx.random.bits(key) == fx.random.bits(fx.random.clone(key)))
        True
    """
    typed, legacy = typed_keys("clone", key)
    new = P.random_clone(typed)
    return P.random_unwrap(new) if legacy else new
