"""Pytrees come back from files as they were, or with a message that names what differs."""

from typing import NamedTuple

import numpy as np
import pytest

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
