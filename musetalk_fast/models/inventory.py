"""What a models folder holds, without a network: which files, and whether they are as recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from musetalk_fast.engines.musetalk.file_status import file_size, is_file
from musetalk_fast.engines.musetalk.model_folder import default_models_dir
from musetalk_fast.errors import WeightsDifferError, WeightsMissingError
from musetalk_fast.models.digest import sha256_of
from musetalk_fast.models.published_files import (
    MUSETALK_10_UNET,
    MUSETALK_15,
    OPTIONAL,
    PublishedFile,
)
from musetalk_fast.models.pull_record import RecordedFile, read_record
from musetalk_fast.models.weight_names import converted_name

__all__ = [
    "FileState",
    "InventoryEntry",
    "default_models_dir",
    "faults",
    "inventory",
    "raise_for_faults",
    "verify",
]

_PART = ".part"
_KNOWN = (*MUSETALK_15, *OPTIONAL)


class FileState(StrEnum):
    """Of a file that a models folder may hold."""

    THERE = "there"
    """Not compared with anything."""
    WHOLE = "whole"
    """As it was recorded."""
    CHANGED = "changed"
    """Other bytes than were recorded."""
    UNREADABLE = "unreadable"
    CONVERTED = "converted"
    """Not there itself, but as safetensors."""
    PARTIAL = "partial"
    MISSING = "missing"
    OPTIONAL = "optional"
    """Not there, and the engine works without it."""


_FINE = (FileState.WHOLE, FileState.CONVERTED, FileState.OPTIONAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryEntry:
    """A file.

    Attributes:
        name: its path in the folder.
        size: bytes that are there.
        of_bytes: about how many it has.
        origin: where it is from, as far as that is known.
        recorded: whether a pull has compared it, or `models convert` made it.
    """

    name: str
    state: FileState
    size: int
    of_bytes: int
    origin: str
    recorded: bool


def inventory(folder: Path) -> list[InventoryEntry]:
    """The files that MuseTalk 1.5 needs, in their order, and others of ours that are there.

    What it can use and works without is named, too.

    Raises:
        errors.WeightsFormatError: the record is damaged.
        errors.WeightsMissingError: folder or record cannot be read.
    """
    record = read_record(folder)
    return list(_entries(folder, record))


def verify(folder: Path) -> Iterator[InventoryEntry]:
    """As `inventory` of what is there or lacks, all that is recorded being read.

    Raises:
        errors.WeightsFormatError: the record is damaged.
        errors.WeightsMissingError: folder or record cannot be read.
    """
    record = read_record(folder)
    for entry in _entries(folder, record):
        if entry.state is FileState.OPTIONAL:
            continue
        if entry.state is not FileState.THERE or not entry.recorded:
            yield entry
            continue
        known = record[entry.name]
        state = _compared(folder / entry.name, known)
        yield replace(entry, state=state)


def faults(entries: Sequence[InventoryEntry]) -> str:
    """What is wrong with the files of a folder, in words; empty if nothing is."""
    bad = {
        FileState.CHANGED: "changed since they were recorded",
        FileState.UNREADABLE: "cannot be read",
        FileState.MISSING: "missing",
        FileState.PARTIAL: "not complete",
    }
    said = []
    for state, words in bad.items():
        names = [entry.name for entry in entries if entry.state is state]
        if names:
            said.append(f"{words}: {', '.join(names)}")
    unknown = [
        entry.name
        for entry in entries
        if entry.state is FileState.THERE and not entry.recorded and not _is_optional(entry)
    ]
    if unknown:
        said.append(
            f"never compared with the hub, which `musetalk-fast models pull` does: "
            f"{', '.join(unknown)}"
        )
    return "; ".join(said)


def raise_for_faults(folder: Path, entries: Sequence[InventoryEntry]) -> None:
    """Return if all that is needed is there, and as it was recorded.

    Raises:
        errors.WeightsMissingError: something lacks.
        errors.WeightsDifferError: something has changed, or was never compared.
    """
    if not (found := faults(entries)):
        return
    lacking = (FileState.MISSING, FileState.PARTIAL, FileState.UNREADABLE)
    wrong = [each for each in entries if each.state not in (*lacking, *_FINE)]
    if any(each.state is FileState.CHANGED or not _is_optional(each) for each in wrong):
        raise WeightsDifferError(found, where=str(folder))
    raise WeightsMissingError(found, where=str(folder))


def _is_optional(entry: InventoryEntry) -> bool:
    return any(entry.name == file.name for file in OPTIONAL)


def _entries(folder: Path, record: dict[str, RecordedFile]) -> Iterator[InventoryEntry]:
    for file in MUSETALK_15:
        yield _needed(folder, file, record)
    for file in OPTIONAL:
        entry = _needed(folder, file, record)
        is_there = entry.state is not FileState.MISSING
        yield entry if is_there else replace(entry, state=FileState.OPTIONAL)
    converted = [name for file in _KNOWN if (name := converted_name(file.name))]
    for name in (*converted, MUSETALK_10_UNET.name, *_others(record, converted)):
        if is_file(folder / name) or name in record:
            yield _more(folder, name, record)


def _others(record: dict[str, RecordedFile], converted: list[str]) -> list[str]:
    known = {file.name for file in _KNOWN} | {MUSETALK_10_UNET.name, *converted}
    return sorted(record.keys() - known)


def _needed(folder: Path, file: PublishedFile, record: dict[str, RecordedFile]) -> InventoryEntry:
    path, other = folder / file.name, converted_name(file.name)
    known = record.get(file.name)
    found = file_size(path)
    state, size = FileState.THERE if found is not None else FileState.MISSING, found or 0
    if state is FileState.MISSING and other and is_file(folder / other):
        state = FileState.CONVERTED
    elif state is FileState.MISSING and (part := _part_size(path)) is not None:
        state, size = FileState.PARTIAL, part
    return InventoryEntry(
        name=file.name,
        state=state,
        size=size,
        of_bytes=known.size if known else file.about_bytes,
        origin=known.origin if known else "not compared" if size else file.origin,
        recorded=known is not None,
    )


def _part_size(path: Path) -> int | None:
    """Bytes that interrupted pulls have left of a file; None: none has."""
    sizes = map(file_size, path.parent.glob(f"{path.name}.*{_PART}"))
    return max((size for size in sizes if size is not None), default=None)


def _more(folder: Path, name: str, record: dict[str, RecordedFile]) -> InventoryEntry:
    known, path = record.get(name), folder / name
    size = file_size(path)
    return InventoryEntry(
        name=name,
        state=FileState.THERE if size is not None else FileState.MISSING,
        size=size or 0,
        of_bytes=known.size if known else size or 0,
        origin=known.origin if known else "not compared",
        recorded=known is not None,
    )


def _compared(path: Path, known: RecordedFile) -> FileState:
    try:
        if file_size(path) != known.size:
            return FileState.CHANGED
        same = sha256_of(path) == known.sha256
    except WeightsMissingError:
        return FileState.UNREADABLE
    return FileState.WHOLE if same else FileState.CHANGED
