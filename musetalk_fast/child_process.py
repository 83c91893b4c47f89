"""A program whose outputs are read to their end, whatever it writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

STDOUT = 1
STDERR = 2

_LONGEST_LINE = 1 << 14
"""Of a longer one only the end is kept."""

OnLine = Callable[[int, str], None]
"""Called with `STDOUT` or `STDERR`, and a line that is not empty."""


class ChildProcess(asyncio.SubprocessProtocol):
    """A child that cannot block on its outputs, and whose end is seen even where others hold them.

    `asyncio.create_subprocess_exec` has neither: what nobody reads fills the pipe, a line without
    an end stops who reads lines, and `wait` returns only when the last process that has inherited
    the pipes closes them.

    Args:
        on_exit: called when the process has ended.

    Attributes:
        exited: set when the process has ended.
        finished: set when its outputs have ended as well.
    """

    def __init__(self, on_line: OnLine, on_exit: Callable[[], None]) -> None:
        self.exited = asyncio.Event()
        self.finished = asyncio.Event()
        self._on_line = on_line
        self._on_exit = on_exit
        self._begun = {STDOUT: b"", STDERR: b""}
        self._transport: asyncio.SubprocessTransport | None = None

    async def start(self, command: Sequence[str], pass_fds: Sequence[int]) -> None:
        """Start it, in a session of its own.

        Raises:
            OSError: it cannot be started.
        """
        await asyncio.get_running_loop().subprocess_exec(
            lambda: self,
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=pass_fds,
            start_new_session=True,
        )

    @property
    def status(self) -> int | None:
        """Its exit status; None: it has none, or has not started."""
        return self._transport.get_returncode() if self._transport is not None else None

    @property
    def is_running(self) -> bool:
        """Whether it has started and not ended."""
        return self._transport is not None and not self.exited.is_set()

    def kill(self) -> None:
        """End it at once, unless it has ended."""
        if self._transport is not None:
            with suppress(ProcessLookupError):
                self._transport.kill()

    def close(self) -> None:
        """Close our ends of its outputs."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is about to start."""
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """It has written."""
        *lines, begun = (self._begun[fd] + data).split(b"\n")
        self._begun[fd] = begun[-_LONGEST_LINE:]
        for line in lines:
            self._take(fd, line)

    def pipe_connection_lost(self, fd: int, _exc: Exception | None) -> None:
        """It has closed an output; or we have."""
        self._take(fd, self._begun[fd])
        self._begun[fd] = b""

    def process_exited(self) -> None:
        """It has ended."""
        self.exited.set()
        self._on_exit()

    def connection_lost(self, _exc: Exception | None) -> None:
        """It has ended, and so have its outputs."""
        self.finished.set()

    def _take(self, fd: int, line: bytes) -> None:
        # What a terminal would show: a progress bar writes over what it has written.
        shown = line[-_LONGEST_LINE:].rstrip().rpartition(b"\r")[2]
        if shown:
            self._on_line(fd, shown.decode(errors="replace"))
