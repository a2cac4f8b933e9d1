"""Handwritten digits: the 5,000 that ship with fx, or a folder with MNIST's four IDX files."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fx.errors import FileError

_BUNDLED = Path(__file__).with_name("mnist_5k.npz")
_CLASSES = 10
_TEST_PER_CLASS = 100
_SPLIT_SEED = (
    20_240_817  # part of the data set's definition: results are comparable across versions
)

# The third byte of an IDX file names the type of its elements, all big-endian.
_IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class Digits(NamedTuple):
    """Images float32 (n, 28, 28, 1) with values from 0 to 1, and labels int32 (n,) from 0 to 9."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load(folder: str | Path | None = None) -> Digits:
    """Loads the digits that ship with fx, or MNIST's IDX files from `folder`.

    The bundled 5,000 are split into 4,000 for training and 1,000 for testing, each class equally
    frequent in both, always in the same way.

    Args:
        folder: holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
            `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, plain or gzipped (`.gz`).

    Raises:
        FileError: a file is missing, damaged, or does not hold 28×28 images and their labels.

    >>> digits = load()
    >>> digits.train_images.shape, digits.test_images.shape
    ((4000, 28, 28, 1), (1000, 28, 28, 1))
    """
    if folder is not None:
        train = _read_pair(Path(folder), "train")
        test = _read_pair(Path(folder), "t10k")
        return Digits(*_prepare(*train), *_prepare(*test))
    with np.load(_BUNDLED) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    rng = np.random.default_rng(_SPLIT_SEED)
    is_test = np.zeros(len(labels), bool)
    for digit in range(_CLASSES):
        is_test[rng.permutation(np.flatnonzero(labels == digit))[:_TEST_PER_CLASS]] = True
    train = _prepare(images[~is_test], labels[~is_test])
    return Digits(*train, *_prepare(images[is_test], labels[is_test]))


def _prepare(images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return images[..., None].astype(np.float32) / np.float32(255), labels.astype(np.int32)


def _read_pair(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of one part ("train" or "t10k"), checked against each other."""
    images_path = _find(folder, f"{part}-images", "idx3-ubyte")
    labels_path = _find(folder, f"{part}-labels", "idx1-ubyte")
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.shape[1:] != (28, 28):
        raise FileError(
            f"load: expected uint8 images of shape (n, 28, 28) in {images_path}, got "
            f"{images.dtype} of shape {images.shape}; fx trains on MNIST's own format"
        )
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise FileError(
            f"load: expected {len(images)} uint8 labels in {labels_path}, one for each image of "
            f"{images_path.name}, got {labels.dtype} of shape {labels.shape}; take both files from "
            "the same distribution"
        )
    if len(images) == 0:
        raise FileError(f"load: expected at least one image in {images_path}, got none")
    if labels.max() >= _CLASSES:
        raise FileError(
            f"load: expected labels from 0 to {_CLASSES - 1} in {labels_path}, got "
            f"{labels.max()}; sets with more classes (EMNIST letters) are not supported"
        )
    return images, labels


def _find(folder: Path, stem: str, kind: str) -> Path:
    """The IDX file of that name; distributions differ in `-idx3-ubyte`, `.idx3-ubyte` and `.gz`."""
    if not folder.is_dir():
        raise FileError(
            f"load: expected a folder with MNIST's IDX files, got {str(folder)!r}, which "
            + ("is a file" if folder.exists() else "does not exist")
        )
    names = [f"{stem}{mark}{kind}{end}" for mark in "-." for end in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileError(f"load: expected one of {', '.join(names)} in {str(folder)!r}, found none")


def read_idx(path: str | Path) -> np.ndarray:
    """Reads one IDX file, plain or gzipped, into an array in native byte order.

    The format is the one described by LeCun, Cortes and Burges with the MNIST database: two zero
    bytes, a type code, the number of dimensions, each dimension as a big-endian uint32, the data.

    Raises:
        FileError: the file cannot be read, is no IDX file, or has more or fewer bytes than its
            header says.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(
            f"read_idx: cannot read {str(path)!r}: {error or 'it ends early'}"
        ) from error

    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_TYPES:
        raise FileError(
            f"read_idx: expected {str(path)!r} to begin with an IDX header (two zero bytes, a type "
            f"code, the number of dimensions), got {content[:4].hex(' ') or 'an empty file'}"
        )
    dtype, rank = np.dtype(_IDX_TYPES[content[2]]), content[3]
    start = 4 + 4 * rank
    if len(content) < start:
        raise FileError(
            f"read_idx: {str(path)!r} ends inside its header: expected {start} bytes for "
            f"{rank} dimensions, got {len(content)}"
        )
    shape = struct.unpack_from(f">{rank}I", content, 4)
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        state = "truncated" if len(content) < expected else "followed by other bytes"
        raise FileError(
            f"read_idx: {str(path)!r} is {state}: its header promises {expected} bytes for shape "
            f"{shape}, got {len(content)}; copy or download the file again"
        )
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))
