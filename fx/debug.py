"""Looking inside transformed functions: `fx.debug.print`, `fx.debug.callback`."""

from fx.calls.callback import debug_callback as callback
from fx.calls.callback import debug_print as print

__all__ = ["callback", "print"]
