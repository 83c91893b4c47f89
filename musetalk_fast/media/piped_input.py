"""Inputs that come through a pipe: kept in a file first, since they are read more than once."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from musetalk_fast.errors import InputUnreadableError, OutputWriteError, UsageError
from musetalk_fast.media.input_file import read_errors

STANDARD = Path("-")
"""In place of a file: standard input, or standard output."""

_STDIN = 0
_BLOCK = 1 << 20
_MAX_BYTES = 16 << 30
_POLL_MS = 200


def is_piped(path: Path) -> bool:
    """Whether an input can be read only once: standard input, a named pipe, `<(...)` of a shell."""
    if path == STANDARD:
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def keep_piped(
    inputs: Sequence[Path], folder: Path, check: Callable[[], None] = lambda: None
) -> tuple[Path, ...]:
    """The inputs, of which those that are piped are files in a folder now.

    Args:
        folder: of ours, with space for what comes.
        check: called often; may raise to stop.

    Raises:
        errors.UsageError: two of them are standard input, or it is a terminal.
        errors.InputUnreadableError: nothing came, or more than 16 GiB.
        errors.OutputWriteError: the folder has no space for it.
    """
    if sum(path == STANDARD for path in inputs) > 1:
        message = "only one input can come from standard input"
        raise UsageError(message, hint="give the other one as a file, or as <(command)")
    return tuple(
        _kept(path, folder / str(number), check) if is_piped(path) else path
        for number, path in enumerate(inputs)
    )


def _kept(path: Path, folder: Path, check: Callable[[], None]) -> Path:
    folder.mkdir(exist_ok=True)
    copy = folder / ("stdin" if path == STANDARD else path.name)
    size = 0
    with _opened(path) as descriptor, _space(copy), copy.open("wb") as file:
        for block in _blocks(descriptor, path, check):
            size += len(block)
            if size > _MAX_BYTES:
                message = f"more than {_MAX_BYTES >> 30} GiB came through the pipe"
                raise InputUnreadableError(message, where=str(path), hint="give it as a file")
            file.write(block)
    if not size:
        hint = "look at what the program that writes it says"
        raise InputUnreadableError("nothing came through the pipe", where=str(path), hint=hint)
    return copy


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    if path == STANDARD:
        if os.isatty(_STDIN):
            hint = "pipe a file or a program into it: ... | musetalk-fast ... -a -"
            raise UsageError("standard input is a terminal", hint=hint)
        yield _STDIN
        return
    with read_errors(path):
        # Not blocking: a pipe that nobody writes to would hold us in the call.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _blocks(descriptor: int, path: Path, check: Callable[[], None]) -> Iterator[bytes]:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while True:
        check()
        if not poll.poll(_POLL_MS):
            continue
        with read_errors(path):
            try:
                block = os.read(descriptor, _BLOCK)
            except BlockingIOError:
                continue
        if not block:
            return
        yield block


@contextmanager
def _space(copy: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"what comes through the pipe cannot be kept: {error.strerror or error}"
        hint = "set TMPDIR to a folder with more space"
        raise OutputWriteError(message, where=str(copy.parent), hint=hint) from error
