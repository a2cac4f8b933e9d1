"""The digits: the bundled split, and MNIST's IDX files with every way they can be damaged."""

import gzip
import struct

import numpy as np
import pytest

from fx.data import load, read_idx
from fx.errors import FileError

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx(array, code=0x08):
    """The bytes of an IDX file."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def folder(tmp_path):
    """A folder with a small MNIST: 20 training and 10 test digits."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 20), ("t10k", 10)):
        images = rng.integers(0, 256, (count, 28, 28), np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(
            idx(np.arange(count).astype("u1") % 10)
        )
    return tmp_path


def test_bundled_split_is_stratified_disjoint_and_always_the_same():
    digits = load()
    assert digits.train_images.shape == (4000, 28, 28, 1)
    assert digits.test_images.shape == (1000, 28, 28, 1)
    assert digits.train_images.dtype == np.float32 and digits.train_labels.dtype == np.int32
    assert np.bincount(digits.train_labels).tolist() == [400] * 10
    assert np.bincount(digits.test_labels).tolist() == [100] * 10
    assert digits.train_images.min() == 0 and digits.train_images.max() == 1
    train = {image.tobytes() for image in digits.train_images}
    assert not train & {image.tobytes() for image in digits.test_images}
    again = load()
    assert all((a == b).all() for a, b in zip(digits, again, strict=True))


def test_training_images_are_not_sorted_by_class():
    assert len(np.unique(load().train_labels[:50])) == 10


def test_reads_a_folder(folder):
    digits = load(folder)
    assert digits.train_images.shape == (20, 28, 28, 1)
    assert digits.test_labels.tolist() == list(range(10))
    raw = read_idx(folder / NAMES[0])
    np.testing.assert_array_equal(digits.train_images[..., 0], raw.astype(np.float32) / 255)


def test_reads_gzipped_files_and_the_other_spelling_of_their_names(folder):
    plain = load(folder)
    for name in NAMES:
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        (folder / f"{name.replace('-idx', '.idx')}.gz").write_bytes(gzip.compress(content))
    assert all((a == b).all() for a, b in zip(plain, load(folder), strict=True))


@pytest.mark.parametrize(
    ("code", "dtype"),
    [(0x08, "u1"), (0x09, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")],
)
def test_read_idx_knows_all_types(tmp_path, code, dtype):
    array = np.arange(6, dtype=dtype).reshape(2, 3)
    (tmp_path / "a").write_bytes(idx(array, code))
    result = read_idx(tmp_path / "a")
    assert result.dtype == np.dtype(dtype) and result.dtype.isnative
    np.testing.assert_array_equal(result, array)


def test_missing_folder(tmp_path):
    with pytest.raises(FileError, match=r"expected a folder .* does not exist"):
        load(tmp_path / "nowhere")


def test_a_file_in_place_of_the_folder(folder):
    with pytest.raises(FileError, match="which is a file"):
        load(folder / NAMES[0])


@pytest.mark.parametrize("name", NAMES)
def test_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FileError, match=f"expected one of {name}"):
        load(folder)


def damage(folder, name, change):
    path = folder / name
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[:-1], "truncated"),
        (lambda b: b[:7], "ends inside its header"),
        (lambda b: b + b"\0", "followed by other bytes"),
        (lambda b: b"\x89PNG" + b[4:], "IDX header .* got 89 50 4e 47"),
        (lambda b: b[:2] + b"\x77" + b[3:], "IDX header"),
        (lambda b: b"", "an empty file"),
        (lambda b: b[:4] + b"\xff" * 12 + b[16:], "truncated"),
        (lambda b: gzip.compress(b)[:-20], "cannot read"),
        (lambda b: gzip.compress(b)[:10] + b"\x99" * 40, "cannot read"),
        (lambda b: b"\x1f\x8b", "cannot read"),
    ],
)
def test_damaged_files_are_refused(folder, change, message):
    damage(folder, NAMES[0], change)
    with pytest.raises(FileError, match=message):
        load(folder)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (NAMES[0], np.zeros((20, 32, 32), "u1"), r"shape \(n, 28, 28\).* got uint8 .*32, 32"),
        (NAMES[0], np.zeros((0, 28, 28), "u1"), "expected 0 uint8 labels"),
        (NAMES[1], np.zeros(19, "u1"), "expected 20 uint8 labels"),
        (NAMES[1], np.full(20, 11, "u1"), "labels from 0 to 9 .* got 11"),
    ],
)
def test_files_that_do_not_fit_are_refused(folder, name, array, message):
    (folder / name).write_bytes(idx(array))
    with pytest.raises(FileError, match=message):
        load(folder)


def test_an_empty_set_is_refused(folder):
    (folder / NAMES[2]).write_bytes(idx(np.zeros((0, 28, 28), "u1")))
    (folder / NAMES[3]).write_bytes(idx(np.zeros(0, "u1")))
    with pytest.raises(FileError, match="at least one image"):
        load(folder)
