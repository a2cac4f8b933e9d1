"""The type checkers' list of Array's methods is that of the class."""

import inspect

from fx.core.array import Array
from fx.core.array_interface import ArrayInterface
from fx.numpy import array_methods, operators


def names_of(cls: type) -> set[str]:
    return {n for n, v in vars(cls).items() if callable(v) or isinstance(v, property)}


def test_every_declared_name_exists_and_is_of_its_kind():
    for name in names_of(ArrayInterface):
        declared = inspect.getattr_static(ArrayInterface, name)
        real = inspect.getattr_static(Array, name)
        assert isinstance(real, property) == isinstance(declared, property), name


def test_every_installed_name_is_declared():
    installed = {*array_methods._FUNCTIONS, *array_methods._PROPERTIES, "__getitem__"}
    for name in (*operators._BINARY, *operators._COMPARISONS):
        installed.add(f"__{name}__")
    assert installed <= names_of(ArrayInterface)
