"""Captures what FFmpeg logs while something is done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

_LOCK = threading.Lock()
"""The level is global to the process."""


@contextmanager
def captured_log(level: int) -> Iterator[list[tuple[int, str, str]]]:
    """FFmpeg's messages of this thread, while the context is open.

    What other threads log meanwhile goes nowhere, unless the program
    that embeds us had asked for FFmpeg's log: PyAV passes it to Python's logging, which prints
    what no handler takes.

    Args:
        level: of `av.logging`.

    Returns:
        Level, name and text of each message; complete when the context is left.
    """
    import av

    with _LOCK:
        before, skips = av.logging.get_level(), av.logging.get_skip_repeated()
        is_asked_for = before not in (None, av.logging.PANIC)
        others = nullcontext() if is_asked_for else av.logging.Capture(local=False)
        with others, av.logging.Capture() as lines:
            av.logging.set_level(level)
            av.logging.set_skip_repeated(False)  # else a message is logged the first time only
            try:
                yield lines
            finally:
                # Not back to None: PyAV fails at a message that another thread has under way.
                av.logging.set_level(before if is_asked_for else av.logging.PANIC)
                av.logging.set_skip_repeated(skips)
