"""Who records what runs: set by `fx.profiler`, asked by backends once `config.detours` is not 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# At most one function of (name, start and end in ns, notes).
recorders: list[Callable[[str, int, int, dict[str, Any]], None]] = []
