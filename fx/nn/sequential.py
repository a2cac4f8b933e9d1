"""Layers one after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from fx import random
from fx.calls.jit import eval_shape
from fx.core.avals import ShapeDtypeStruct
from fx.errors import FxTypeError, FxValueError, public
from fx.nn.base import Layer, Params, shape_of
from fx.signatures import shown

Layers = tuple[Any, ...]  # what `__post_init__` checks, in words of its own


@dataclasses.dataclass(frozen=True)
class Sequential(Layer):
    """Layers and plain functions, each applied to the result of the one before.

    Attributes:
        layers: `Layer`s, functions of one array, or pairs (name, layer). The parameters of a layer
            are found under its name, or else its position, as a string; layers without
            parameters have no entry.

    Raises:
        FxTypeError: an entry is neither a layer nor a function.
        FxValueError: a name occurs twice.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> from fx import nn, random, tree
        >>> net = nn.Sequential((nn.Dense(8), nn.relu, ("head", nn.Dense(3))))
        >>> params = net.init(random.key(0), fx.ShapeDtypeStruct((1, 4), "float32"))
        >>> tree.map(jnp.shape, params)
        {'0': {'bias': (8,), 'kernel': (4, 8)}, 'head': {'bias': (3,), 'kernel': (8, 3)}}
        >>> net.apply(params, jnp.ones((2, 4))).shape
        (2, 3)
    """

    layers: Layers

    def __post_init__(self) -> None:
        if not isinstance(self.layers, Iterable):
            raise FxTypeError(
                f"nn.Sequential expects a tuple of layers, got {self.layers!r}. Write "
                "nn.Sequential((first, second, ...))."
            )
        object.__setattr__(self, "layers", tuple(self.layers))
        names = [name for name, _ in self.named()]
        if len(set(names)) != len(names):
            raise FxValueError(f"nn.Sequential: layers must have distinct names, got {names}.")

    def named(self) -> list[tuple[str, Any]]:
        """Names and layers, in order."""
        out = []
        for i, entry in enumerate(self.layers):
            name, layer = str(i), entry
            if isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str):
                name, layer = entry
            if not isinstance(layer, Layer) and (not callable(layer) or isinstance(layer, type)):
                raise FxTypeError(
                    f"nn.Sequential: entry {i} must be a layer, a function, or a pair (name, "
                    f"layer), got {entry!r}."
                )
            out.append((name, layer))
        return out

    @property
    def stochastic(self) -> bool:
        return any(isinstance(layer, Layer) and layer.stochastic for _, layer in self.named())

    @public
    def init(self, key: Any, x: Any) -> Params:
        aval = shape_of(x, "nn.Sequential.init")
        example: Any = ShapeDtypeStruct(aval.shape, aval.dtype)
        keys = random.split(key, max(1, len(self.layers)))
        params: Params = {}
        for i, (name, layer) in enumerate(self.named()):
            if not isinstance(layer, Layer):
                example = eval_shape(layer, example)
                continue
            own = layer.init(keys[i], example)
            if own:
                params[name] = own
            example = eval_shape(layer.apply, own, example)
        return params

    @public
    def apply(self, params: Params, x: Any, *, key: Any = None, train: bool = False) -> Any:
        if not isinstance(params, Mapping):
            raise FxTypeError(
                f"nn.Sequential.apply: params must be a dict, as of init, got {shown(params)}."
            )
        for i, (name, layer) in enumerate(self.named()):
            if not isinstance(layer, Layer):
                x = layer(x)
                continue
            own = None
            if train and layer.stochastic and key is not None:
                own = random.fold_in(key, i)
            x = layer.apply(params.get(name, {}), x, key=own, train=train)
        return x
