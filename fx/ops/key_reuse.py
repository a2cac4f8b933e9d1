"""Which random keys have been used, while `fx.config.debug_key_reuse` is on.

Keys are told apart by their value, so an index (`keys[0]` twice) or a copy does not hide a reuse.
Making a key (from a seed, by split, fold_in or clone) declares its value unused: a program may
start over from the same seed.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from fx.errors import KeyReuseError, format_source, user_source

# Beyond so many keys the oldest are forgotten.
_LIMIT = 1_000_000


class _Used(threading.local):
    def __init__(self) -> None:
        self.keys: dict[int, tuple[str, Any]] = {}


_used = _Used()


def _values(words: Any) -> list[int]:
    """The uint32[..., 2] words of keys as one integer for each key."""
    return np.ascontiguousarray(words).view(np.uint64).reshape(-1).tolist()


def consume(words: Any, operation: str) -> None:
    """Mark keys as used.

    Raises:
        KeyReuseError: one was used before, or occurs twice.
    """
    keys, source = _used.keys, user_source()
    for value in _values(words):
        if value in keys:
            first, where = keys[value]
            raise KeyReuseError(
                f"{operation} at {format_source(source)} got a random key that {first} had used "
                f"at {format_source(where)}: the two draws are not independent. Use each key "
                "once: key, subkey = fx.random.split(key). Where equal draws are wanted, use "
                "fx.random.clone(key)."
            )
        keys[value] = operation, source
    if len(keys) > _LIMIT:
        for value in list(keys)[: _LIMIT // 2]:
            del keys[value]


def renew(words: Any) -> None:
    """Mark keys as not used."""
    if _used.keys:
        for value in _values(words):
            _used.keys.pop(value, None)
