"""`<output>.parts/`: the plan, the faces and the finished parts of a render."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from musetalk_fast.errors import OutputBusyError, OutputError, PlanError
from musetalk_fast.planning import Plan, Segment
from musetalk_fast.planning.plan_json import LONGEST, plan_from_json, plan_to_json
from musetalk_fast.rendering.ownership import (
    FACES,
    PLAN,
    SCRATCH,
    check_mount,
    check_ours,
    foreign,
    is_content,
    is_part,
    listed,
)
from musetalk_fast.storage import (
    AtomicFile,
    FolderLock,
    open_regular,
    remove_unfinished,
    write_errors,
)
from musetalk_fast.video.parts import Part, read_part

__all__ = ["FACES", "PLAN", "SUFFIX", "JobDirectory", "locked_job_directory"]

SUFFIX = ".parts"


class JobDirectory:
    """The files of one render beside its output.

    Args:
        path: the directory; the output is its name without `.parts`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept = False
        self._earlier: str | None = None
        self._done = False

    @property
    def output(self) -> Path:
        """The video, or the folder of a sequence."""
        return self.path.with_name(self.path.name.removesuffix(SUFFIX))

    @property
    def scratch(self) -> Path:
        """A folder for what only this process needs, empty at first."""
        return self.path / SCRATCH

    def part_path(self, number: int, suffix: str) -> Path:
        """Where the part of a segment is once it is finished."""
        return self.path / f"{number:08d}{suffix}"

    def read_plan(self) -> Plan | None:
        """The plan that was stored, or None.

        Raises:
            errors.PlanError: it is damaged.
            errors.OutputWriteError: it cannot be read.
        """
        content = self.read(PLAN)
        try:
            return None if content is None else plan_from_json(content, self.output)
        except PlanError as error:
            error.where = str(self.path / PLAN)
            raise

    def write_plan(self, plan: Plan) -> None:
        """Store the plan."""
        self.write(PLAN, plan_to_json(plan))

    def read(self, name: str) -> bytes | None:
        """A small file of the folder, or None; of one that is not small, nothing.

        Raises:
            errors.OutputPlaceError: it is no regular file.
            errors.OutputWriteError: it cannot be read.
        """
        with write_errors(self.path / name):
            try:
                descriptor = open_regular(self.path / name)
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as file:
                content = file.read(LONGEST + 1)
        return content if len(content) <= LONGEST else b""

    def write(self, name: str, content: bytes) -> None:
        """Write a small file atomically."""
        with AtomicFile(self.path / name) as file:
            file.write(content)
            file.commit()

    def write_first(self, name: str, content: bytes) -> bool:
        """Write a small file unless another process has written one; whether we did."""
        with AtomicFile(self.path / name) as file:
            file.write(content)
            return file.commit_if_absent() is not None

    def finished(
        self, plan: Plan, segments: Iterable[Segment], label: Callable[[Segment], str]
    ) -> dict[int, Part]:
        """The parts that are there, by segment; not those that are damaged or of another render.

        Args:
            label: the label that the part of a segment must carry.
        """
        parts = {}
        for segment in segments:
            path = self.part_path(segment.number, plan.encoder.part_suffix)
            part = _usable(path, plan, label(segment)) if path.exists() else None
            if part is not None and part.frames == segment.frames:
                parts[segment.number] = part
        return parts

    def keep(self) -> None:
        """Do not remove the directory, even if it has no parts."""
        self._kept = True

    def keep_earlier(self) -> None:
        """Likewise as long as the plan that is there is not replaced: tasks may follow it."""
        self._earlier = self._identity()

    def done(self) -> None:
        """Have everything removed on exit: the video is finished."""
        self._done = True

    @property
    def is_done(self) -> bool:
        """Whether the video is finished."""
        return self._done

    @property
    def of_use(self) -> bool:
        """Whether a later run can use it."""
        return not self._done and (self._kept or self.holds_parts() or self._holds_earlier())

    def _holds_earlier(self) -> bool:
        return self._earlier is not None and self._identity() == self._earlier

    def _identity(self) -> str | None:
        """Of the plan that is there, if it can be read."""
        with suppress(PlanError, OutputError):
            plan = self.read_plan()
            return None if plan is None else plan.identity
        return None

    def holds_parts(self) -> bool:
        """Whether any part is finished."""
        return self.count_parts() > 0

    def count_parts(self) -> int:
        """How many parts are finished, without a look into them."""
        return sum(map(is_part, listed(self.path)))

    def contents(self) -> list[Path]:
        """Parts, faces and the plan, which comes last; nothing that no render has made."""
        ours = sorted(filter(is_content, listed(self.path)), key=lambda name: (name == PLAN, name))
        return [self.path / name for name in ours]

    def foreign(self) -> list[str]:
        """The names of entries that no render has made: they stay, whatever becomes of it."""
        return foreign(listed(self.path))

    def empty(self) -> None:
        """Remove plan, faces and parts."""
        with write_errors(self.path):
            for entry in self.contents():
                entry.unlink(missing_ok=True)

    def has_plan(self) -> bool:
        """Whether the plan that is there is one of ours."""
        try:
            return self.read_plan() is not None
        except PlanError:
            return False


@contextmanager
def locked_job_directory(output: Path) -> Iterator[JobDirectory]:
    """Create the job directory or open the one that exists, for this process alone.

    On exit it is removed, unless a later run can use its parts, or the plan that was there before
    is still there, or it holds what is not ours.

    Raises:
        errors.OutputBusyError: another render is writing this output.
        errors.OutputPlaceError: a folder that no render made is there; it is left alone.
        errors.OutputWriteError: it cannot be made.
    """
    path = output.with_name(output.name + SUFFIX)
    lock, jobdir = FolderLock(path), JobDirectory(path)
    check_ours(path, jobdir.has_plan)
    _acquire(lock, path, output)
    try:
        _prepare(jobdir)
        yield jobdir
    finally:
        try:
            # It may have been removed by hand, and another process may have made a new one.
            if lock.is_held:
                _leave(jobdir, lock)
        finally:
            lock.release()
        with suppress(OSError):
            path.rmdir()  # NFS keeps the name of a file for as long as it is open


def _prepare(jobdir: JobDirectory) -> None:
    jobdir.keep_earlier()
    check_mount(jobdir.path)
    remove_unfinished(jobdir.path)
    with write_errors(jobdir.path):
        shutil.rmtree(jobdir.scratch, ignore_errors=True)
        jobdir.scratch.mkdir()
    # As the joined video will be written: a name that is too long is found now.
    AtomicFile(jobdir.output, jobdir.path).discard()


def _leave(jobdir: JobDirectory, lock: FolderLock) -> None:
    """Remove what no later run can use, as long as the directory is locked.

    The plan outlives its parts, so that after an interrupted removal a render can resume.
    Where something stays that is not ours, the lock does: it marks the directory as ours.
    """

    def empty() -> bool:
        jobdir.empty()
        return not jobdir.foreign()

    shutil.rmtree(jobdir.scratch, ignore_errors=True)
    if not jobdir.of_use:
        with suppress(OSError, OutputError):
            lock.remove(empty, is_used=jobdir.has_plan)


def _acquire(lock: FolderLock, path: Path, output: Path) -> None:
    with write_errors(path):
        is_ours = lock.acquire()
    if not is_ours:
        raise OutputBusyError("another render is writing this file", where=str(output))


def _usable(path: Path, plan: Plan, label: str) -> Part | None:
    try:
        part = read_part(path, plan.fps)
    except OutputError:
        return None
    return part if part.label == label else None
