"""Where a video will be written: what would prevent that is found early."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from musetalk_fast.errors import OutputExistsError, OutputPlaceError
from musetalk_fast.storage import write_errors
from musetalk_fast.video.containers import container_of


def check_output(
    output: Path,
    format: str | None,  # noqa: A002
    *,
    overwrite: bool,
    inputs: Iterable[Path] = (),
) -> Path:
    """Check early for what would prevent the output from being written.

    Args:
        inputs: what the video is made from, and must not be lost.

    Returns:
        Where it will be written: the output, or what it links to.

    Raises:
        errors.OutputFormatError: neither format nor name says what to write.
        errors.OutputExistsError: it is there and must not be replaced.
        errors.OutputPlaceError: its place is a folder, its folder missing or closed to us, or
            it is one of the inputs.
    """
    container_of(output, format)
    with write_errors(output):
        if output.is_symlink():
            output = output.resolve()
        if output.exists() and any(each.exists() and output.samefile(each) for each in inputs):
            raise OutputPlaceError("this is one of the inputs", where=str(output))
        if output.is_dir():
            hint = "name a file, such as " + str(output / "video.mp4")
            raise OutputPlaceError("this is a folder", where=str(output), hint=hint)
        if not output.parent.is_dir():
            hint = "make the folder, or correct the path"
            raise OutputPlaceError("no such folder", where=str(output.parent), hint=hint)
        if not os.access(output.parent, os.W_OK | os.X_OK):
            raise OutputPlaceError("no permission to write here", where=str(output.parent))
        if output.exists():
            _check_replaceable(output, overwrite=overwrite)
    return output


def _check_replaceable(output: Path, *, overwrite: bool) -> None:
    if not overwrite:
        raise OutputExistsError("this file exists", where=str(output))
    if not output.is_file():
        raise OutputPlaceError("this is not a regular file", where=str(output))
