"""What a layer is: a frozen dataclass of hyperparameters with two pure functions.

`init(key, x)` makes the parameters, a nested dict of arrays, for inputs like `x`, of which only
shape and dtype matter. `apply(params, x)` computes. A layer holds no arrays, so it is hashable and
a static argument wherever it is passed.
"""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

from fx.core.array import aval_of, is_arraylike
from fx.core.avals import ShapedArray, ShapeDtypeStruct
from fx.dtypes import default_float, is_inexact, promote_types
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.pytree import register_static
from fx.signatures import mismatches, shown

Params = dict[str, Any]
Padding = str | Sequence[tuple[int, int]]
Sizes = Sequence[int]  # one for each spatial dimension; `window` says so where it is a number


class Layer(abc.ABC):
    """Base of all layers; subclasses are frozen dataclasses with `init` and `apply`.

    Example:
        A layer of one's own:

        >>> import dataclasses
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> @dataclasses.dataclass(frozen=True)
        ... class Scale(nn.Layer):
        ...     start: float = 1.0
        ...
        ...     def init(self, key, x):
        ...         return {"scale": jnp.full(x.shape[-1:], self.start)}
        ...
        ...     def apply(self, params, x, *, key=None, train=False):
        ...         return x * params["scale"]
        >>> layer = Scale(2.0)
        >>> params = layer.init(None, jnp.ones(3))
        >>> layer.apply(params, jnp.ones(3))
        Array([2., 2., 2.], dtype=float32)
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        register_static(cls)

    @public
    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        # The types of the fields, for the layers here: those of others may mean something else.
        if cls.__module__.startswith("fx.") and (wrong := mismatches(cls, args, kwargs)):
            raise FxTypeError(f"nn.{cls.__name__}: {wrong}.")
        return super().__new__(cls)

    @property
    def stochastic(self) -> bool:
        """Whether `apply` uses its key when training."""
        return False

    @abc.abstractmethod
    def init(self, key: Any, x: Any) -> Params:
        """Parameters for inputs like `x`.

        Args:
            key: a random key.
            x: an array, or a `ShapeDtypeStruct`.

        Returns:
            a dict of arrays and dicts; empty if there is nothing to learn.
        """

    @abc.abstractmethod
    def apply(self, params: Params, x: Any, *, key: Any = None, train: bool = False) -> Any:
        """The layer's result.

        Args:
            params: what `init` returned, or the same with other values.
            x: an array.
            key: a random key; only layers that draw numbers when training need one.
            train: whether to behave as in training.
        """


def shape_of(x: Any, what: str) -> ShapedArray:
    """Shape and dtype of an example input."""
    if not is_arraylike(x) and not isinstance(x, (ShapeDtypeStruct, ShapedArray)):
        raise FxTypeError(
            f"{what} expects an array or a ShapeDtypeStruct as its example input, got "
            f"{type(x).__name__}."
        )
    return aval_of(x)


def param(params: Any, name: str, what: str) -> Any:
    """One parameter, or an error that says what was there instead."""
    if not isinstance(params, dict) or name not in params:
        got = sorted(params) if isinstance(params, dict) else type(params).__name__
        raise FxTypeError(
            f"{what} expects parameters with the key {name!r}, got {got}. Pass what {what}.init "
            "returned."
        )
    return params[name]


def check_features(what: str, x: Any, expected: int) -> None:
    """Raise unless the last axis of the input has the size that the parameters were made for."""
    if not x.shape or x.shape[-1] != expected:
        raise ShapeError(
            f"{what} got an input {x.aval.short()}, but its parameters were made for {expected} "
            "features in the last axis. Call init with an input of this shape, or reshape it."
        )


def param_dtype(dtype: Any) -> Any:
    """The dtype of parameters: the default float dtype unless given."""
    return default_float() if dtype is None else dtype


def compute_dtype(dtype: Any, *arrays: Any) -> Any:
    """The dtype to compute in: the one given, or what the arrays promote to."""
    if dtype is not None:
        return dtype
    found = arrays[0].dtype
    for x in arrays[1:]:
        found = promote_types(found, x.dtype)
    return found if is_inexact(found) else default_float()


def sizes(what: str, name: str, value: Any, rank: int, least: int = 1) -> tuple[int, ...]:
    """One integer for each of `rank` dimensions, from such a sequence or one integer for all."""
    found = (value,) * rank if isinstance(value, int) else value
    if not isinstance(found, Sequence) or not all(isinstance(v, int) for v in found):
        raise FxTypeError(f"{what}: {name} must be integers, got {value!r}.")
    if len(found) != rank:
        raise FxValueError(
            f"{what}: {name} must have one entry for each of the {rank} spatial dimensions, got "
            f"{value!r}."
        )
    if any(v < least for v in found):
        raise FxValueError(f"{what}: {name} must be at least {least}, got {value!r}.")
    return tuple(found)


def window(what: str, name: str, value: Any) -> tuple[int, ...]:
    """The sizes of a window, whose number says how many spatial dimensions there are."""
    if isinstance(value, int):
        raise FxTypeError(
            f"{what}: {name} must have one entry for each spatial dimension, got {value}. For "
            f"images write {name}=({value}, {value})."
        )
    if not hasattr(type(value), "__iter__"):
        raise FxTypeError(f"{what}: {name} must be integers, got {shown(value)}.")
    return sizes(what, name, tuple(value), len(value))


def pads(what: str, padding: Any, rank: int) -> Padding:
    """The name of a padding, or a pair (low, high) for each of `rank` dimensions, as tuples."""
    if isinstance(padding, str):
        return padding
    try:
        found = tuple((int(low), int(high)) for low, high in padding)
    except (TypeError, ValueError):
        found = ()
    if len(found) != rank:
        raise FxValueError(
            f"{what}: padding must be a name, or a pair (low, high) for each of the {rank} spatial "
            f"dimensions, got {padding!r}."
        )
    return found
