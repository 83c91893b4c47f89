"""The server's side of a worker process."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any

from numpy.typing import NDArray

from musetalk_fast import errors
from musetalk_fast.engines.musetalk.compute import ComputeInfo, ComputeOptions
from musetalk_fast.engines.musetalk.worker_messages import receive, send
from musetalk_fast.python_command import python_command

_LOG = logging.getLogger(__name__)
_MODULE = "musetalk_fast.engines.musetalk.worker_process"
_END_SECS = 2.0
"""For a worker to end by itself; one inside a long call is killed."""
_KILLED_SECS = 10.0
"""For a killed one to be gone: a GPU's driver may keep it, and nobody can wait for that."""


class Worker:
    """A process that computes. It begins to load at once; it ends with this process.

    Args:
        name: of what it runs on, for messages.
        options: how the networks are loaded.
        environment: variables that it has beside ours.

    Attributes:
        memory: of its GPU, in use and in all, after its last work; None: not known, or no GPU.
        call_secs: what its slowest work takes, once it is loaded and warm.
    """

    def __init__(self, name: str, options: ComputeOptions, environment: Mapping[str, str]) -> None:
        self.name = name
        self.memory: tuple[int, int] | None = None
        self.call_secs = 0.0
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [*python_command(_MODULE), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **environment},
            )
        self._socket = ours
        self._connection = Connection(os.dup(ours.fileno()))
        self._busy = threading.Lock()
        self._is_stuck = False
        with suppress(OSError):  # it has ended already: `wait` says so
            send(self._connection, {**asdict(options), "models": str(options.models)})

    def wait(self, limit: float | None = None) -> ComputeInfo:
        """Wait until it is loaded.

        Args:
            limit: seconds; None: as long as it takes.

        Raises:
            errors.MuseTalkError: what it raised.
            errors.WorkerEndedError: it ended, or could not start.
            errors.WorkerStuckError: it was not loaded in time, and was ended.
        """
        with self._answered_within(limit, "load"):
            head, _ = receive(self._connection)
        if "error" in head:
            raise _raised(*head["error"])
        self.call_secs = head["call_secs"]
        return ComputeInfo(**head["info"])

    def do(self, work: str, arrays: Sequence[NDArray[Any]], limit: float) -> NDArray[Any]:
        """Have one of the works of `Compute` done.

        Args:
            limit: seconds.

        Raises:
            errors.MuseTalkError: what it raised.
            errors.WorkerEndedError: it ended.
            errors.WorkerStuckError: it did not return in time, and was ended.
            RuntimeError: it raised something else.
        """
        with self._answered_within(limit, work):
            send(self._connection, {"work": work}, arrays)
            head, found = receive(self._connection)
        if "error" in head:
            raise _raised(*head["error"])
        if head["memory"]:
            used, total = head["memory"][0]
            self.memory = (used, total)
        return found[0]

    @contextmanager
    def _answered_within(self, limit: float | None, what: str) -> Iterator[None]:
        """The worker's time for an answer; whatever goes wrong meanwhile ends it.

        An answer that was not read would be taken for that of the next work.
        """
        watch = threading.Timer(limit or 0, self._end_stuck)
        watch.daemon = True
        with self._busy:
            if limit is not None:
                watch.start()
            try:
                yield
            except BaseException as error:
                self.shut()
                if isinstance(error, (EOFError, OSError)):
                    raise self._gone(what, limit) from error
                raise
            finally:
                watch.cancel()

    def _end_stuck(self) -> None:
        self._is_stuck = True
        self._process.kill()
        self.shut()  # a process that its driver keeps leaves its end open

    def shut(self) -> None:
        """Have the process end by itself, at once; who waits for it has an error."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the process; who waits for it has an error."""
        self.shut()
        try:
            self._process.wait(_END_SECS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            try:
                self._process.wait(_KILLED_SECS)
            except subprocess.TimeoutExpired:
                _LOG.error("process %d of %s does not end", self._process.pid, self.name)
        with self._busy:
            self._socket.close()
            self._connection.close()

    def _gone(self, what: str, limit: float | None) -> errors.WorkerError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECS)
        if self._is_stuck:
            return errors.WorkerStuckError(
                f"`{what}` did not return in {limit:g} s: its process was ended", where=self.name
            )
        code = self._process.returncode
        return errors.WorkerEndedError(
            f"the process that computes ended: code {code}", where=self.name
        )


def _raised(name: str, message: str, where: str | None, hint: str | None) -> Exception:
    kind = getattr(errors, name, None) if name else None
    if isinstance(kind, type) and issubclass(kind, errors.MuseTalkError):
        return kind(message, where=where, hint=hint)
    return RuntimeError(f"in a worker: {message}")
