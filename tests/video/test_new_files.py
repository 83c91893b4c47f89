"""Unfinished files: those that a crash left go, those that somebody writes or owns stay."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from musetalk_fast.video.files import NewFile, remove_unfinished


def test_what_nobody_writes_goes(tmp_path: Path) -> None:
    (tmp_path / "a.mp4.0badcafe.tmp").write_bytes(b"half")
    written = NewFile(tmp_path / "b.mp4")
    remove_unfinished(tmp_path)
    assert list(tmp_path.iterdir()) == [written.unfinished]
    written.discard()


def test_where_a_lock_needs_a_file_open_for_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NFS, which makes another kind of lock of it."""
    lock = fcntl.flock

    def picky(descriptor: int, operation: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", picky)
    test_what_nobody_writes_goes(tmp_path)


def test_what_is_not_ours_to_write_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.mp4.0badcafe.tmp").write_bytes(b"half")
    theirs = tmp_path / "a.mp4.0badcafe.tmp"
    opened = Path.open

    def refused(path: Path, mode: str = "r", **options: Any) -> Any:
        if path == theirs and mode != "rb":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, mode, **options)

    monkeypatch.setattr(Path, "open", refused)
    remove_unfinished(tmp_path)
    assert list(tmp_path.iterdir()) == [theirs]
