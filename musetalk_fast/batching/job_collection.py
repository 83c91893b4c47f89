"""Collects all inputs of a batch into one list of jobs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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


def _check_outputs(jobs: Sequence[Job]) -> None:
    """By what the paths lead to: a file has as many names as there are links and `..`."""
    made: dict[str, list[Job]] = {}
    for job in jobs:
        made.setdefault(os.path.realpath(job.place), []).append(job)
    twice = [alike for alike in made.values() if len(alike) > 1]
    if twice:
        details = (f"{alike[0].place}: the output of {len(alike)} jobs" for alike in twice)
        where = str(twice[0][0].place)
        message = "jobs would write the same file or folder"
        raise JobListError(message, where=where, details=tuple(details))
    inside = [alike[0].output for path, alike in made.items() if _holder(Path(path).parent, made)]
    if inside:
        raise JobListError(
            "jobs would write into the folder of a sequence, which takes its frames alone",
            where=str(inside[0]),
            details=tuple(f"{path}: in the folder of another job's sequence" for path in inside),
        )
    _check_inputs(jobs, made)


def _check_inputs(jobs: Sequence[Job], made: Mapping[str, Sequence[Job]]) -> None:
    read = sorted({os.path.realpath(path) for job in jobs for path in (job.avatar, job.audio)})
    holders = dict.fromkeys(_holder(Path(path), made) for path in read)
    replaced = [made[each][0].output for each in holders if each is not None]
    if replaced:
        details = (f"{path}: an output, and what another job reads" for path in replaced)
        raise JobListError(
            "jobs would replace what other jobs read",
            where=str(replaced[0]),
            details=tuple(details),
            hint="choose another folder for the videos: -o FOLDER",
        )


def _holder(path: Path, made: Mapping[str, Sequence[Job]]) -> str | None:
    """The output that a path is, or is in."""
    return next((str(each) for each in (path, *path.parents) if str(each) in made), None)


def _distinct(jobs: Sequence[Job]) -> tuple[Job, ...]:
    """Jobs by their base name, where no other has it; else by their output's, or its path."""
    names = [(job.name.removesuffix(job.output.suffix), job.name, str(job.output)) for job in jobs]
    counts = Counter(name for each in names for name in set(each))
    return tuple(
        replace(job, name=next((name for name in each if counts[name] == 1), each[-1]))
        for job, each in zip(jobs, names, strict=True)
    )
