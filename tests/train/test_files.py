"""Files are written whole or not at all."""

import os
import stat

import pytest

from fx.errors import FileError
from fx.train.files import replacing


def write(path, content):
    with replacing(path) as file:
        file.write(content)


def test_replaces_a_file(tmp_path):
    write(tmp_path / "a", b"one")
    write(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_the_former_file_and_no_other(tmp_path, error):
    write(tmp_path / "a", b"one")
    with pytest.raises(error), replacing(tmp_path / "a") as file:
        file.write(b"half")
        raise error
    assert (tmp_path / "a").read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
def test_permissions_follow_the_umask(tmp_path):
    former = os.umask(0o027)
    try:
        write(tmp_path / "a", b"")
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_missing_folder(tmp_path):
    with pytest.raises(FileError, match=r"cannot write .*nowhere.*No such file"):
        write(tmp_path / "nowhere" / "a", b"")


def test_a_folder_in_the_place_of_the_file(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(FileError, match="Is a directory"):
        write(tmp_path / "a", b"")
    assert os.listdir(tmp_path) == ["a"]


def test_a_full_disk_is_reported(tmp_path):
    with pytest.raises(FileError, match="No space left"), replacing(tmp_path / "a"):
        raise OSError(28, "No space left on device")
    assert os.listdir(tmp_path) == []
