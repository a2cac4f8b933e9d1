"""Property tests of programs that use fx: hypothesis strategies, and checks of derivatives."""

from fx.testing.program import Program, programs

__all__ = ["Program", "programs"]
