"""Every function of the array API, held against array-api-strict, eagerly and under `jit`; their
names and signatures; and that no function was forgotten.
"""

import inspect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fx.numpy as jnp
from tests.array_api.harness import VERSION, check
from tests.array_api.rows import ROWS

strict = pytest.importorskip("array_api_strict")


@pytest.mark.parametrize("row", ROWS, ids=str)
@settings(max_examples=settings().max_examples // 5)
@given(data=st.data())
def test_function(row, data):
    check(row, strict, data.draw(row.args, label="args"))


# What strict exports besides the names of the standard's version that fx has.
_OTHER = {"Device", "ArrayAPIStrictFlags", "__version__", "broadcast_shapes", "isin"} | {
    f"{verb}_array_api_strict_flags" for verb in ("get", "set", "reset")
}


def _functions():
    """Name -> strict's function, for every function of the standard's version that fx has."""
    found = {}
    with strict.ArrayAPIStrictFlags(api_version=VERSION):
        for prefix, module in (("", strict), ("linalg.", strict.linalg), ("fft.", strict.fft)):
            for name in set(module.__all__) - _OTHER:
                value = getattr(module, name)
                if inspect.isfunction(value) and not name.startswith("__"):
                    found[prefix + name] = value
    return found


FUNCTIONS = _functions()
_METHODS = [
    name
    for name, value in inspect.getmembers(type(strict.ones(1)), inspect.isfunction)
    if name.startswith("__") and name not in dir(object)
]
# Arrays are immutable, so these are not there: `x += y` is `x = x + y`.
_IN_PLACE = {name for name in _METHODS if name.startswith("__i") and f"__{name[3:]}" in _METHODS}


def _find(name):
    *modules, last = name.split(".")
    return getattr(getattr(jnp, *modules) if modules else jnp, last)


def test_no_function_is_forgotten():
    assert set(FUNCTIONS) - {row.name for row in ROWS} == set()
    assert len(FUNCTIONS) > 150


def _check_signature(wanted, given):
    """The standard's parameters are there: positional ones in order, and under their names."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [p for p in wanted.parameters.values() if p.name != "self"]
    own = [p for p in given.parameters.values() if p.name != "self"]
    for i, p in enumerate(parameters):
        if p.kind is inspect.Parameter.KEYWORD_ONLY:
            mine = given.parameters[p.name]
            assert mine.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, p.kind), p
        elif p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            assert (own[i].name, own[i].kind) == (p.name, p.kind)
        elif p.kind is inspect.Parameter.POSITIONAL_ONLY:
            assert own[i].kind in positional
        else:
            assert own[i].kind is p.kind
        if p.default is not inspect.Parameter.empty:
            mine = given.parameters.get(p.name) or own[i]
            assert mine.default is not inspect.Parameter.empty, f"{p} may be left out"


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_signature(name):
    _check_signature(inspect.signature(FUNCTIONS[name]), inspect.signature(_find(name)))


@pytest.mark.parametrize("name", sorted(set(_METHODS) - _IN_PLACE))
def test_method(name):
    theirs = getattr(type(strict.ones(1)), name)
    _check_signature(inspect.signature(theirs), inspect.signature(getattr(jnp.ndarray, name)))


@pytest.mark.parametrize("name", sorted(set(strict.__all__) - _OTHER))
def test_name(name):
    value = getattr(jnp, name)
    if isinstance(value, float):
        assert value == getattr(strict, name) or value != value
    assert name in jnp.__all__
