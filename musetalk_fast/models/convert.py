"""Pickled weights become safetensors, once; the pickles stay where they are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from musetalk_fast.engines.musetalk.file_status import file_size, is_file
from musetalk_fast.errors import (
    OutputWriteError,
    UsageError,
    WeightsDifferError,
    WeightsMissingError,
)
from musetalk_fast.models.digest import sha256_of
from musetalk_fast.models.folder_lock import lock_models
from musetalk_fast.models.published_files import MUSETALK_10_UNET, MUSETALK_15, OPTIONAL
from musetalk_fast.models.pull_record import RecordedFile, read_record, write_record
from musetalk_fast.models.weight_names import converted_name
from musetalk_fast.storage import write_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A file in both forms.

    Attributes:
        source, target: names in the models folder.
        bytes: of the target.
        was_there: it had been converted before.
    """

    source: str
    target: str
    bytes: int
    was_there: bool


def convert(folder: Path, on_conversion: Callable[[Conversion], None]) -> list[Conversion]:
    """Write every pickle of a models folder as safetensors beside it.

    Raises:
        errors.UsageError: the extra [musetalk] is not installed.
        errors.WeightsMissingError: there are none, or one cannot be read.
        errors.WeightsFormatError: one holds more than weights, or is damaged.
        errors.WeightsDifferError: another one was converted to what is there in its place.
        errors.OutputBusyError: a pull is at work.
        errors.OutputError: the folder cannot be written, or the disk has too little space.
    """
    names = [file.name for file in (*MUSETALK_15, MUSETALK_10_UNET, *OPTIONAL)]
    pairs = [
        (name, other)
        for name in names
        if (other := converted_name(name)) and is_file(folder / name)
    ]
    if not pairs:
        raise WeightsMissingError("no weights to convert", where=str(folder))
    done = []
    with ExitStack() as stack:
        lock_models(folder, stack)
        for source, target in pairs:
            done.append(_convert(folder, source, target))
            on_conversion(done[-1])
    return done


def _convert(folder: Path, source: str, target: str) -> Conversion:
    before, after = folder / source, folder / target
    if os.path.lexists(after):
        _check_made_of(folder, source, target)
        there = file_size(after) or 0
        return Conversion(source=source, target=target, bytes=there, was_there=True)
    _check_space(before)
    size = _write(before, after)
    record = read_record(folder)
    record[target] = RecordedFile(
        name=target,
        size=size,
        sha256=sha256_of(after),
        origin=source,
        etag=sha256_of(before),
    )
    write_record(folder, record)
    return Conversion(source=source, target=target, bytes=size, was_there=False)


def _check_made_of(folder: Path, source: str, target: str) -> None:
    """Return if a file was made of this very pickle, as far as that is recorded.

    Raises:
        errors.WeightsDifferError: it was made of another one.
    """
    known = read_record(folder).get(target)
    if known is not None and known.etag != sha256_of(folder / source):
        raise WeightsDifferError(
            f"{target} was made of another {source}, and is read in its place",
            where=str(folder),
            hint=f"move {target} away and convert again, or move {source} away",
        )


def _write(source: Path, target: Path) -> int:
    try:
        from musetalk_fast.engines.musetalk.safetensors_file import write_safetensors
    except ImportError as error:
        raise UsageError(
            f"weights cannot be read: {error}", hint="`pip install 'musetalk-fast[musetalk]'`"
        ) from error
    return write_safetensors(source, target)


def _check_space(source: Path) -> None:
    """Both forms have about the same length.

    Raises:
        errors.OutputWriteError: there is less.
    """
    with write_errors(source):
        needed, free = source.stat().st_size, shutil.disk_usage(source.parent).free
    if free < needed:
        raise OutputWriteError(
            f"{needed} bytes are to be written, and {free} are free on this disk",
            where=str(source.parent),
        )
