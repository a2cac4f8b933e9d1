"""Every public callable of fx, each with arguments that it takes.

Arguments are found, not written down: from candidates for a parameter's name, its annotation, or
any, the first combination that the function takes. What it refuses on the way are calls like
others.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import fx
import fx.numpy as jnp
import fx.scipy
from tests.fuzzing.hostile import anything

# The public ones say what they export; others only hold code.
SCIPY = [
    m.name
    for m in pkgutil.walk_packages(fx.scipy.__path__, "fx.scipy.")
    if hasattr(importlib.import_module(m.name), "__all__")
]
MODULES = [
    "fx", "fx.numpy", "fx.numpy.linalg", "fx.numpy.fft", "fx.lax", "fx.lax.linalg", "fx.random",
    "fx.nn", "fx.nn.initializers", "fx.tree", "fx.tree_util", "fx.ops", "fx.image", "fx.optim",
    "fx.optim.contrib", "fx.optim.losses", "fx.optim.tree_utils", "fx.optim.schedules",
    "fx.optim.projections", "fx.optim.perturbations", "fx.optim.microbatching", "fx.flatten_util",
    "fx.debug", "fx.sharding", "fx.experimental", "fx.custom_derivatives",
    "fx.api_util", "fx.test_util",
    *SCIPY,
]  # fmt: skip

# Names that are left out, each with the reason.
LEFT_OUT = {
    "fx.timeit": "runs as long as it is told to",
    "fx.optim.nnls": "runs as many steps as it is told to",
    "fx.clear_caches": "takes nothing, and the next calls would compile all again",
    "fx.dtypes.set_default": "changes a setting for good",
    "fx.numpy.set_printoptions": "NumPy's own, and changes a setting for good",
    "fx.numpy.printoptions": "NumPy's own",
    "fx.numpy.get_printoptions": "NumPy's own",
    "fx.numpy.dtype": "NumPy's own",
    "fx.Ref": "made by new_ref, not by users",
    "fx.tree_util.PyTreeDef": "made by tree_structure, not by users",
}

V = jnp.asarray([0.5, 0.25, 0.75])
M = jnp.asarray([[4.0, 1.0, 0.5], [1.0, 5.0, 0.25], [0.5, 0.25, 6.0]])
N = jnp.asarray([0, 2, 1])
KEY = fx.random.key(0)
IMAGE = jnp.ones((1, 8, 8, 3))
TREE = {"a": V, "b": M}


def total(*args: Any, **kwargs: Any) -> Any:
    """A scalar of all arguments."""
    return sum((jnp.sum(x) for x in fx.tree.leaves((args, kwargs))), jnp.asarray(0.0))


def first(x: Any, *rest: Any) -> Any:
    return x


def carry(c: Any, x: Any) -> Any:
    return c, x


def false(*args: Any) -> Any:
    return False


def axis_function(x: Any, axis: Any) -> Any:
    return jnp.sum(x, axis, keepdims=True)


MESH = fx.make_mesh((1,), ("data",))

# Candidates by the names of parameters, the likeliest first.
NAMED: dict[str, list[Any]] = {
    "key": [KEY], "rng_key": [KEY], "keys": [KEY, (V, N), fx.random.split(KEY)],
    "shape": [(2, 3), (9,), V], "shapes": [((2, 1), (3,)), (2, 3)], "new_sizes": [(9,)],
    "dtype": ["float32", None], "new_dtype": ["int32"], "index_dtype": ["int32"],
    "axis": [0, None], "dimension": [0], "axes": [(0,), 0, None, (0, 1)],
    "dimensions": [(0,), (2,)],
    "axis_name": ["i"], "fun": [total, first, jnp.sin], "f": [total, first, jnp.sin, carry],
    "func": [first, axis_function, jnp.sin], "callback": [first], "fn": [jnp.add, first],
    "function": [first], "pyfunc": [first], "func1d": [jnp.sum], "mask_func": [jnp.tril],
    "tree": [TREE], "pytree": [TREE], "params": [TREE], "updates": [TREE], "target": [TREE, V],
    "treedef": [fx.tree.structure(TREE)], "leaves": [[V, M]], "is_leaf": [None],
    "subscripts": ["ij,jk->ik", "i->i"], "operands": [(M, M), (V,), V], "operand": [V, M],
    "n": [3, M], "N": [3], "k": [1], "num": [3], "M": [3, M], "deg": [1], "order": [1, "C"],
    "window_strides": [(1, 1), (1,)], "padding": ["SAME", "VALID"], "strides": [(1, 1), (1,)],
    "lhs": [V, M, IMAGE], "rhs": [V, M, IMAGE], "conv_dims": [None],
    "permutation": [(1, 0)], "sizes": [(2,), (1, 2)], "start_indices": [(0,), (0, 0), N[:1]],
    "slice_sizes": [(2,), (1, 1)], "limit_indices": [(2,), (2, 2)], "update": [V[:1]],
    "init_val": [V], "init": [V], "xs": [M], "body_fun": [first, carry], "cond_fun": [false],
    "lower": [0, False], "upper": [2], "pred": [True], "true_fun": [first], "false_fun": [first],
    "branches": [(first, first)], "index": [0, 1], "indices": [N, (0, 1)], "which": [0],
    "indices_or_sections": [3, 1], "source": [0], "destination": [0], "repeats": [2],
    "reps": [2], "shift": [1], "pad_width": [1], "padding_config": [((0, 0, 0),)],
    "padding_value": [0.0], "primals": [(V,)], "tangents": [(V,)], "size": [3, V],
    "learning_rate": [0.1], "decay": [0.9], "b1": [0.9], "count": [3], "schedule": [anything],
    "inner": [fx.optim.sgd(0.1)], "optimizer": [fx.optim.sgd(0.1)], "tx": [fx.optim.sgd(0.1)],
    "base_optimizer": [fx.optim.sgd(0.1)], "opt": [fx.optim.sgd(0.1)],
    "method": ["linear", "BFGS", "nearest"], "mode": ["full", "clip", "fan_in"], "ord": [None, 2],
    "p": [0.5, V], "q": [0.5], "lam": [2.0], "alpha": [1.5, V], "concentration": [1.5],
    "minval": [0], "maxval": [5], "mean": [V], "cov": [M], "logits": [V, M], "labels": [N, V],
    "axis_shapes": [(1,)], "axis_names": [("data",)], "mesh": [MESH], "sharding": [
        fx.NamedSharding(MESH, fx.P()), ], "spec": [fx.P()], "out_specs": [fx.P()],
    "out_shardings": [fx.P()], "device": [None], "devices": [None, fx.devices()],
    "result_shape_dtypes": [fx.ShapeDtypeStruct((3,), "float32")],
    "matvec": [first, lambda x: x], "solve": [lambda f, b: b], "tangent_solve": [lambda f, b: b],
    "initial_guess": [V], "decomposition": [first], "name": ["name"], "names": [("a", "b")],
    "dimension_numbers": [(((1,), (0,)), ((), ())), None], "feature_sizes": [(2,)],
    "features": [3], "layers": [(fx.nn.Dense(2), fx.nn.relu)], "kernel_size": [(3, 3)],
    "window_shape": [(2, 2)], "window_dimensions": [(1,), (1, 1)], "x0": [V], "rate": [0.5],
    "image": [IMAGE], "computation": [jnp.add], "reducer": [jnp.add], "knots": [V],
    "scatter_indices": [N[:, None]], "num_classes": [4], "num_segments": [3], "segment_ids": [N],
    "state": [{"count": jnp.asarray(1), "mu": TREE}], "points": [(V, V)], "values": [V, M],
    "query": [jnp.ones((1, 3, 2, 4))], "value": [V, jnp.ones((1, 3, 2, 4)), 1.0],
    "condition": [N > 0], "choices": [(V, V)], "condlist": [[N > 0]], "choicelist": [[V]],
    "funclist": [[first, first]], "arrays": [(V, V), (M, M)], "tup": [(V, V)], "ar": [N],
    "multi_index": [(N, N)], "dims": [(3, 3)], "bins": [3, V], "buffer": [b"12345678"],
    "iter": [[1, 2]], "string": ["1 2"], "sep": [" "], "seed": [0],
    "file": ["file.npy"],
    "fmt": ["{}"], "boundaries": [(1, 2)], "boundaries_and_scales": [{1: 0.5}], "x": [V, M],
    "a": [V, M, 3], "b": [V, M], "c": [V], "r": [None], "v": [V, M], "m": [M, V],
    "A": [M], "E": [M],
    "kind": [None, "float"], "filter_shape": [(2, 2)], "rng": [KEY], "ty": [
        fx.ShapedArray((3,), np.dtype("float32"))], "nin": [1], "nout": [1],
    "c_and_lower": [(M, True)], "lu_and_piv": [(M, N)], "mask": [True], "ndim": [2],
    "transition_steps": [3], "decay_steps": [3], "schedules": [[anything, anything]],
    "transforms": [{"a": fx.optim.sgd(0.1)}], "param_labels": ["a"],
    "initializer": [fx.nn.initializers.zeros],
    "batch_size": [2], "hyperparam": [anything], "inner_factory": [fx.optim.sgd], "config": [
        ((0, 0, 0),)], "tau": [2], "moment": [TREE], "moments": [TREE], "every_k_schedule": [2],
    "new_tensors": [TREE], "old_tensors": [TREE], "policies": [None], "prng_impl": [None],
    "mu": [V], "nu": [V], "xy": [V], "data": [V, (0,)], "impl": [None], "prototype": [V],
    "nodetype": [type("Fresh", (), {})], "to_begin": [None], "gamma": [0.9],
}  # fmt: skip

ANNOTATED: dict[str, list[Any]] = {
    "int": [1], "float": [0.5], "bool": [False], "str": ["text"], "Callable": [first, total],
    "Sequence[int]": [(0,), (1, 1)], "Sequence": [(V, V)], "ArrayLike": [V, M, N, 0.5],
    "Array": [V, M], "Updates": [TREE], "Params": [TREE], "tuple": [(0, 1)],
    "GradientTransformation": [fx.optim.sgd(0.1)], "Schedule": [anything], "Mapping": [{"a": 1}],
}  # fmt: skip
ANY: list[Any] = [V, M, N, 1, 0.5, KEY, TREE, first, (V, V), "float32"]
TRIES = 60


@dataclass
class Subject:
    """A callable, and arguments that it takes.

    Attributes:
        name: how a program reaches it.
        function: the callable.
        args, kwargs: arguments that it takes, or the likeliest where none were found.
        works: whether some were found.
        optional: candidates for the parameters that have defaults.
    """

    name: str
    function: Callable[..., Any]
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    works: bool = False
    optional: list[str] = field(default_factory=list)


def candidates(parameter: inspect.Parameter) -> list[Any]:
    if parameter.name in NAMED:
        return NAMED[parameter.name]
    text = str(parameter.annotation)
    for name, found in ANNOTATED.items():
        if text.startswith(name):
            return found
    return ANY


def with_arguments(name: str, function: Callable[..., Any], attempt: Any) -> Subject:
    """A subject with the first arguments that `attempt(function, args, kwargs)` says it takes."""
    subject = Subject(name, function)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError):
        parameters = []
    kinds = inspect.Parameter
    positional, keywords = [], []
    for p in parameters:
        if p.kind is kinds.VAR_KEYWORD:
            continue
        if p.kind is kinds.VAR_POSITIONAL:
            positional.append(p)
        elif p.default is not kinds.empty:
            if p.kind is not kinds.POSITIONAL_ONLY:
                subject.optional.append(p.name)
        elif p.kind is kinds.KEYWORD_ONLY:
            keywords.append(p)
        else:
            positional.append(p)
    choices = [candidates(p) for p in (*positional, *keywords)]
    for tried, combination in enumerate(itertools.islice(by_distance(choices), TRIES)):
        args: list[Any] = []
        for p, value in zip(positional, combination, strict=False):
            if p.kind is kinds.VAR_POSITIONAL and isinstance(value, tuple):
                args.extend(value)
            else:
                args.append(value)
        kwargs = {p.name: v for p, v in zip(keywords, combination[len(positional) :], strict=True)}
        if not tried:
            subject.args, subject.kwargs = args, kwargs
        if attempt(function, args, kwargs):
            subject.args, subject.kwargs, subject.works = args, kwargs, True
            break
    return subject


def by_distance(choices: list[list[Any]]) -> Iterator[tuple[Any, ...]]:
    """Combinations, those near the likeliest first."""
    ranks = [range(len(c)) for c in choices]
    if not ranks:
        yield ()
        return
    combinations = itertools.islice(itertools.product(*ranks), 4000)
    for places in sorted(combinations, key=lambda p: (sum(p), p)):
        yield tuple(c[i] for c, i in zip(choices, places, strict=True))


def names_of(module: Any) -> list[str]:
    names = getattr(module, "__all__", None)
    if names is not None:
        return list(names)
    return [
        n for n, v in vars(module).items()
        if not n.startswith("_") and callable(v) and getattr(v, "__module__", "") == module.__name__
    ]  # fmt: skip


def public_callables() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Each once, under the first name by which it is reached."""
    seen: set[int] = set()
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in names_of(module):
            function = getattr(module, name)
            full = f"{module_name}.{name}"
            if not callable(function) or full in LEFT_OUT or id(function) in seen:
                continue
            if inspect.isclass(function) and issubclass(function, (BaseException, np.generic)):
                continue
            seen.add(id(function))
            yield full, function
