"""Expands the folders, patterns and file names of a command line into files."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from musetalk_fast.errors import InputNotFoundError, InputUnreadableError


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that may be an avatar or a recording.

    Attributes:
        base: its name without the suffix, below the folder that was named: `day1/anna`.
    """

    path: Path
    base: str

    @property
    def suffix(self) -> str:
        """In lower case."""
        return self.path.suffix.lower()

    @property
    def shown(self) -> str:
        """How messages call it: below the folder that was named."""
        return self.base + self.path.suffix


def find_files(
    inputs: Iterable[str], *, recursive: bool = False, without: Path | None = None
) -> tuple[FoundFile, ...]:
    """The files that inputs stand for, each once; those of a folder sorted, hidden ones left out.

    Args:
        inputs: files; folders; or patterns of `*`, `?`, `[...]` and `**` that a shell has not
            replaced.
        recursive: look into the folders of a folder, too. Links to folders are not followed.
        without: a folder that is not looked into: where the videos go.

    Raises:
        errors.InputNotFoundError: no such file or folder, or nothing matches.
        errors.InputUnreadableError: a folder that cannot be listed, or a name that cannot be looked
            up: it is too long, or in a folder that is closed to us.
    """
    found: dict[Path, FoundFile] = {}
    for text in inputs:
        try:
            for each in _find(text, recursive=recursive, without=without):
                found.setdefault(each.path, each)
        except OSError as error:
            raise InputUnreadableError(
                f"cannot be looked up: {error.strerror}", where=str(error.filename or text)
            ) from error
    return tuple(found.values())


def _find(text: str, *, recursive: bool, without: Path | None) -> Iterator[FoundFile]:
    path = Path(text)
    if path.is_dir():
        yield from _of_folder(path, recursive=recursive, without=without)
    elif path.exists():
        yield FoundFile(path, path.stem)
    elif glob.has_magic(text):
        yield from _of_pattern(text)
    else:
        raise InputNotFoundError("no such file or folder", where=text)


def _of_folder(folder: Path, *, recursive: bool, without: Path | None) -> Iterator[FoundFile]:
    skipped = None if without is None else without.absolute()
    for place, folders, names in os.walk(folder, onerror=_unreadable):
        inside = Path(place)
        folders[:] = sorted(
            name
            for name in folders
            if recursive and not name.startswith(".") and not name.endswith(".parts")
            if (inside / name).absolute() != skipped
        )
        for name in sorted(names):
            if not name.startswith(".") and (inside / name).is_file():
                yield _below(folder, inside / name)


def _of_pattern(text: str) -> Iterator[FoundFile]:
    fixed = Path()
    for part in Path(text).parts[:-1]:
        if glob.has_magic(part):
            break
        fixed /= part
    # Not `Path.glob`: it refuses absolute patterns.
    names = glob.iglob(text, recursive=True)  # noqa: PTH207
    matches = sorted(filter(os.path.isfile, names))
    if not matches:
        raise InputNotFoundError("no file matches", where=text)
    yield from (_below(fixed, Path(match)) for match in matches)


def _below(folder: Path, path: Path) -> FoundFile:
    return FoundFile(path, path.relative_to(folder).with_suffix("").as_posix())


def _unreadable(error: OSError) -> None:
    raise InputUnreadableError(
        f"cannot be listed: {error.strerror}",
        where=str(error.filename),
        hint="give a folder of pictures and recordings that you may read",
    ) from error
