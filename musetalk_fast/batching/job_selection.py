"""Selects the jobs of a batch that this run takes."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from musetalk_fast.batching.batch_job import Job
from musetalk_fast.errors import UsageError


@dataclass(frozen=True, slots=True)
class Selection:
    """Applied in this order.

    Attributes:
        only: names of jobs, or patterns of `*`, `?` and `[...]`; none: all of them.
        shard: `(i, n)`: every n-th, beginning with the i-th from 1; None: all of them.
        limit: the most; None: all of them.
    """

    only: tuple[str, ...] = ()
    shard: tuple[int, int] | None = None
    limit: int | None = None

    def of(self, jobs: Sequence[Job]) -> tuple[Job, ...]:
        """The chosen jobs, in their order.

        Raises:
            errors.UsageError: a name that no job has.
        """
        for pattern in self.only:
            if not any(_is_named(job, pattern) for job in jobs):
                near = difflib.get_close_matches(pattern, [job.name for job in jobs], 1)
                hint = f"did you mean {near[0]}?" if near else "--dry-run lists the jobs"
                raise UsageError(f"--only {pattern}: no job has this name", hint=hint)
        chosen = [
            job for job in jobs if not self.only or any(_is_named(job, each) for each in self.only)
        ]
        if self.shard is not None:
            number, count = self.shard
            chosen = chosen[number - 1 :: count]
        return tuple(chosen[: self.limit])


def _is_named(job: Job, pattern: str) -> bool:
    """By its name, or that of its recording without the suffix."""
    return any(fnmatchcase(name, pattern) for name in (job.name, job.audio.stem))
