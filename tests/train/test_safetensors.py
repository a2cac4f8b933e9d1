"""The safetensors format: agrees with the reference implementation, and notices all damage."""

import contextlib
import json
import struct

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy as reference
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fx.errors import FileError, FxTypeError
from fx.train.safetensors import read, write

DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8"]
NAMES = st.text(min_size=1).filter(lambda name: name != "__metadata__")
# The reference reads whole files as text keys; a lone surrogate is no UTF-8.
NAMES = NAMES.filter(lambda name: name.encode("utf8", "replace").decode("utf8") == name)


def arrays():
    shapes = hnp.array_shapes(min_dims=0, min_side=0, max_side=4)
    return st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, shapes))


def assert_same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].dtype == right[name].dtype and left[name].shape == right[name].shape
        assert left[name].tobytes() == right[name].tobytes()


@given(tree=st.dictionaries(NAMES, arrays(), max_size=4), note=st.text())
def test_round_trip_and_the_reference_agree(tmp_path_factory, tree, note):
    path = tmp_path_factory.mktemp("st") / "a.safetensors"
    note = note.encode("utf8", "replace").decode("utf8")
    write(path, tree, {"note": note})
    got, metadata = read(path)
    assert_same(got, tree)
    assert metadata == {"note": note}
    assert_same(reference.load_file(path), tree)
    reference.save_file({k: np.asarray(v, order="C") for k, v in tree.items()}, path)
    assert_same(read(path)[0], tree)


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_small_floats(tmp_path, dtype):
    array = np.arange(6).reshape(2, 3).astype(getattr(ml_dtypes, dtype))
    write(tmp_path / "a", {"x": array})
    assert_same(read(tmp_path / "a")[0], {"x": array})


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4)[:, ::2],
        np.arange(12.0).reshape(3, 4).T,
        np.arange(3, dtype=">f4"),
        np.arange(3, dtype=">i8"),
    ],
)
def test_any_memory_layout(tmp_path, array):
    write(tmp_path / "a", {"x": array})
    np.testing.assert_array_equal(read(tmp_path / "a")[0]["x"], array)
    np.testing.assert_array_equal(reference.load_file(tmp_path / "a")["x"], array)


@pytest.mark.parametrize("array", [np.zeros(2, "c16"), np.array(["text"]), np.array([None])])
def test_dtypes_that_the_format_lacks(tmp_path, array):
    with pytest.raises(FxTypeError, match=f"'x' has dtype {array.dtype}"):
        write(tmp_path / "a", {"x": array})
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def content(tmp_path):
    write(tmp_path / "good", {"x": np.arange(4.0), "y": np.arange(3)})
    return (tmp_path / "good").read_bytes()


def test_every_cut_is_noticed(tmp_path, content):
    for size in range(len(content)):
        (tmp_path / "cut").write_bytes(content[:size])
        with pytest.raises(FileError, match="damaged"):
            read(tmp_path / "cut")
    (tmp_path / "cut").write_bytes(content + b"\0")
    with pytest.raises(FileError, match="damaged"):
        read(tmp_path / "cut")


def test_every_flipped_bit_of_the_arrays_is_noticed(tmp_path, content):
    start = 8 + struct.unpack_from("<Q", content)[0]
    for bit in range(8 * start, 8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / "flipped").write_bytes(flipped)
        with pytest.raises(FileError, match="checksum"):
            read(tmp_path / "flipped")


@given(position=st.integers(0, 200), byte=st.integers(0, 255))
def test_a_changed_header_never_gives_another_error(tmp_path_factory, position, byte):
    path = tmp_path_factory.mktemp("st") / "a"
    write(path, {"x": np.arange(4.0), "y": np.arange(3)})
    changed = bytearray(path.read_bytes())
    changed[position % len(changed)] = byte
    path.write_bytes(changed)
    with contextlib.suppress(FileError):
        read(path)  # a harmless change (a letter of a name) may pass


def entry(dtype="F32", shape=(2,), data_offsets=(0, 8)):
    return {"dtype": dtype, "shape": shape, "data_offsets": data_offsets}


@pytest.mark.parametrize(
    "header",
    [
        {"x": entry(shape=(3,))},
        {"x": entry(shape=(-2,))},
        {"x": entry(shape=(2.0,))},
        {"x": entry(dtype="F31")},
        {"x": entry(data_offsets=(0, 4))},
        {"x": entry(data_offsets=(4, 12))},
        {"x": entry(data_offsets=(0,))},
        {"x": entry(), "y": entry()},
        {"x": {"dtype": "F32"}},
        {"x": 3},
        [],
    ],
)
def test_headers_that_make_no_sense(tmp_path, header):
    encoded = json.dumps(header).encode()
    content = struct.pack("<Q", len(encoded)) + encoded + b"\0" * 8
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(FileError, match="damaged or no safetensors file"):
        read(tmp_path / "a")


def test_a_missing_file(tmp_path):
    with pytest.raises(FileError, match=r"cannot read .*No such file"):
        read(tmp_path / "nothing")
