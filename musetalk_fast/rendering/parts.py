"""The folder beside the output that holds the parts while they are made."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musetalk_fast.errors import OutputWriteError


@contextmanager
def parts_folder(output: Path) -> Iterator[Path]:
    """Make `<output>.parts/`, empty; remove it with what is in it.

    Raises:
        errors.OutputWriteError: it cannot be made.
    """
    folder = output.with_name(output.name + ".parts")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    except OSError as error:
        raise OutputWriteError(
            f"cannot make the folder for parts: {error.strerror}", where=str(folder)
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
