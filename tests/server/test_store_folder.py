"""The store's folder belongs to one server, on every file system."""

from __future__ import annotations

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


@pytest.mark.usefixtures("locks_as_on_nfs")
def test_where_a_lock_needs_a_file_open_for_writing(tmp_path: Path) -> None:
    """There a folder cannot be locked itself."""
    _refuse_second(tmp_path)


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(UsageError, match="the store folder cannot be used: File exists"):
        _open(tmp_path / "store")
