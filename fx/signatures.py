"""What was wrong with a call that failed, read from the annotations of the function.

To check the types of all options in every call would cost more than many a call does. So they are
looked at only once something has failed inside, and that is when they are worth naming: "axis must
be an integer, got str 'rows'" instead of what the wrong value led to further in.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from typing import Any

# Modules whose names users write; others only say where a function happens to stand.
_PUBLIC = (
    "numpy.linalg", "numpy.fft", "numpy", "lax.linalg", "lax", "random", "nn", "image", "optim",
    "scipy.linalg", "scipy.special", "scipy.signal", "scipy.stats", "scipy",
)  # fmt: skip


def public_name(function: Callable[..., Any]) -> str:
    """How messages call a function: `numpy.sort`, `lax.scan`, `grad`."""
    module = getattr(function, "__module__", "").removeprefix("fx.")
    name = getattr(function, "__qualname__", type(function).__name__).removesuffix(".__init__")
    name = name.rpartition("<locals>.")[2]
    home = next((p for p in _PUBLIC if module == p or module.startswith(p + ".")), "")
    return f"{home}.{name}" if home else name


def text_of(x: Any, limit: int = 60) -> str:
    """A short `repr`, whatever the object's own does."""
    try:
        text = " ".join(repr(x).split())
    except Exception:
        text = f"a {type(x).__name__} whose repr fails"
    return text if len(text) <= limit else text[: limit - 3] + "..."


def shown(x: Any) -> str:
    """The type of a value and a short text of it."""
    text = text_of(x)
    return text if x is None or isinstance(x, type) else f"{type(x).__name__} {text}"


# ------------------------------------------------------------------ what annotations mean
def _converts(convert: Callable[[Any], Any]) -> Callable[[Any], bool]:
    def holds(x: Any) -> bool:
        try:
            convert(x)
        except Exception:
            return False
        return True

    return holds


_is_integer = _converts(operator.index)


def _is_number(x: Any) -> bool:
    return not isinstance(x, (str, bytes, bytearray)) and _converts(float)(x)


def _is_flag(x: Any) -> bool:
    return not isinstance(x, (str, bytes)) and not callable(x) and _converts(bool)(x)


def _is_sequence(x: Any) -> bool:
    if isinstance(x, (str, bytes, bytearray, memoryview, Mapping, Set)):
        return False
    if not hasattr(type(x), "__len__") or not hasattr(type(x), "__iter__"):
        return False
    return not hasattr(x, "ndim") or _converts(len)(x)


def _each(x: Any, holds: Callable[[Any], bool]) -> bool:
    try:
        # Axes and shapes are short; what claims to be long may lie, and is not read.
        return _is_sequence(x) and len(x) < 1000 and all(holds(v) for v in x)
    except Exception:
        return False


def _are_integers(x: Any) -> bool:
    return _each(x, _is_integer)


def _are_pairs(x: Any) -> bool:
    return _each(x, lambda v: _are_integers(v) and len(v) == 2)


def _is_array(x: Any) -> bool:
    return hasattr(x, "shape") or isinstance(x, (bool, int, float, complex))


def _numbers(x: Any, least: int) -> bool:
    return isinstance(x, (tuple, list)) and len(x) >= least and all(map(_are_integers, x))


# Annotation -> (what it asks for, whether a value is that). An annotation that is not here takes
# anything as far as this file knows.
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "None": ("None", lambda x: x is None),
    "int": ("an integer", _is_integer),
    "float": ("a number", _is_number),
    "bool": ("a bool", _is_flag),
    "str": ("a string", lambda x: isinstance(x, str)),
    "Callable": ("a function", callable),
    "Mapping": ("a mapping", lambda x: isinstance(x, Mapping)),
    "dict": ("a dict", lambda x: isinstance(x, dict)),
    "Iterable": ("an iterable", lambda x: isinstance(x, Iterable)),
    "Sequence[int]": ("a sequence of integers", _are_integers),
    "Sequence[tuple[int, int]]": ("a sequence of pairs of integers", _are_pairs),
    "Sequence[str]": ("a sequence of strings", _is_sequence),
    "Sequence": ("a sequence", _is_sequence),
    "Collection": ("a collection", lambda x: isinstance(x, Collection) and not isinstance(x, str)),
    "tuple[int, ...]": ("a tuple of integers", _are_integers),
    "tuple[int, int]": ("a pair of integers", lambda x: _are_integers(x) and len(x) == 2),
    "list[int]": ("a list of integers", _are_integers),
    "tuple": ("a tuple", lambda x: isinstance(x, (tuple, list))),
    "GradientTransformation": (
        "a gradient transformation (a pair of functions init and update)",
        lambda x: hasattr(x, "init") and hasattr(x, "update"),
    ),
    "GatherDimensionNumbers": ("lax.GatherDimensionNumbers", lambda x: _numbers(x, 3)),
    "ScatterDimensionNumbers": ("lax.ScatterDimensionNumbers", lambda x: _numbers(x, 3)),
    "Array": ("an array", _is_array),
    "type": ("a class", lambda x: isinstance(x, type)),
    "PyTreeDef": ("a tree structure (of tree.structure)", lambda x: hasattr(x, "num_leaves")),
}
_ALIASES = {
    "Axis": "int | Sequence[int] | None",
    "Axes": "int | Sequence[int]",
    "Order": "float | str | None",
    "IsLeaf": "Callable | None",
    "Filter": "Callable | None",
    "Schedule": "Callable",
    "Padding": "str | Sequence[tuple[int, int]]",
    "GradientTransformationExtraArgs": "GradientTransformation",
}


def declare(annotation: str, words: str, holds: Callable[[Any], bool]) -> None:
    """Say what an annotation asks for: in words, and as a question about a value.

    Args:
        annotation: as it is written in signatures; the name of an alias, usually of `Any`.
        words: what messages call it.
        holds: whether a value is that; where it raises, the value is not.
    """

    def surely(x: Any) -> bool:
        try:
            return holds(x)
        except Exception:
            return False

    _KINDS[annotation] = words, surely


def _alternatives(annotation: str) -> list[str]:
    """The members of a union, at its top level."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(annotation):
        depth += (c in "[(") - (c in "])")
        if c == "|" and not depth:
            parts.append(annotation[start:i].strip())
            start = i + 1
    parts.append(annotation[start:].strip())
    return parts


def _expected(annotation: Any) -> list[tuple[str, Callable[[Any], bool]]] | None:
    """What an annotation asks for; None if it takes anything."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    found = []
    for part in _alternatives(_ALIASES.get(text, text)):
        if part in _ALIASES:
            found.extend(_expected(_ALIASES[part]) or [])
            continue
        kind = _KINDS.get(part) or _KINDS.get(part.split("[")[0]) or _state(part)
        if kind is None:
            return None
        found.append(kind)
    return found


def _state(annotation: str) -> tuple[str, Callable[[Any], bool]] | None:
    """The question for a class of states, all of which have names that end so."""
    if not annotation.endswith("State") or annotation == "OptState":
        return None
    words = f"the state that init makes, {annotation}"
    return words, lambda x: any(c.__name__ == annotation for c in type(x).__mro__)


def _or(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


@functools.lru_cache(maxsize=1024)
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


def mismatches(function: Callable[..., Any], args: Any, kwargs: Any) -> str:
    """The arguments that are not what their annotations ask for, as a sentence; "" if all are."""
    try:
        signature = _signature(function)
        bound = signature.bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        return ""
    found = []
    for name, value in bound.items():
        parameter = signature.parameters[name]
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        expected = _expected(parameter.annotation)
        if expected is None or value is parameter.default:
            continue
        if not any(holds(value) for _, holds in expected):
            words = list(dict.fromkeys(word for word, _ in expected))
            found.append(f"{name} must be {_or(words)}, got {shown(value)}")
    return "; ".join(found)
