"""Errors for exhausted system limits: open files, memory."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from musetalk_fast.errors import FileLimitError, MemoryLimitError, MuseTalkError


def limit_error(error: BaseException) -> MuseTalkError | None:
    """The error that names the limit which another one, or what that came from, has met.

    Whatever fails for want of a file or of memory seems to be at fault itself: a disk, a server,
    a module that is imported. An error of ours that came from a want of memory knows better.
    """
    knows_better = isinstance(error, MuseTalkError)
    for each in error_chain(error):
        if isinstance(each, OSError) and each.errno == errno.EMFILE:
            return FileLimitError(f"no more files can be opened{_file_limit()}")
        if isinstance(each, OSError) and each.errno == errno.ENFILE:
            return FileLimitError(
                "this machine cannot open more files",
                hint="try again when fewer programs run, or raise the machine's fs.file-max",
            )
        is_memory = isinstance(each, MemoryError) or getattr(each, "errno", None) == errno.ENOMEM
        if is_memory and not knows_better:
            return MemoryLimitError("there is not enough memory")
    return None


def error_chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it came from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _file_limit() -> str:
    """What `ulimit -n` says, where something does."""
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    except (ImportError, AttributeError, OSError):
        return ""
    return f": the limit of open files is {limit} (`ulimit -n`)"
