"""Errors of what the system does not give: threads, memory, open files."""

from __future__ import annotations

from musetalk_fast.errors.musetalk_error import MuseTalkError

__all__ = [
    "FileLimitError",
    "MemoryLimitError",
    "ThreadLimitError",
]


class ThreadLimitError(MuseTalkError):
    """The system starts no more threads."""

    token = "MTF-THREADS"
    exit_code = 75
    default_hint = (
        "raise the limit of processes and threads (`ulimit -u`, or the container's), or try again "
        "when fewer programs run"
    )


class MemoryLimitError(MuseTalkError):
    """The system gives no more memory."""

    token = "MTF-MEMORY"
    exit_code = 75
    default_hint = (
        "raise the limit (`ulimit -v`, or the container's), try again when fewer programs run, or "
        "use a smaller picture"
    )


class FileLimitError(MuseTalkError):
    """The system opens no more files."""

    token = "MTF-FILES"
    exit_code = 78
    default_hint = "raise the limit: `ulimit -n 1024` before the command, or the container's"
