"""Pytrees come back from files as they were, or with a message that names what differs."""

import math
from typing import NamedTuple

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

import fx
import fx.numpy as jnp
from fx.errors import FileError, FxTypeError, FxValueError
from fx.train import checkpoint


class State(NamedTuple):
    step: object
    params: object
    opt_state: object


def state():
    params = {"dense": {"kernel": jnp.arange(6.0).reshape(2, 3), "bias": jnp.zeros(3)}}
    moments = fx.tree.map(lambda p: p.astype(jnp.bfloat16), params)
    return State(jnp.asarray(4, jnp.int32), params, ((), (moments, None), np.arange(3), 0.5, 7))


def test_round_trip(tmp_path):
    before = state()
    checkpoint.save(tmp_path / "a", before, {"epoch": 3, "losses": [0.1, 1e-17]})
    after = checkpoint.load(tmp_path / "a", state())
    assert fx.tree.structure(after) == fx.tree.structure(before)
    for x, y in zip(fx.tree.leaves(after), fx.tree.leaves(before), strict=True):
        assert type(x) is type(y)
        assert np.asarray(x).dtype == np.asarray(y).dtype
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))
    assert checkpoint.load_metadata(tmp_path / "a") == {"epoch": 3, "losses": [0.1, 1e-17]}


def test_numpy_leaves_come_back_writable(tmp_path):
    checkpoint.save(tmp_path / "a", {"x": np.zeros(3)})
    checkpoint.load(tmp_path / "a", {"x": np.ones(3)})["x"][0] = 1


def test_names_are_key_paths(tmp_path):
    checkpoint.save(tmp_path / "a", state())
    names = set(checkpoint.load(tmp_path / "a"))
    assert {"step", "params.dense.kernel", "opt_state.1.0.dense.bias", "opt_state.3"} <= names


def test_without_a_template_arrays_come_by_name(tmp_path):
    checkpoint.save(tmp_path / "a", {"w": jnp.ones((2, 2), jnp.bfloat16)})
    arrays = checkpoint.load(tmp_path / "a")
    assert list(arrays) == ["w"]
    assert isinstance(arrays["w"], fx.Array) and arrays["w"].dtype == jnp.bfloat16


def test_all_differences_are_named(tmp_path):
    checkpoint.save(
        tmp_path / "a", {"shape": jnp.ones(3), "dtype": jnp.ones(3), "extra": jnp.ones(3)}
    )
    like = {"shape": jnp.ones(4), "dtype": jnp.ones(3, jnp.int32), "lost": jnp.ones(3)}
    with pytest.raises(FileError) as caught:
        checkpoint.load(tmp_path / "a", like)
    message = str(caught.value)
    assert "  extra: not expected" in message
    assert "  lost: missing" in message
    assert "  shape: expected float32 of shape (4,), got float32 of shape (3,)" in message
    assert "  dtype: expected int32 of shape (3,), got float32 of shape (3,)" in message


def test_many_differences_are_cut_short(tmp_path):
    checkpoint.save(tmp_path / "a", {})
    with pytest.raises(FileError, match=r"missing\n  \.\.\."):
        checkpoint.load(tmp_path / "a", [jnp.ones(1)] * 20)


def test_ambiguous_names(tmp_path):
    with pytest.raises(FxValueError, match=r"two leaves are named 'a\.b'"):
        checkpoint.save(tmp_path / "a", {"a.b": jnp.ones(1), "a": {"b": jnp.ones(1)}})


def test_leaves_that_are_no_arrays(tmp_path):
    with pytest.raises(FxTypeError, match=r"at 'a\.0', got str"):
        checkpoint.save(tmp_path / "a", {"a": ["text"]})


def test_a_damaged_file(tmp_path):
    checkpoint.save(tmp_path / "a", state())
    content = bytearray((tmp_path / "a").read_bytes())
    content[-1] ^= 1
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(FileError, match="checksum"):
        checkpoint.load(tmp_path / "a", state())


def test_truncated_and_foreign_files(tmp_path):
    checkpoint.save(tmp_path / "a", state())
    content = (tmp_path / "a").read_bytes()
    for damaged in (b"", content[:7], content[:100], content[:-1], content + b"0", b"GIF89a" * 9):
        (tmp_path / "b").write_bytes(damaged)
        with pytest.raises(FileError, match=r"/b' is damaged or no safetensors file.*another copy"):
            checkpoint.load(tmp_path / "b")
    with pytest.raises(FileError, match=r"cannot read .*nowhere"):
        checkpoint.load(tmp_path / "nowhere")
    with pytest.raises(FileError, match="cannot read"):
        checkpoint.load(tmp_path)


def test_a_failed_save_keeps_the_former_file(tmp_path):
    checkpoint.save(tmp_path / "a", {"x": jnp.ones(2)})
    with pytest.raises(FxTypeError, match=r"'x' has dtype complex128.*real and imag"):
        checkpoint.save(tmp_path / "a", {"x": np.ones(2, np.complex128)})
    with pytest.raises(FileError, match="cannot write"):
        checkpoint.save(tmp_path / "nowhere" / "a", {"x": jnp.ones(2)})
    assert checkpoint.load(tmp_path / "a")["x"].shape == (2,)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8", ">f4", ">i2"]


@pytest.mark.parametrize("dtype", [*DTYPES, ml_dtypes.bfloat16])
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_any_dtype_and_memory_layout(tmp_path, dtype, shape):
    array = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    for laid_out in (array, array.T, array[..., ::-1] if shape else array):
        checkpoint.save(tmp_path / "a", [laid_out])
        (got,) = safetensors.numpy.load_file(tmp_path / "a").values()  # as other programs read it
        (own,) = checkpoint.load(tmp_path / "a", [laid_out])
        for back in (got, own):
            np.testing.assert_array_equal(back, laid_out)
            assert back.dtype == array.dtype.newbyteorder("=")


def test_files_of_other_programs(tmp_path):
    safetensors.numpy.save_file({"w": np.ones((2, 3))}, tmp_path / "a", {"by": "someone"})
    assert checkpoint.load(tmp_path / "a")["w"].shape == (2, 3)
    assert checkpoint.load_metadata(tmp_path / "a") == {}


def test_equal_trees_give_equal_files(tmp_path):
    for name in "abc":
        checkpoint.save(tmp_path / name, state(), {"epoch": 3})
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
