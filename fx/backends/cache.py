"""Object code on disk, so that the next process need not compile it again.

A file for each kernel, named by a digest of what determines its code: the kernel's text, the
processor with its features, the versions of LLVM and llvmlite, and `engine.PIPELINE`. A file is
written beside its place and renamed, so a reader never sees half of one; it begins with a checksum
of its name and contents, so a damaged one is ignored and written anew. What was not used for
longest goes once the files take more than a limit. A directory that cannot be read or written is
as good as an empty one.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import threading
import time
from typing import Any

from fx.config import config

_MAGIC = b"fx-obj1\n"
_CHECK = 32  # bytes of the checksum
_BLOCK = 4096  # what a file takes is a multiple of this
_STALE = 3600.0  # seconds after which an unfinished file was abandoned
_TOUCH = 600.0  # seconds after which a use is noted again


def default_directory() -> str | None:
    """`config.compilation_cache_dir`, else `$FX_CACHE_DIR`, else fx's directory among the user's
    caches; None where there is no home."""
    chosen = config.compilation_cache_dir or os.environ.get("FX_CACHE_DIR")
    if chosen:
        return os.path.expanduser(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "fx") if os.path.isabs(base) else None


class DiskCache:
    """Bytes by digest in one directory, at most about `limit` bytes of them."""

    def __init__(self, directory: str, limit: int):
        self.directory = directory
        self.limit = limit
        self.writable = True
        self._numbers = itertools.count()

    def _path(self, key: str) -> str:
        return os.path.join(self.directory, key)

    def get(self, key: str) -> bytes | None:
        """What was put under a key, or None if it is not there or damaged."""
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                info = os.fstat(file.fileno())
                if not _own(info):
                    return None  # code that someone else could have written is not run
                data = file.read()
        except OSError:
            return None
        head = len(_MAGIC) + _CHECK
        body = data[head:]
        if data[:head] != _MAGIC + _checksum(key, body):
            return None
        if time.time() - info.st_mtime > _TOUCH:
            with contextlib.suppress(OSError):
                os.utime(path)
        return body

    def put(self, key: str, body: bytes) -> None:
        """Keep bytes under a key, if the directory can be written."""
        if not self.writable:
            return
        number = f"{os.getpid()}-{threading.get_ident()}-{next(self._numbers)}"
        temporary = self._path(f".{key}-{number}")
        try:
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            try:
                with open(temporary, "xb") as file:
                    file.write(_MAGIC + _checksum(key, body) + body)
                os.replace(temporary, self._path(key))
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
        except OSError:
            self.writable = False  # a full disk, or one that cannot be written: not asked again
            return
        if int(key[:2], 16) < 4:  # after one file in 64, whoever writes it
            self.trim()

    def trim(self) -> None:
        """Remove what was not used for longest, down to three quarters of the limit."""
        files, total, now = [], 0, time.time()
        try:
            with os.scandir(self.directory) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        info = entry.stat(follow_symlinks=False)
                        if entry.name.startswith("."):
                            if now - info.st_mtime > _STALE:
                                os.unlink(entry.path)
                            continue
                        size = -(-info.st_size // _BLOCK) * _BLOCK
                        files.append((info.st_mtime, size, entry.path))
                        total += size
        except OSError:
            return
        if total <= self.limit:
            return
        for _, size, path in sorted(files):
            if total <= self.limit * 3 // 4:
                return
            with contextlib.suppress(OSError):
                os.unlink(path)
                total -= size


def _own(info: os.stat_result) -> bool:
    """Whether a file is this user's, or the administrator's."""
    return not hasattr(os, "geteuid") or info.st_uid in (0, os.geteuid())


def _checksum(key: str, body: bytes) -> bytes:
    return hashlib.blake2b(key.encode() + body, digest_size=_CHECK).digest()


_open: dict[Any, DiskCache] = {}


def disk_cache() -> DiskCache | None:
    """The cache that the options name, or None if it is off."""
    if not config.enable_compilation_cache:
        return None
    directory = default_directory()
    if directory is None:
        return None
    at = directory, config.compilation_cache_max_size
    if at not in _open:
        _open[at] = DiskCache(*at)
    return _open[at]
