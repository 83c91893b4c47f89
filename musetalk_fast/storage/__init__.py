"""What is written and locked on disk; every writer of the package uses this."""

from musetalk_fast.storage.files import (
    AtomicFile,
    ErrorContext,
    remove_unfinished,
    sync_file,
    write_errors,
)
from musetalk_fast.storage.locks import LOCK, FolderLock, try_lock

__all__ = [
    "LOCK",
    "AtomicFile",
    "ErrorContext",
    "FolderLock",
    "remove_unfinished",
    "sync_file",
    "try_lock",
    "write_errors",
]
