"""What comes through a pipe is kept in a file: whole, bounded, and not waited for for ever."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from musetalk_fast.errors import InputUnreadableError, OutputWriteError, UsageError
from musetalk_fast.media import piped_input
from musetalk_fast.media.piped_input import STANDARD, is_piped, keep_piped


@contextmanager
def _piped(content: bytes) -> Iterator[Path]:
    """As a shell's `<(...)`: the content comes while it is read."""
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as file:
            file.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield Path(f"/dev/fd/{reader}")
    finally:
        os.close(reader)
        thread.join()


def test_pipes_become_files_and_files_stay(tmp_path: Path) -> None:
    content, file = os.urandom(300_000), tmp_path / "a.wav"
    file.write_bytes(b"sound")
    os.mkfifo(tmp_path / "f.png")
    assert [is_piped(path) for path in (STANDARD, tmp_path / "f.png", file, tmp_path / "no")] == [
        *(True, True, False, False)
    ]
    with _piped(content) as path:
        assert is_piped(path)
        kept, same = keep_piped((path, file), tmp_path)
    assert (kept.read_bytes(), same) == (content, file)
    assert kept.is_relative_to(tmp_path)


def test_a_named_pipe_is_waited_for_and_the_wait_can_be_stopped(tmp_path: Path) -> None:
    fifo = tmp_path / "f.wav"
    os.mkfifo(fifo)
    late = threading.Timer(0.05, fifo.write_bytes, [b"sound"])
    late.start()
    (kept,) = keep_piped((fifo,), tmp_path)
    late.join()
    assert (kept.name, kept.read_bytes()) == ("f.wav", b"sound")

    def stop() -> None:
        raise KeyboardInterrupt

    (tmp_path / "other").mkdir()
    with pytest.raises(KeyboardInterrupt):
        keep_piped((fifo,), tmp_path / "other", stop)


def test_what_does_not_come_or_does_not_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, (content, said) in enumerate(((b"", "nothing came"), (b"x" * 9, "more than"))):
        monkeypatch.setattr(piped_input, "_MAX_BYTES", 8)
        folder = tmp_path / str(number)
        folder.mkdir()
        with _piped(content) as path, pytest.raises(InputUnreadableError, match=said) as caught:
            keep_piped((path,), folder)
        assert caught.value.where == str(path)
    with pytest.raises(UsageError, match="only one input"):
        keep_piped((STANDARD, STANDARD), tmp_path)


def test_a_full_disk_says_where_there_could_be_space(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    (tmp_path / "0").mkdir()
    with _piped(b"x") as path:
        (tmp_path / "0" / path.name).symlink_to("/dev/full")
        with pytest.raises(OutputWriteError, match="cannot be kept: No space") as caught:
            keep_piped((path,), tmp_path)
    assert "TMPDIR" in str(caught.value.hint)
