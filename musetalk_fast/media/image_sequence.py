"""Pictures that are numbered files, or lie in a folder: which they are, and in which order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from musetalk_fast.errors import ImageSizeError, InputNotFoundError, InputUnreadableError
from musetalk_fast.media.animation import MAX_FRAMES
from musetalk_fast.media.input_file import file_sha256, unreadable

_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic"))
_PATTERN = re.compile(r"%(0?)(\d*)d")
_MAX_NAMED = 3


@dataclass(frozen=True, slots=True)
class ImageSequence:
    """The files of a sequence, in order.

    Attributes:
        notes: sentences for the user.
    """

    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def find_sequence(path: Path) -> ImageSequence | None:
    """The pictures of a folder, or of a pattern such as `frames/%04d.png`; None for a file.

    Those of a folder are in natural order (2 before 10), without hidden files and without those
    that no picture is named like. Those of a pattern are in the order of their numbers.

    Raises:
        errors.InputNotFoundError: no file is named as the pattern says.
        errors.InputUnreadableError: a folder without pictures, or one that cannot be read.
        errors.ImageSizeError: more than `animation.MAX_FRAMES`.
    """
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except (OSError, ValueError):
        return None
    if is_folder:
        return _bounded(_of_folder(path), path)
    parts = _PATTERN.split(path.name)
    if is_there or len(parts) != 4:
        return None
    return _bounded(_of_pattern(path, *parts), path)


def input_sha256(path: Path) -> str:
    """SHA-256 of an input: of a file, or as `sequence_sha256` of a sequence of pictures.

    Raises:
        errors.InputError: as `find_sequence` and `file_sha256`.
    """
    sequence = find_sequence(path)
    return file_sha256(path) if sequence is None else sequence_sha256(sequence.files)


def sequence_sha256(files: Sequence[Path]) -> str:
    """SHA-256 over the hashes of the files, in order.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: one cannot be read.
    """
    digest = hashlib.sha256()
    for file in files:
        digest.update(bytes.fromhex(file_sha256(file)))
    return digest.hexdigest()


def _of_folder(folder: Path) -> ImageSequence:
    files = [file for file in _files(folder) if not file.name.startswith(".")]
    pictures = [file for file in files if file.suffix.lower() in _SUFFIXES]
    if not pictures:
        raise InputUnreadableError(
            "this is a folder without pictures",
            where=str(folder),
            hint="give a folder of PNG, JPEG, WebP, BMP, TIFF or AVIF pictures, or a file",
        )
    return ImageSequence(tuple(sorted(pictures, key=_natural)))


def _of_pattern(path: Path, before: str, zero: str, width: str, after: str) -> ImageSequence:
    digits = rf"\d{{{width},}}" if zero and width else r"\d+"
    named = re.compile(f"{re.escape(before)}({digits}){re.escape(after)}")
    found = ((named.fullmatch(file.name), file) for file in _files(path.parent))
    numbers = {int(match[1]): file for match, file in found if match}
    if not numbers:
        raise InputNotFoundError("no file is named so, with a number in the place", where=str(path))
    notes = tuple(_gap_notes(sorted(numbers)))
    return ImageSequence(tuple(numbers[number] for number in sorted(numbers)), notes)


def _gap_notes(numbers: Sequence[int]) -> Iterator[str]:
    missing = numbers[-1] - numbers[0] + 1 - len(numbers)
    if not missing:
        return
    after = [str(one) for one, two in pairwise(numbers) if two != one + 1]
    named = ", ".join(after[:_MAX_NAMED]) + (", ..." if len(after) > _MAX_NAMED else "")
    yield f"{missing} pictures of the sequence are missing, after number {named}: it goes on"


def _files(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        raise InputNotFoundError("no such folder", where=str(folder)) from None
    except OSError as error:
        raise unreadable(folder, error) from error


def _natural(file: Path) -> tuple[tuple[int, int, str], ...]:
    parts = re.split(r"(\d+)", file.name)
    keys = ((0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in parts)
    return (*keys, (1, 0, file.name))


def _bounded(sequence: ImageSequence, path: Path) -> ImageSequence:
    if len(sequence.files) > MAX_FRAMES:
        count = len(sequence.files)
        raise ImageSizeError(f"{count} pictures; the limit is {MAX_FRAMES}", where=str(path))
    return sequence
