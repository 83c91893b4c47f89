"""Blocking work in threads that are never left behind: cancellation waits until they have ended."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from typing import Any, TypeVar

from musetalk_fast.errors import ThreadLimitError

T = TypeVar("T")


class AbandonedError(Exception):
    """The work in a thread was cancelled."""


class CancelFlag:
    """Cancels work in a thread, which polls it."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Cancel the work; from any thread."""
        self._event.set()

    def check(self) -> None:
        """Raise `AbandonedError` once the flag is set; it costs less than a microsecond."""
        if self._event.is_set():
            raise AbandonedError


async def run_in_thread(work: Callable[[], T], on_cancel: Callable[[], None] = lambda: None) -> T:
    """Do blocking work in a thread of its own.

    A cancelled caller continues only when the work has ended, so that a lock or a folder that it
    holds outlives it; what it returned or raised is dropped then.

    Not `asyncio.to_thread`: that leaves the thread behind, and a loop whose pool of threads could
    not start one cannot close it either.

    Args:
        on_cancel: called on cancellation: may ask the work to stop, as `CancelFlag.set` does.

    Raises:
        errors.ThreadLimitError: the system starts no more threads.
        BaseException: what the work raises.
    """
    ended: Future[T] = Future()
    context = contextvars.copy_context()
    with thread_errors():
        threading.Thread(target=_resolve, args=(ended, context.run, work)).start()
    waiting = asyncio.wrap_future(ended)
    try:
        await asyncio.wait([waiting])
    except asyncio.CancelledError:
        on_cancel()
        await wait_until_ended([waiting])
        if not waiting.cancelled():
            waiting.exception()  # seen
        raise
    return waiting.result()


async def wait_until_ended(futures: Collection[asyncio.Future[Any]]) -> None:
    """Return when all of them are done; a cancellation meanwhile is raised only then."""
    cancelled: asyncio.CancelledError | None = None
    while not all(future.done() for future in futures):
        try:
            await asyncio.wait(futures)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


@asynccontextmanager
async def in_threads(context: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave a blocking context in threads; it does not get the error that leaves it.

    It is left as well if entering it was cancelled.
    """
    stack = ExitStack()
    try:
        yield await run_in_thread(lambda: stack.enter_context(context))
    finally:
        try:
            await run_in_thread(stack.close)
        except ThreadLimitError:
            stack.close()


def call_in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], T]) -> T:
    """Call a function on the thread of an event loop, from another one.

    Returns:
        What it returns; what it raises is raised here, and only here.
    """
    ended: Future[T] = Future()
    loop.call_soon_threadsafe(_resolve, ended, call)
    return ended.result()


@contextmanager
def thread_errors() -> Iterator[None]:
    """Raise an error of ours if no thread can be started.

    Raises:
        errors.ThreadLimitError: in place of Python's `RuntimeError`.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_thread_limit(error):
            raise
        raise thread_limit_error() from error


def is_thread_limit(error: BaseException) -> bool:
    """Whether an error is Python's for a thread that the system did not start."""
    return isinstance(error, RuntimeError) and "start new thread" in str(error)


def thread_limit_error() -> ThreadLimitError:
    """The error that names the limit, where it is known."""
    limit = _process_limit()
    known = "" if limit is None else f", and the limit of processes and threads is {limit}"
    return ThreadLimitError(f"no thread can be started: {threading.active_count()} run{known}")


def _process_limit() -> int | None:
    """What `ulimit -u` says; None where nothing does."""
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    except (ImportError, AttributeError, OSError):
        return None
    return None if limit == resource.RLIM_INFINITY else limit


def _resolve(ended: Future[T], call: Callable[..., T], *args: Any) -> None:
    """Call it; what it returns or raises is the future's."""
    try:
        result = call(*args)
    except BaseException as error:  # noqa: BLE001 - raised where the future is waited for
        ended.set_exception(error)
    else:
        ended.set_result(result)
