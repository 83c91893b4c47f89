"""A server as a child process that dies with its parent: the built-in preview, or another."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import sys
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from musetalk_fast.child_process import STDERR, ChildProcess
from musetalk_fast.errors import MuseTalkError, ServerFailedError, error_class
from musetalk_fast.python_command import python_command
from musetalk_fast.storage import make_temporary_folder
from musetalk_fast.system_limits import limit_error
from musetalk_fast.threads import wait_until_ended

_NAME = "builtin"
"""What messages call it, and `-s` too."""

_ERROR = re.compile(r"error: (.*) \((MTF-[A-Z-]+)\)")
"""The line that every command of ours ends with when it fails."""

_START_SECS = 60.0
LOAD_SECS = 900.0
"""Longest start of an engine with weights: some 4 GB from a slow disk."""

_PREFIX = "listening on "
"""Begins the line that says where."""

_LAST_WORDS_SECS = 1.0
_STOP_SECS = 0.5
_MAX_SOCKET_PATH = 100
"""`sockaddr_un` holds 108 bytes on Linux, 104 on macOS."""


class ServerProcess:
    """Runs `serve` while the context is open; `address` is for `-s`.

    Args:
        engine: the options of `serve` that choose it.
        listen: options of `serve` that say where it listens; none: a private address.
        name: how messages call it.
        start_secs: longest time until it listens.
    """

    def __init__(
        self,
        engine: Sequence[str] = ("--engine", "preview"),
        *,
        listen: Sequence[str] = (),
        name: str = _NAME,
        start_secs: float = _START_SECS,
    ) -> None:
        self.address = ""
        self._engine = engine
        self._listen = listen
        self._name = name
        self._start_secs = start_secs
        self._begun = asyncio.Event()  # it listens, or has ended
        self._child = ChildProcess(self._take_line, on_exit=self._begun.set)
        self._lifeline = -1
        self._runtime_dir: Path | None = None
        self._log: deque[str] = deque(maxlen=20)

    async def __aenter__(self) -> ServerProcess:
        self._runtime_dir = make_temporary_folder()
        try:
            await self._start(self._runtime_dir)
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        try:
            if self._child.is_running:
                await wait_until_ended([asyncio.ensure_future(_stop(self._child))])
        finally:
            self._child.close()
            if self._runtime_dir is not None:
                shutil.rmtree(self._runtime_dir, ignore_errors=True)

    async def _start(self, runtime_dir: Path) -> None:
        if not sys.executable:  # some programs that embed Python have none
            raise self._failed("cannot be started: sys.executable is empty")
        try:
            # The child exits when this pipe closes: the kernel does that even after a kill -9.
            read_end, self._lifeline = os.pipe()
            try:
                await self._child.start(self._command(runtime_dir, read_end), (read_end,))
            finally:
                os.close(read_end)
        except OSError as error:  # EAGAIN: the limit of processes is reached
            failed = self._failed(f"cannot be started: {error.strerror}")
            raise limit_error(error) or failed from error
        try:
            async with asyncio.timeout(self._start_secs):
                await self._until_it_listens()
        except TimeoutError:
            raise self._failed(f"did not listen within {self._start_secs:.0f} s") from None

    def _command(self, runtime_dir: Path, lifeline: int) -> Sequence[str]:
        return (
            *python_command("musetalk_fast.__main__"),
            *("serve", "--no-page", *self._engine, *(self._listen or _listen_at(runtime_dir))),
            *("--runtime-dir", str(runtime_dir), "--lifeline-fd", str(lifeline)),
        )

    async def wait(self) -> None:
        """Return when it has ended."""
        await self._child.exited.wait()

    async def _until_it_listens(self) -> None:
        await self._begun.wait()
        if self.address:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._child.finished.wait(), _LAST_WORDS_SECS)
        raise self._failed(f"ended with status {self._child.status}")

    def _take_line(self, pipe: int, line: str) -> None:
        if pipe == STDERR:
            self._log.append(line)
        elif line.startswith(_PREFIX) and not self.address:
            self.address = line.removeprefix(_PREFIX)
            self._begun.set()

    @property
    def log(self) -> tuple[str, ...]:
        """The last lines that it has written to stderr."""
        return tuple(self._log)

    def _failed(self, what: str) -> MuseTalkError:
        if (said := _last_error(self._log, self._name)) is not None:
            return said
        tail = "; ".join(list(self._log)[-3:])
        hint = "try again; `musetalk-fast doctor` finds out what may be missing"
        return ServerFailedError(
            f"{what}{': ' + tail if tail else ''}", where=self._name, hint=hint
        )


def _last_error(log: Iterable[str], name: str) -> MuseTalkError | None:
    """What the child has said that it ended with: asked again, it would say the same."""
    said: MuseTalkError | None = None
    for line in log:
        if found := _ERROR.fullmatch(line):
            kind = error_class(found[2])
            said = kind(found[1], where=name) if kind is not None else None
        elif said is not None and line.startswith("  hint: "):
            said.hint = line.removeprefix("  hint: ")
    return said


def _listen_at(runtime_dir: Path) -> tuple[str, ...]:
    socket = runtime_dir / "s"
    if len(os.fsencode(socket)) <= _MAX_SOCKET_PATH:
        return ("--unix", str(socket))
    return ("--host", "127.0.0.1", "--port", "0")


async def _stop(child: ChildProcess) -> None:
    try:
        async with asyncio.timeout(_STOP_SECS):
            await child.exited.wait()
    except TimeoutError:
        child.kill()
        await child.exited.wait()
