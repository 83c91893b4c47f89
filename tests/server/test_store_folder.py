"""The store's folder belongs to one server, on every file system."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest
from file_limit import no_more_files

from musetalk_fast.errors import FileLimitError, UsageError
from musetalk_fast.server.store import AssetStore
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


@pytest.mark.usefixtures("locks_as_on_nfs")
def test_where_a_lock_needs_a_file_open_for_writing(tmp_path: Path) -> None:
    """There a folder cannot be locked itself."""
    _refuse_second(tmp_path)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(UsageError, match="the store folder cannot be used: File exists"):
        _open(tmp_path / "store")


@pytest.mark.parametrize(
    ("place", "reason"),
    [("/proc/foo/bar", "No such file or directory"), ("n" * 300, "File name too long")],
)
def test_a_folder_that_cannot_be_made(tmp_path: Path, place: str, reason: str) -> None:
    with pytest.raises(UsageError, match=f"the store folder cannot be used: {reason}") as caught:
        _open(tmp_path / place)
    assert caught.value.where == str(tmp_path / place)


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_folder: Path) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UsageError, match="the store folder cannot be used: Permission denied"):
        AssetStore(tmp_path, budget=1 << 20, longest=1 << 20)


def test_no_more_files(tmp_path: Path) -> None:
    with no_more_files(), pytest.raises(FileLimitError):
        _open(tmp_path)


def test_what_a_server_fails_with_is_not_the_folders_fault(tmp_path: Path) -> None:
    with pytest.raises(PermissionError, match="weights"), store_directory(tmp_path, None):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "weights")
