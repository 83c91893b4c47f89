"""The store's folder belongs to one server, on every file system."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from musetalk_fast.errors import UsageError
from musetalk_fast.server.store_directory import store_directory


def _refuse_second(folder: Path) -> None:
    with store_directory(folder, None) as held:
        assert held.path == folder
        with pytest.raises(UsageError, match="another server uses this store folder") as caught:
            _open(folder)
        assert caught.value.where == str(folder)
    _open(folder)


def _open(folder: Path) -> None:
    with store_directory(folder, None):
        pass


def test_a_second_server_is_refused_until_the_first_has_gone(tmp_path: Path) -> None:
    _refuse_second(tmp_path / "new" / "store")


def test_where_a_lock_needs_a_file_open_for_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NFS, where a folder cannot be locked itself."""
    lock = fcntl.flock

    def picky(descriptor: int, operation: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", picky)
    _refuse_second(tmp_path)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(UsageError, match="the store folder cannot be used: File exists"):
        _open(tmp_path / "store")
