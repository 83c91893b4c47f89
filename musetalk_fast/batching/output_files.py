"""What a job has written: a file, or the files of a sequence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from musetalk_fast.media.input_file import file_sha256
from musetalk_fast.video.sequence_folder import sequence_files


def output_files(output: Path) -> Sequence[Path]:
    """The files of a finished output, in order; none where it is not there, or not whole.

    Args:
        output: a file, or the pattern of a sequence's names in its folder.
    """
    return (output,) if output.is_file() else sequence_files(output)


def output_bytes(output: Path) -> int | None:
    """Bytes of a finished output; None if it is not there, or not whole."""
    try:
        return sum(each.stat().st_size for each in output_files(output)) or None
    except OSError:
        return None


def output_sha256(output: Path) -> str:
    """SHA-256 of a finished output as 64 hex digits; of a sequence, over names and hashes.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: it is not there, or not whole.
    """
    files = output_files(output)
    if len(files) == 1 or not files:
        return file_sha256(files[0] if files else output)
    lines = (f"{file_sha256(each)}  {each.name}\n" for each in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
