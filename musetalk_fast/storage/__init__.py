"""What is written and locked on disk; every writer of the package uses this."""

from musetalk_fast.storage.atomic_files import (
    AtomicFile,
    ErrorContext,
    is_unfinished,
    move_if_absent,
    remove_unfinished,
    sync_file,
    sync_folder,
    write_errors,
)
from musetalk_fast.storage.cache_folder import find_cache_folder
from musetalk_fast.storage.locks import LOCK, FolderLock, is_marked, try_lock
from musetalk_fast.storage.mounts import is_mount_point
from musetalk_fast.storage.regular_files import check_regular, open_regular
from musetalk_fast.storage.temporary_folders import make_temporary_folder, temporary_folder

__all__ = [
    "LOCK",
    "AtomicFile",
    "ErrorContext",
    "FolderLock",
    "check_regular",
    "find_cache_folder",
    "is_marked",
    "is_mount_point",
    "is_unfinished",
    "make_temporary_folder",
    "move_if_absent",
    "open_regular",
    "remove_unfinished",
    "sync_file",
    "sync_folder",
    "temporary_folder",
    "try_lock",
    "write_errors",
]
