"""Atomic files and locks: nothing half-written, nothing of another process removed."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from musetalk_fast import errors
from musetalk_fast.storage import (
    AtomicFile,
    FolderLock,
    is_unfinished,
    make_temporary_folder,
    remove_unfinished,
)


def test_what_no_process_writes_is_removed(tmp_path: Path) -> None:
    (tmp_path / "a.mp4.0badcafe.tmp").write_bytes(b"half")
    written = AtomicFile(tmp_path / "b.mp4")
    remove_unfinished(tmp_path)
    assert list(tmp_path.iterdir()) == [written.unfinished]
    written.discard()


@pytest.mark.usefixtures("locks_as_on_nfs")
def test_where_a_lock_needs_a_file_open_for_writing(tmp_path: Path) -> None:
    test_what_no_process_writes_is_removed(tmp_path)


def test_what_is_not_ours_to_write_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.mp4.0badcafe.tmp").write_bytes(b"half")
    theirs = tmp_path / "a.mp4.0badcafe.tmp"
    opened = os.open

    def refused(path: Path, flags: int, *mode: int) -> int:
        if path == theirs and flags & os.O_ACCMODE != os.O_RDONLY:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", refused)
    remove_unfinished(tmp_path)
    assert list(tmp_path.iterdir()) == [theirs]


@pytest.mark.parametrize("beyond", [1, 100, 100_000])
def test_a_full_disk_leaves_nothing(tmp_path: Path, beyond: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    file = AtomicFile(tmp_path / "a")
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(errors.OutputWriteError, match="cannot be written: File too large"):
            file.write(bytes(10_000 + beyond))
        file.discard()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_not_held_once_its_folder_was_replaced(tmp_path: Path) -> None:
    first, second, third = (FolderLock(tmp_path / "folder") for _ in range(3))
    assert first.acquire()
    assert not second.acquire()
    assert first.is_held
    shutil.rmtree(tmp_path / "folder")
    assert not first.is_held
    assert second.acquire()
    first.release()
    assert not third.acquire()
    second.release()
    assert third.acquire()
    third.release()


def test_a_folder_that_cannot_be_locked_leaves_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", broken)
    before = os.dup(0)
    os.close(before)
    with pytest.raises(OSError, match="Input/output error"):
        FolderLock(tmp_path).acquire()
    after = os.dup(0)
    os.close(after)
    assert before == after


def test_writing_at_an_offset_goes_on_at_the_end(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "a")
    file.write(b"....cd")
    file.write_at(0, b"head")
    file.write(b"ef")
    assert file.commit() == 8
    assert (tmp_path / "a").read_bytes() == b"headcdef"


def test_failures_become_the_errors_of_the_caller(tmp_path: Path) -> None:
    @contextmanager
    def error_context(path: Path) -> Iterator[None]:
        try:
            yield
        except OSError:
            raise LookupError(path.name) from None

    with pytest.raises(LookupError, match="a"):
        AtomicFile(tmp_path / "none" / "a", error_context=error_context)
    file = AtomicFile(tmp_path / "b", error_context=error_context)
    file.unfinished.unlink()
    with pytest.raises(LookupError, match="b"):
        file.publish()
    file.discard()


@pytest.mark.parametrize("name", ["\U0001f600" * 60 + ".mp4", "\u0436" * 120 + ".mp4", "o" * 249])
def test_an_unfinished_file_has_a_name_wherever_its_folder_of_parts_has(
    name: str, tmp_path: Path
) -> None:
    """A name has 255 bytes, and `.parts` six of them."""
    assert len(os.fsencode(f"{name}.parts")) <= 255
    file = AtomicFile(tmp_path / name)
    assert is_unfinished(file.unfinished.name)
    file.discard()


def test_only_our_own_unfinished_files_are_removed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("mine")
    (tmp_path / "a.0badcafe.tmp").symlink_to("target")
    os.mkfifo(tmp_path / "b.0badcafe.tmp")
    for name in ("notes.tmp", "c.0BADCAFE.tmp", ".0badcafe.tmp", "d.0badcafe.tmp.txt"):
        (tmp_path / name).write_text("mine")
    before = sorted(tmp_path.iterdir())
    remove_unfinished(tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def test_where_no_temporary_folder_can_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/none", "/proc"])
    with pytest.raises(errors.OutputPlaceError, match="no temporary folder") as caught:
        make_temporary_folder()
    assert "/none" in caught.value.message
    assert "TMPDIR" in str(caught.value.hint)
