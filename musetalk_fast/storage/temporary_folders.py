"""Temporary folders, or an error that says what a system without any lacks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musetalk_fast.errors import OutputPlaceError
from musetalk_fast.system_limits import limit_error


def make_temporary_folder(prefix: str = "musetalk-") -> Path:
    """Make an empty folder for this user alone, which the caller removes.

    Raises:
        errors.OutputPlaceError: there is no place where one can be made.
    """
    try:
        return Path(tempfile.mkdtemp(prefix=prefix))
    except OSError as error:
        raise limit_error(error) or OutputPlaceError(
            f"no temporary folder can be made: {error.strerror or error}",
            hint="set TMPDIR to a folder that you may write to",
        ) from error


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A temporary folder while the context is open.

    Raises:
        errors.OutputPlaceError: as `make_temporary_folder`.
    """
    folder = make_temporary_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
