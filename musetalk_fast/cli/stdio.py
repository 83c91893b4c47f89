"""Standard input, output and error: always open, and never the reason that a render fails."""

from __future__ import annotations

import io
import os
import select
import sys
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TextIO

    from _typeshed import ReadableBuffer

STDOUT = "stdout"
"""The file name of an `OSError` of it, so that whoever meets one knows what it is of."""

_NAMES_AS_ESCAPES = "backslashreplace"
"""What becomes of letters that the encoding of a terminal or of a log lacks: never an error."""


def prepare_standard_files() -> None:
    """Open the standard files that our parent has closed, and make the other ones forgiving.

    To be called before anything else is opened: a socket or a part whose number is 0, 1 or 2 would
    get what is printed, and libuv aborts the process on it.
    """
    for descriptor in range(3):
        _open_if_closed(descriptor)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - open while we run
    sys.stdout = _text(_Named(1, "w", closefd=False), sys.stdout)
    sys.stderr = _text(_Forgiving(2, "w", closefd=False), sys.stderr)


@contextmanager
def stdout_for_the_video() -> Iterator[int]:
    """What stdout leads to, for a video; what is printed from now on goes to stderr.

    Raises:
        errors.UsageError: it is a terminal.
    """
    if os.isatty(1):
        from musetalk_fast.errors import UsageError

        hint = "pipe it into a program: musetalk-fast ... -o - | ffplay -; or name a file"
        raise UsageError("a video is nothing for a terminal", where="stdout", hint=hint)
    sys.stdout.flush()
    descriptor = os.dup(1)  # which children do not inherit: the reader sees the end when we end
    os.dup2(2, 1)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class _Patient(io.FileIO):
    """Waits until it can write: a parent may have made our file non-blocking."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some of the data; how much."""
        while (written := super().write(data)) is None:
            select.select((), (self,), ())
        return written


class _Named(_Patient):
    """Says in an error that it is stdout that cannot be written."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some of the data; how much."""
        try:
            return super().write(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, STDOUT) from None


class _Forgiving(_Patient):
    """Drops what cannot be written: the reader has gone, the terminal has, or the disk is full."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some of the data, or drop all of it."""
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def _text(raw: io.FileIO, before: TextIO | None) -> io.TextIOWrapper:
    """A text file with the encoding that Python had chosen."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(before, "encoding", None),
        errors=_NAMES_AS_ESCAPES,
        line_buffering=raw.fileno() == 2 or raw.isatty(),
    )


def _open_if_closed(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
        os.set_inheritable(descriptor, True)  # noqa: FBT003
