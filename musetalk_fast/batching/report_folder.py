"""The reports in the folder of a batch's videos: read by the next batch, replaced only if ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from musetalk_fast.batching.report import (
    FORMAT,
    LONGEST,
    JobRecord,
    pace_from_json,
    records_from_json,
)
from musetalk_fast.errors import OutputError, OutputPlaceError
from musetalk_fast.storage import AtomicFile, open_regular

GENERATOR = "musetalk-fast batch"
"""By this word in its head a page is known as ours."""

_HEAD = 2048


@dataclass(frozen=True, slots=True)
class ReportFolder:
    """Where a batch keeps its report.

    Attributes:
        shard: `(i, n)`: of machines that share the folder, each has reports of its own.
    """

    folder: Path
    shard: tuple[int, int] | None = None

    @property
    def document(self) -> Path:
        """The report for programs."""
        return self.folder / f"report{self._of_shard}.json"

    @property
    def page(self) -> Path:
        """The report for people."""
        return self.folder / f"report{self._of_shard}.html"

    @property
    def _of_shard(self) -> str:
        return "" if self.shard is None else ".{}-of-{}".format(*self.shard)

    def records(self) -> dict[Path, JobRecord]:
        """What all reports of the folder know, by the absolute path of the output."""
        found: dict[Path, JobRecord] = {}
        for path in sorted(self.folder.glob("report*.json"), key=_written_at):
            for record in records_from_json(_content(path, LONGEST)):
                found[(self.folder / record.output).absolute()] = record
        return found

    def pace(self) -> float | None:
        """Frames a second of the last batch here that made some, all in all; None: there is none.

        Of its own shard first, which has as many processors.
        """
        others = sorted(self.folder.glob("report*.json"), key=_written_at, reverse=True)
        paces = (pace_from_json(_content(path, LONGEST)) for path in (self.document, *others))
        return next((pace for pace in paces if pace is not None), None)

    def named(self, output: Path) -> str:
        """An output as the report calls it."""
        place, folder = output.absolute(), self.folder.absolute()
        return str(place.relative_to(folder) if place.is_relative_to(folder) else place)

    def foreign(self) -> Iterator[Path]:
        """Files in the place of a report that no batch has made: they stay."""
        for path, mark in ((self.document, FORMAT), (self.page, GENERATOR)):
            if os.path.lexists(path) and mark.encode() not in _content(path, _HEAD):
                yield path

    def write(self, path: Path, text: str) -> None:
        """Write one of them, whole or not at all.

        Raises:
            errors.OutputWriteError: it cannot be written.
        """
        with AtomicFile(path) as file:
            file.write(text.encode())
            file.publish()


def _written_at(path: Path) -> float:
    """What a later report says of a video counts."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _content(path: Path, longest: int) -> bytes:
    """What a file begins with; nothing of one that is no regular file or cannot be read."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return file.read(longest)
    except (OSError, OutputError, OutputPlaceError):
        return b""
