"""Runs the long part of a command so that a signal stops it within a second."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from musetalk_fast.cli.immediate_exit import SIGNALS, stop_at_once

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path
    from types import FrameType

T = TypeVar("T")

_Handler: TypeAlias = "Callable[[int, FrameType | None], Any] | int | signal.Handlers | None"

_GRACE_SECS = 0.8
"""For cleaning up: a render takes its unfinished files away in this time."""

_GENTLE_SECS = 0.2
"""For a thread to end by itself; then, between two interruptions, to clean up."""


class Stopped(BaseException):
    """A signal asked us to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def unwind_on_signals() -> None:
    """Have SIGINT and SIGTERM unwind the program, so that what it opened is cleaned up.

    For a command that leaves files behind and does not `run`, once its imports are done.
    """

    def stop(number: int, _frame: object) -> None:
        raise Stopped(number)

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


@contextmanager
def removed_on_signals() -> Iterator[Path]:
    """A temporary folder that a signal does not leave behind, wherever it meets the command.

    Outside of `run` a signal ends the process at once; the folder is removed first. Not by
    unwinding: what is raised amid an import can get lost.

    Raises:
        errors.OutputPlaceError: as `storage.temporary_folder`.
    """
    import shutil

    from musetalk_fast.storage import temporary_folder

    before = _handlers()

    def stop(number: int, frame: FrameType | None) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        outer = before[number]
        if callable(outer):  # it may have a folder, too
            outer(number, frame)
        stop_at_once(number)

    try:
        with ExitStack() as stack:
            with _signals_later():
                folder = stack.enter_context(temporary_folder())
                for number, handler in before.items():
                    if handler is not signal.SIG_IGN:
                        signal.signal(number, stop)
            yield folder
    finally:
        _restore(before)


@contextmanager
def _signals_later() -> Iterator[None]:
    """Signals come when the context is left."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _handlers() -> dict[int, _Handler]:
    return {number: signal.getsignal(number) for number in SIGNALS}


def _restore(handlers: dict[int, _Handler]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def start_quickly() -> None:
    """Disable the garbage collector until `run`: it would scan imported modules for nothing.

    A tenth of the time that a render takes to start.
    """
    gc.disable()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine; SIGINT and SIGTERM cancel it, a second one ends the process at once.

    Raises:
        Stopped: a signal came, and the coroutine has cleaned up.
    """
    gc.freeze()  # modules stay: they need not be scanned again and again
    gc.enable()
    import inspect

    import uvloop

    os.environ.setdefault("UV_THREADPOOL_SIZE", "1")  # few names are looked up, none in a hurry
    before = _handlers()
    stoppable = _stoppable(work)
    try:
        return uvloop.run(stoppable)
    finally:
        for coroutine in (stoppable, work):
            # No loop could be made: Python would complain that nobody has awaited it.
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                coroutine.close()
        _restore(before)


def run_blocking(work: Callable[[], T]) -> T:
    """Run a function in a thread, for a signal stops the main thread as `run` says.

    Python's own way, to raise wherever the main thread is, gets lost inside the reads that FFmpeg
    asks of us: it takes what they raise for the end of the file.

    Raises:
        Stopped: as `run`.
    """
    return run(_in_thread(work))


async def _in_thread(work: Callable[[], T]) -> T:
    import asyncio
    import threading

    from musetalk_fast.threads import run_in_thread

    loop = asyncio.get_running_loop()
    at_work: set[int] = set()

    def call() -> T:
        at_work.add(threading.get_ident())
        try:
            return work()
        finally:
            at_work.clear()

    def interrupt_later() -> None:
        # Gently first: what is raised inside FFmpeg's reads gets lost.
        loop.call_later(_GENTLE_SECS, interrupt)

    def interrupt() -> None:
        for thread in at_work.copy():
            _interrupt(thread)
        interrupt_later()

    return await run_in_thread(call, interrupt_later)


class _Interrupted(BaseException):
    """Raised in a thread whose result is not needed any more."""


def _interrupt(thread: int) -> None:
    import ctypes

    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(_Interrupted)
    )


async def _stoppable(work: Coroutine[Any, Any, T]) -> T:
    import asyncio

    task = asyncio.current_task()
    assert task is not None
    stop = _Stop(task)
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        await _start_resolver()
        return await work
    except BaseException:
        # Whatever cancellation turned into on its way up, it began with the signal.
        if stop.number is not None:
            raise Stopped(stop.number) from None
        raise


async def _start_resolver() -> None:
    """Start libuv's thread while threads can be started: later it would abort the process.

    Raises:
        RuntimeError: no thread can be started.
    """
    import asyncio
    import socket
    import threading

    probe = threading.Thread(target=lambda: None)
    probe.start()
    probe.join()
    numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    await asyncio.get_running_loop().getnameinfo(("127.0.0.1", 1), numeric)


class _Stop:
    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self.number: int | None = None

    def __call__(self, number: int) -> None:
        from musetalk_fast.media.avio import reading_ends

        if self.number is not None:
            stop_at_once(number)
        self.number = number
        self._task.cancel()
        reading_ends.set()  # what is raised inside FFmpeg's reads gets lost
        _stop_later(number)


def _stop_later(number: int) -> None:
    """End the process soon: a thread that is inside a long native call cannot be waited for."""
    import asyncio
    import threading

    guard = threading.Timer(_GRACE_SECS, stop_at_once, [number])
    guard.daemon = True
    try:
        guard.start()
    except RuntimeError:  # the system starts no more threads
        asyncio.get_running_loop().call_later(_GRACE_SECS, stop_at_once, number)
