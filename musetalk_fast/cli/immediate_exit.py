"""Ends the process with the line that says which signal stopped it; nothing is cleaned up."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from _thread import allocate_lock  # `threading` takes as long to import as all the others here

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)

_TEXT = "error: stopped by {name} (MTF-STOPPED)\n"
_JSON = (
    '{{"event": "error", "token": "MTF-STOPPED", "exit_code": {code}, '
    '"message": "stopped by {name}", "where": null, "hint": null}}\n'
)
"""As `error_report` writes them, which cannot be imported while a signal interrupts an import."""
_OVER_BAR = "\r\x1b[J"
"""Erases it: the cursor rests at its beginning (`bar_display`)."""
_PATIENCE_SECS = 0.1

_once = allocate_lock()


def stop_on_signals() -> None:
    """Let SIGINT and SIGTERM end the process at once, until something handles them better.

    Python's own answer to SIGINT is an exception, which an import turns into a traceback or loses.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, _frame: stop_at_once(number))


def stop_at_once(number: int) -> NoReturn:
    """End the process as if by this signal, from any thread; the line comes once."""
    code = 128 + number
    if _once.acquire(blocking=False):
        descriptor, line = _last_line(signal.Signals(number).name, code)
        _write(descriptor, line.encode())
    else:
        time.sleep(_PATIENCE_SECS)  # another thread is at it
    os._exit(code)


def _last_line(name: str, code: int) -> tuple[int, str]:
    if "--json" in sys.argv[1:]:
        return 1, _JSON.format(name=name, code=code)
    on_terminal = os.isatty(2) and os.environ.get("TERM") != "dumb"
    return 2, (_OVER_BAR if on_terminal else "") + _TEXT.format(name=name)


def _write(descriptor: int, line: bytes) -> None:
    """Write the line unless its reader is gone or asleep: a stop does not wait for one."""
    try:
        if select.select((), (descriptor,), (), _PATIENCE_SECS)[1]:
            os.write(descriptor, line)
    except OSError:
        pass
