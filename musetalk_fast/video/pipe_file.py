"""Standard output as a file for FFmpeg, written from front to end."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Callable

from musetalk_fast.errors import OutputWriteError

_POLL_MS = 200
_ATOMIC = 4096
"""Bytes that a pipe takes without blocking once it says that it is ready (POSIX's PIPE_BUF)."""
_BLOCK = 1 << 20


class PipeFile:
    """Writes to a descriptor, whose reader may be slow, or go; serves one thread.

    Attributes:
        bytes: that were written.
        error: what the first write that failed raised: FFmpeg, which calls us, may lose it.

    Args:
        descriptor: stays open.
        check: called often while the reader is slow; may raise to stop.
    """

    def __init__(self, descriptor: int, check: Callable[[], None] = lambda: None) -> None:
        self.bytes = 0
        self.error: BaseException | None = None
        self._descriptor, self._check = descriptor, check
        self._block = _BLOCK if stat.S_ISREG(os.fstat(descriptor).st_mode) else _ATOMIC
        self._ready, self._alive = select.poll(), select.poll()
        self._ready.register(descriptor, select.POLLOUT)
        self._alive.register(descriptor, 0)

    def write(self, content: bytes) -> int:
        """Write everything.

        Raises:
            BrokenPipeError: the reader has gone.
            errors.OutputWriteError: the disk that the descriptor leads to is full, or fails.
        """
        try:
            self._write_all(memoryview(content))
        except BaseException as error:
            self.error = self.error or error
            raise
        return len(content)

    def check_reader(self) -> None:
        """Find out whether the reader has gone, without writing.

        Raises:
            BrokenPipeError: it has.
        """
        self._check()
        if any(event & select.POLLERR for _, event in self._alive.poll(0)):
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    def _write_all(self, remaining: memoryview) -> None:
        while remaining:
            self._check()
            if self._ready.poll(_POLL_MS):
                remaining = remaining[self._write(remaining[: self._block]) :]

    def _write(self, block: memoryview) -> int:
        try:
            written = os.write(self._descriptor, block)
        except BlockingIOError:
            return 0
        except BrokenPipeError:
            raise
        except OSError as error:
            message = f"cannot be written: {error.strerror or error}"
            raise OutputWriteError(message, where="stdout") from error
        self.bytes += written
        return written
