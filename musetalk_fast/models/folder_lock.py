"""Locks a models folder for one writer at a time."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from musetalk_fast.errors import OutputBusyError
from musetalk_fast.models.pull_record import OWN_FOLDER
from musetalk_fast.storage import FolderLock, write_errors


def lock_models(folder: Path, stack: ExitStack) -> None:
    """Lock a models folder, made if need be, until the stack is left.

    Raises:
        errors.OutputBusyError: another process has it.
        errors.OutputError: it cannot be made.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder / OWN_FOLDER)
        is_ours = lock.acquire()
    if not is_ours:
        raise OutputBusyError(
            "another pull or conversion is at work here",
            where=str(folder),
            hint="wait until it has ended",
        )
    stack.callback(lock.release)
