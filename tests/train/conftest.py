"""A small set of real digits, in memory and as a folder of IDX files."""

import struct

import numpy as np
import pytest

from fx.data import Digits, load


@pytest.fixture(scope="session")
def digits():
    """64 digits to train, 30 to test."""
    whole = load()
    return Digits(*(part[:size] for part, size in zip(whole, (64, 64, 30, 30), strict=True)))


@pytest.fixture(scope="session")
def idx_folder(tmp_path_factory):
    """320 digits to train, 100 to test, as MNIST's four files."""
    folder, whole = tmp_path_factory.mktemp("idx"), load()
    for part, images, labels, count in (
        ("train", whole.train_images, whole.train_labels, 320),
        ("t10k", whole.test_images, whole.test_labels, 100),
    ):
        pixels = np.rint(255 * images[:count, ..., 0]).astype(np.uint8)
        header = struct.pack(">BBBB3I", 0, 0, 8, 3, *pixels.shape)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        header = struct.pack(">BBBBI", 0, 0, 8, 1, count)
        numbers = labels[:count].astype(np.uint8).tobytes()
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(header + numbers)
    return folder
