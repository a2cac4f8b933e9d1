"""Checkpoints and the names that their policies refer to, as in `jax.ad_checkpoint`."""

from fx.calls.checkpoint import checkpoint, checkpoint_name, checkpoint_policies

__all__ = ["checkpoint", "checkpoint_name", "checkpoint_policies"]
