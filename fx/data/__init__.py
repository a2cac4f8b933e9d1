"""Data for training: the digits that ship with fx, augmentation, and a prefetching batch loader."""

from fx.data.augment import Augment as Augment
from fx.data.loader import batches as batches
from fx.data.mnist import Digits as Digits
from fx.data.mnist import load as load
from fx.data.mnist import read_idx as read_idx

__all__ = ["Augment", "Digits", "batches", "load", "read_idx"]
