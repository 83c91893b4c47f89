"""A list of jobs in a file, validated whole: every error of it is found before a job starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musetalk_fast.batching.batch_job import Job
from musetalk_fast.batching.job_rows import Row, read_rows
from musetalk_fast.config import Settings
from musetalk_fast.config.alternatives import contradictions
from musetalk_fast.config.overrides import nearest, overridable, overridden
from musetalk_fast.config.value_kind import shown
from musetalk_fast.errors import JobListError, MuseTalkError
from musetalk_fast.media.image_sequence import find_sequence
from musetalk_fast.planning.setting_files import placed
from musetalk_fast.types import Container
from musetalk_fast.video.codec_choice import chosen_encoder

_FILES = ("avatar", "audio", "output")
_KNOWN = overridable()
_NAMES = {**dict.fromkeys((*_FILES, "fresh")), **_KNOWN}


@dataclass(frozen=True, slots=True)
class JobListDefaults:
    """What jobs have that their rows do not say.

    Attributes:
        outputs: where relative outputs are; None: in the folder of the list.
        avatar: of rows without one.
        fresh: whether jobs are made again whatever is there.
    """

    settings: Settings
    outputs: Path | None = None
    avatar: Path | None = None
    fresh: bool = False


def read_job_list(path: Path, defaults: JobListDefaults) -> tuple[Job, ...]:
    """The jobs of a list; relative paths in it begin in its folder.

    Raises:
        errors.JobListError: jobs in it cannot be used, each with its line and reason.
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
    """
    rows = read_rows(path)
    if not rows:
        raise JobListError("there are no jobs in it", where=str(path))
    details: list[str] = []
    jobs: list[Job] = []
    made: dict[Path, str] = {}
    for number, row in enumerate(rows, 1):
        where = f"{path}:{row.line}" if row.line else f"{path}: job {number}"
        reading = _Reading(row, path.absolute().parent, defaults)
        job = reading.job()
        if job is not None:
            earlier = made.setdefault(job.place.absolute(), where)
            if earlier != where:
                reading.problems.append(f"{job.place} is the output of {earlier}, too")
            jobs.append(job)
        details += [f"{where}: {problem}" for problem in reading.problems]
    if details:
        raise JobListError(
            f"{len(details)} {'error' if len(details) == 1 else 'errors'} in {len(rows)} jobs",
            where=str(path),
            details=tuple(details),
        )
    return tuple(jobs)


class _Reading:
    """One row on its way to a job; its problems are gathered."""

    def __init__(self, row: Row, folder: Path, defaults: JobListDefaults) -> None:
        self._row = row
        self._folder = folder
        self._defaults = defaults
        self.problems: list[str] = [] if row.error is None else [row.error]
        self._members = dict(self._named())

    def job(self) -> Job | None:
        """The job, if nothing of the row is wrong."""
        if self.problems:
            return None
        settings = self._settings()
        avatar, audio = self._input("avatar"), self._input("audio")
        fresh = self._fresh()
        if self.problems or avatar is None or audio is None:
            return None
        output = self._output(audio, settings)
        job = Job(self._name(output), avatar, audio, output, settings, fresh)
        self._check(job)
        return job

    def _named(self) -> Iterator[tuple[str, Any]]:
        for given, value in self._row.members.items():
            name = given.strip().lower().replace("-", "_")
            if name not in _NAMES:
                self.problems.append(f"there is no option {given!r}{nearest(name, _NAMES)}")
            elif value is not None:
                yield name, value

    def _settings(self) -> Settings:
        values = {}
        for name in filter(_KNOWN.__contains__, self._members):
            key, kind = _KNOWN[name]
            value = self._members[name]
            try:
                read = kind.parse if self._row.is_text else kind.read
                values[key] = placed(kind, read(value), self._folder)
            except ValueError as error:
                self.problems.append(f"{name} {error}")
            except MuseTalkError as error:
                self.problems.append(f"{name}: {error.message}")
        for keys, fault in contradictions(values):
            self.problems.append(f"{' and '.join(keys)} {fault}")
        return self._defaults.settings if self.problems else self._overridden(values)

    def _overridden(self, values: dict[tuple[str, str], Any]) -> Settings:
        return overridden(self._defaults.settings, values)

    def _input(self, name: str) -> Path | None:
        given = self._members.get(name)
        if given is None:
            if name == "avatar" and self._defaults.avatar is not None:
                return self._defaults.avatar
            self.problems.append(f"it has no {name}")
            return None
        path = self._path(name, given)
        if path is None:
            return None
        try:
            is_there = path.is_file() or (name == "avatar" and find_sequence(path) is not None)
        except (MuseTalkError, OSError, ValueError):
            is_there = False
        if not is_there:
            self.problems.append(f"{name}: no such file: {path}")
        return path if is_there else None

    def _path(self, name: str, given: object) -> Path | None:
        if not isinstance(given, str) or not given or "\0" in given:
            self.problems.append(f"{name} must be the path of a file, not {shown(given)}")
            return None
        return self._folder / given

    def _fresh(self) -> bool:
        given = self._members.get("fresh", self._defaults.fresh)
        if self._row.is_text and isinstance(given, str):
            given = {
                "true": True,
                "yes": True,
                "1": True,
                "false": False,
                "no": False,
                "0": False,
            }.get(given.lower(), given)
        if not isinstance(given, bool):
            self.problems.append(f"fresh must be true or false, not {shown(given)}")
        return given is True

    def _output(self, audio: Path, settings: Settings) -> Path:
        folder = self._outputs
        given = self._members.get("output")
        if given is None:
            return folder / f"{audio.stem}.{settings.output.format or Container.MP4.value}"
        path = self._path("output", given)
        return folder if path is None else folder / str(given)

    @property
    def _outputs(self) -> Path:
        return self._folder if self._defaults.outputs is None else self._defaults.outputs

    def _name(self, output: Path) -> str:
        if output.is_relative_to(self._outputs):
            return output.relative_to(self._outputs).as_posix()
        return str(output)

    def _check(self, job: Job) -> None:
        """What of its output can be known to be wrong."""
        if self.problems:
            return
        if job.output.absolute() in (job.avatar.absolute(), job.audio.absolute()):
            self.problems.append(f"the output is one of the inputs: {job.output}")
        try:
            chosen_encoder(job.settings.output, job.output)
        except MuseTalkError as error:
            self.problems.append(error.message)
