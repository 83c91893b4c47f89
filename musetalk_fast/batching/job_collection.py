"""Everything that the inputs of a batch name, as one list of jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from musetalk_fast.batching.batch_job import Job, Jobs
from musetalk_fast.batching.found_files import find_files
from musetalk_fast.batching.job_list import JobListDefaults, read_job_list
from musetalk_fast.batching.job_rows import is_job_list
from musetalk_fast.batching.pairing import pair
from musetalk_fast.errors import InputNotFoundError, JobListError, UsageError

_MAX_NAMED = 5


def collect_jobs(
    inputs: Sequence[str], defaults: JobListDefaults, *, recursive: bool = False
) -> Jobs:
    """The jobs of folders, patterns, files and job lists, in their order.

    Args:
        inputs: those that end like a job list are one, all others are searched for files.
        recursive: look into the folders of a folder, too.

    Raises:
        errors.InputError: nothing can be made of them; the leaf says what is wrong.
        errors.UsageError: nobody said where the videos of a folder go.
    """
    lists = [Path(each) for each in inputs if is_job_list(Path(each))]
    others = [each for each in inputs if Path(each) not in lists]
    listed = _of_lists(lists, defaults)
    paired = _of_files(others, defaults, recursive=recursive) if others else Jobs(())
    jobs = (*listed, *paired.jobs)
    if not jobs:
        raise InputNotFoundError(
            "nothing to render: " + ("; ".join(paired.left_over[:_MAX_NAMED]) or "no files"),
            where=", ".join(inputs[:_MAX_NAMED]),
            hint="name an avatar and its recording alike (anna.png, anna.wav), or give one "
            "--avatar FILE for all recordings",
        )
    _check_outputs(jobs)
    return Jobs(_distinct(jobs), paired.left_over)


def _of_lists(lists: Iterable[Path], defaults: JobListDefaults) -> list[Job]:
    """Of all lists, so that the errors of all are known at once."""
    jobs: list[Job] = []
    failed: list[JobListError] = []
    for path in lists:
        try:
            jobs += read_job_list(path, defaults)
        except JobListError as error:
            failed.append(error)
    if len(failed) > 1:
        details = [line for each in failed for line in each.details or (str(each),)]
        where = ", ".join(str(each.where) for each in failed)
        raise JobListError(f"errors in {len(failed)} lists", where=where, details=tuple(details))
    if failed:
        raise failed[0]
    return jobs


def _of_files(inputs: Sequence[str], defaults: JobListDefaults, *, recursive: bool) -> Jobs:
    if defaults.outputs is None:
        raise UsageError("give the folder for the videos: -o FOLDER")
    suffix = f".{defaults.settings.output.format or 'mp4'}"
    found = find_files(inputs, recursive=recursive, without=defaults.outputs)
    paired = pair(found, defaults.outputs, suffix, defaults.settings, defaults.avatar)
    fresh = tuple(replace(job, fresh=defaults.fresh) for job in paired.jobs)
    return Jobs(fresh, paired.left_over)


def _check_outputs(jobs: Iterable[Job]) -> None:
    made = Counter(job.output.absolute() for job in jobs)
    twice = [str(path) for path, count in made.items() if count > 1]
    if twice:
        details = tuple(f"{path}: the output of {made[Path(path)]} jobs" for path in twice)
        raise JobListError("jobs would write the same file", where=twice[0], details=details)


def _distinct(jobs: Sequence[Job]) -> tuple[Job, ...]:
    """Jobs by their base name, where no other has it; else by the name of their output."""
    bases = {job.name: job.name.removesuffix(job.output.suffix) for job in jobs}
    counts = Counter(bases.values())
    return tuple(
        replace(job, name=base) if counts[base := bases[job.name]] == 1 else job for job in jobs
    )
