"""The server's end of a worker process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from numpy.typing import NDArray

from musetalk_fast import errors
from musetalk_fast.engines.musetalk.compute import ComputeInfo, ComputeOptions
from musetalk_fast.engines.musetalk.worker_messages import receive, send

_MODULE = "musetalk_fast.engines.musetalk.worker_process"
_END_SECS = 2.0
"""For a worker to end by itself; one inside a long call is killed."""


class Worker:
    """A process that computes. It begins to load at once; it ends with this process.

    Args:
        name: of what it runs on, for messages.
        options: how the networks are loaded.
        environment: variables that it has beside ours.

    Attributes:
        memory: of its GPU, in use and in all, after its last work; None: not known, or no GPU.
    """

    def __init__(self, name: str, options: ComputeOptions, environment: Mapping[str, str]) -> None:
        self.name = name
        self.memory: tuple[int, int] | None = None
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", _MODULE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
            )
        self._socket = ours
        self._connection = Connection(os.dup(ours.fileno()))
        self._busy = threading.Lock()
        with suppress(OSError):  # it has ended already: `wait` says so
            send(self._connection, {**asdict(options), "models": str(options.models)})

    def wait(self) -> ComputeInfo:
        """Wait until it is loaded.

        Raises:
            errors.MuseTalkError: what it raised.
            errors.WorkerError: it ended, or could not start.
        """
        with self._busy:
            try:
                head, _ = receive(self._connection)
            except (EOFError, OSError) as error:
                raise self._gone() from error
        if "error" in head:
            raise _raised(*head["error"])
        return ComputeInfo(**head["info"])

    def do(self, work: str, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Have one of the works of `Compute` done.

        Raises:
            errors.MuseTalkError: what it raised.
            errors.WorkerError: it ended.
            RuntimeError: it raised something else.
        """
        with self._busy:
            try:
                send(self._connection, {"work": work}, arrays)
                head, found = receive(self._connection)
            except BaseException as error:
                # An answer that was not read would be taken for that of the next work.
                self.shut()
                if isinstance(error, (EOFError, OSError)):
                    raise self._gone() from error
                raise
        if "error" in head:
            raise _raised(*head["error"])
        if head["memory"]:
            used, total = head["memory"][0]
            self.memory = (used, total)
        return found[0]

    def shut(self) -> None:
        """Have the process end by itself, once it is at no work; who waits for it has an error."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the process; who waits for it has an error."""
        self.shut()
        try:
            self._process.wait(_END_SECS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._busy:
            self._socket.close()
            self._connection.close()

    def _gone(self) -> errors.WorkerError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECS)
        code = self._process.returncode
        return errors.WorkerError(f"the process that computes on {self.name} ended: code {code}")


def _raised(name: str, message: str, where: str | None, hint: str | None) -> Exception:
    kind = getattr(errors, name, None) if name else None
    if isinstance(kind, type) and issubclass(kind, errors.MuseTalkError):
        return kind(message, where=where, hint=hint)
    return RuntimeError(f"in a worker: {message}")
