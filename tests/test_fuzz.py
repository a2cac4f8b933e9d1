"""Every public function, called with hostile arguments: it returns, or it raises a documented error
that says what was wrong; it neither hangs nor takes all memory, and the next call works.

What is called, and with what, is found from signatures (tests/fuzzing/surface.py); which errors may
come is in tests/fuzzing/verdict.py. `-m slow` draws more calls.
"""

from __future__ import annotations

import operator
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import errors
from fx.core.array_interface import ArrayInterface
from tests.fuzzing import surface
from tests.fuzzing.hostile import ARRAYS, HOSTILE, OTHERS, anything
from tests.fuzzing.surface import IMAGE, KEY, TREE, M, N, Subject, V, first, total, with_arguments
from tests.fuzzing.verdict import Judge, bounded_memory, short

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="limits time and memory in Linux's way"
)
CALLS, MANY = 12, 60  # of each function: by default, and in the slow run


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """Files, memory and warnings of hostile calls stay here; errors keep their inner frames."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(errors, "_FULL", True)
    with warnings.catch_warnings(), bounded_memory():
        warnings.simplefilter("ignore")
        yield


def spoiled(subject: Subject, count: int, seed: str) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Arguments of a subject with one or two of them hostile, or one too many."""
    rng = random.Random(subject.name + seed)
    places: list[Any] = [*range(len(subject.args)), *subject.kwargs, *subject.optional]
    for _ in range(count if places else 0):
        args, kwargs = list(subject.args), dict(subject.kwargs)
        for place in rng.sample(places, min(rng.choice((1, 1, 2)), len(places))):
            value = HOSTILE[rng.choice(NAMES)]()
            if isinstance(place, int):
                args[place] = value
            else:
                kwargs[place] = value
        odd = rng.random()
        if odd < 0.03:
            kwargs["no_such_option"] = 1
        elif odd < 0.06:
            args.append(HOSTILE[rng.choice(NAMES)]())
        elif odd < 0.09 and args:
            args.pop()
        yield args, kwargs


NAMES = list(HOSTILE)


def attack(judge: Judge, subjects: list[Subject], count: int, seed: str) -> None:
    """Call each with hostile arguments, and what it returns if that is a function."""
    for subject in subjects:
        rng = random.Random(subject.name)
        for args, kwargs in spoiled(subject, count, seed):
            returned, out = judge(subject.name, subject.function, args, kwargs)
            if returned and callable(out) and not isinstance(out, type):
                value = HOSTILE[rng.choice(NAMES)]()
                judge(f"{subject.name}(...)", out, [value], {})


def functions(judge: Judge, prefix: str) -> list[Subject]:
    attempt: Any = lambda name: lambda f, args, kwargs: judge(name, f, args, kwargs)[0]
    return [
        with_arguments(name, function, attempt(name))
        for name, function in surface.public_callables()
        if name.rpartition(".")[0] in GROUPS[prefix]
    ]


GROUPS = {
    "fx": ["fx", "fx.flatten_util", "fx.debug", "fx.sharding", "fx.experimental",
           "fx.custom_derivatives", "fx.ops", "fx.image"],
    "fx.numpy": ["fx.numpy"],
    "fx.numpy.linalg": ["fx.numpy.linalg", "fx.numpy.fft", "fx.lax.linalg"],
    "fx.lax": ["fx.lax"],
    "fx.random": ["fx.random"],
    "fx.nn": ["fx.nn", "fx.nn.initializers"],
    "fx.tree": ["fx.tree", "fx.tree_util"],
    "fx.scipy": surface.SCIPY,
    "fx.optim": [m for m in surface.MODULES if m.startswith("fx.optim")],
}  # fmt: skip


@pytest.mark.parametrize("group", GROUPS)
def test_functions_refuse_hostile_arguments(group):
    judge = Judge()
    subjects = functions(judge, group)
    works = sum(s.works for s in subjects)
    assert works > 0.7 * len(subjects), [s.name for s in subjects if not s.works]
    attack(judge, subjects, CALLS, "")
    assert not judge.findings, judge.report()


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_functions_refuse_many_hostile_arguments(group):
    judge = Judge()
    attack(judge, functions(judge, group), MANY, "many")
    assert not judge.findings, judge.report()


# ------------------------------------------------------------------ arrays
SELVES = {
    "f32[3,3]": M, "i32[3]": N, "c64[]": jnp.asarray(1j), "bool[2]": jnp.asarray([True, False]),
    "bf16[3]": jnp.ones(3, "bfloat16"), "f32[0,3]": jnp.zeros((0, 3)), "key": KEY,
}  # fmt: skip
METHODS = [n for n, v in vars(ArrayInterface).items() if callable(v) and not n.startswith("__")]
BINARY = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.pow, operator.matmul, operator.and_, operator.or_, operator.xor, operator.lshift,
    operator.rshift, operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
    divmod,
]  # fmt: skip
UNARY = [operator.neg, operator.pos, abs, operator.invert, bool, int, float, complex,
         operator.index, round, len, list, hash, repr, str, np.asarray, memoryview]  # fmt: skip


def test_methods_of_arrays_refuse_hostile_arguments():
    judge = Judge()
    for kind, x in SELVES.items():
        for name in METHODS:
            subject = Subject(f"{kind}.{name}", getattr(x, name), [1])
            for args, kwargs in spoiled(subject, 5, ""):
                judge(subject.name, subject.function, args, kwargs)
            judge(subject.name, subject.function, [], {})
    assert not judge.findings, judge.report()


def test_operators_refuse_hostile_operands():
    judge = Judge()
    for kind, x in SELVES.items():
        for function in UNARY:
            judge(f"{function.__name__} of {kind}", function, [x], {})
        for name, make in HOSTILE.items():
            rng = random.Random(kind + name)
            for function in rng.sample(BINARY, 4):
                judge(function.__name__, function, [x, make()], {})
                judge(function.__name__, function, [make(), x], {})
            judge(f"{kind} in", operator.contains, [x, make()], {})
    assert not judge.findings, judge.report()


UPDATES = ["set", "add", "multiply", "divide", "power", "min", "max", "apply", "get", "mul"]


def test_indexing_refuses_hostile_indices():
    judge = Judge()
    indices: dict[str, Callable[[], Any]] = {
        **HOSTILE,
        "pair": lambda: (0, 10**9),
        "slices": lambda: (slice(0, 10**12), slice(None, None, -1)),
        "slice of text": lambda: slice("a", None),
        "slice of nan": lambda: slice(float("nan"), None),
        "two ellipses": lambda: (..., ...),
        "many": lambda: (0,) * 70,
        "many axes": lambda: (None,) * 70,
        "mask": lambda: jnp.ones((2, 2), bool),
        "array of floats": lambda: np.ones(2),
        "nested": lambda: ((0, 1), [0, "a"]),
    }
    for kind, x in SELVES.items():
        for name, index in indices.items():
            judge(f"{kind}[{name}]", operator.getitem, [x, index()], {})
            rng = random.Random(kind + name)
            update, value, mode = rng.choice(UPDATES), rng.choice(NAMES), rng.choice(NAMES)
            for i, y, options in (
                (index, lambda: 1.0, {}),
                (lambda: 0, HOSTILE[value], {}),
                (lambda: 0, lambda: 1.0, {"mode": HOSTILE[mode]()}),
            ):
                at = lambda i, y, options, x=x, update=update: getattr(x.at[i], update)(
                    y, **options
                )
                judge(f"{kind}.at[{name}].{update}", at, [i(), y(), options], {})
    assert not judge.findings, judge.report()


# ------------------------------------------------------------------ states and stages
LAYERS = {
    "Dense": fx.nn.Dense(2), "Conv": fx.nn.Conv(2, (2, 2)), "Embed": fx.nn.Embed(4, 2),
    "LayerNorm": fx.nn.LayerNorm(), "RMSNorm": fx.nn.RMSNorm(),
    "Dropout": fx.nn.Dropout(0.5), "Flatten": fx.nn.Flatten(), "MaxPool": fx.nn.MaxPool((2, 2)),
    "Sequential": fx.nn.Sequential((fx.nn.Dense(2), fx.nn.relu)),
}  # fmt: skip
OPTIMIZERS = {
    "sgd": fx.optim.sgd(0.1, momentum=0.9), "adamw": fx.optim.adamw(0.1),
    "adafactor": fx.optim.adafactor(0.1), "lion": fx.optim.lion(0.1),
    "clipped": fx.optim.chain(fx.optim.clip_by_global_norm(1.0), fx.optim.rmsprop(0.1)),
    "masked": fx.optim.masked(fx.optim.adam(0.1), {"a": True, "b": False}),
    "multi_steps": fx.optim.MultiSteps(fx.optim.adam(0.1), 2),
}  # fmt: skip


def test_layers_and_optimizers_refuse_hostile_parameters():
    judge = Judge()
    for name, layer in LAYERS.items():
        x = N if name == "Embed" else IMAGE
        params = layer.init(KEY, x)
        subjects = [
            Subject(f"{name}.init", layer.init, [KEY, x]),
            Subject(f"{name}.apply", layer.apply, [params, x], {"key": KEY, "train": True}),
        ]
        attack(judge, subjects, 40, "")
    for name, optimizer in OPTIMIZERS.items():
        state = optimizer.init(TREE)
        subjects = [
            Subject(f"{name}.init", optimizer.init, [TREE]),
            Subject(f"{name}.update", optimizer.update, [TREE, state, TREE]),
        ]
        attack(judge, subjects, 40, "")
    assert not judge.findings, judge.report()


TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "jit": fx.jit, "grad": fx.grad, "vmap": fx.vmap, "jacfwd": fx.jacfwd, "hessian": fx.hessian,
    "make_jaxpr": fx.make_jaxpr, "checkpoint": fx.checkpoint, "pmap": fx.pmap,
    "jit of grad": lambda f: fx.jit(fx.grad(f)), "vmap of jit": lambda f: fx.vmap(fx.jit(f)),
    "eval_shape": lambda f: lambda *xs: fx.eval_shape(f, *xs),
    "jvp": lambda f: lambda *xs: fx.jvp(f, xs, xs), "vjp": lambda f: lambda *xs: fx.vjp(f, *xs),
    "linearize": lambda f: lambda *xs: fx.linearize(f, *xs),
}  # fmt: skip


def test_transformed_functions_refuse_hostile_arguments():
    judge = Judge()
    bodies = {"total": total, "first": first, "sin": jnp.sin, **{k: OTHERS[k]() for k in CALLABLES}}
    for name, transform in TRANSFORMS.items():
        for body, function in bodies.items():
            returned, made = judge(name, transform, [function], {})
            if returned:
                rng = random.Random(name + body)
                for value in rng.sample(NAMES, 25):
                    judge(f"{name} of {body}", made, [HOSTILE[value]()], {})
    assert not judge.findings, judge.report()


CALLABLES = ["no_parameters", "returns text", "returns None", "raises", "changes rank"]


@pytest.mark.parametrize("transform", ["jit", "grad", "vmap"])
def test_functions_refuse_hostile_arguments_while_traced(transform):
    """The same options beside a traced array, of a part of the functions."""
    judge = Judge()
    for group in ("fx.numpy", "fx.lax", "fx.nn", "fx.scipy"):
        for i, subject in enumerate(functions(Judge(), group)):
            if i % 3 or not subject.args or not isinstance(subject.args[0], fx.Array):
                continue
            for args, kwargs in spoiled(subject, 3, transform):
                rest, f = args[1:], subject.function
                if not args or not isinstance(args[0], fx.Array):
                    continue

                def traced(x: Any, f: Any = f, rest: Any = rest, kwargs: Any = kwargs) -> Any:
                    out = f(x, *rest, **kwargs)
                    return total(out) if transform == "grad" else out

                made = TRANSFORMS[transform](traced)
                options = [*map(short, rest), *[f"{k}={short(v)}" for k, v in kwargs.items()]]
                name = f"{transform} of {subject.name}(·, {', '.join(options)})"
                judge(name, made, [args[0]], {})
    assert not judge.findings, judge.report()


def test_the_hostile_values_are_what_they_say():
    """The table itself: every maker works, and its arrays are of the kinds that the names say."""
    for name, make in HOSTILE.items():
        make()
        assert name in ARRAYS or name in OTHERS
    assert anything(3) == 3 and V.shape == (3,)
