"""Source frames in which the engine found no face, and what is shown for them.

A server cannot be asked for their crops: what is asked for are the frames between them, a range at
a time, and no more runs of source frames at once than a request takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.errors import NoFaceError
from musetalk_fast.events import FacelessEvent
from musetalk_fast.media.fade import faded_in
from musetalk_fast.planning.source_frames import as_runs
from musetalk_fast.types import NoFace, SourceRun
from musetalk_fast.wire.requests import MAX_RUNS

_MAX_RANGES = 100
"""That an event names."""


@dataclass(frozen=True, slots=True)
class Span:
    """Output frames `[start, stop)` in a row, all of source frames with a face, or all without.

    Attributes:
        runs: of the source frames that they show.
    """

    start: int
    stop: int
    runs: tuple[SourceRun, ...]
    has_face: bool


class FacelessFrames:
    """What is known of the source frames without a face.

    Args:
        has_face: (source frames,) whether each has one; at least one of them has.
        no_face: what is shown for those without.
    """

    def __init__(self, has_face: NDArray[np.bool_], no_face: NoFace) -> None:
        self._has_face = has_face
        self._no_face = no_face
        self._before = np.concatenate([[0], np.cumsum(~has_face)])
        self._held = _held(has_face) if no_face is NoFace.HOLD else None
        self._away = _away(has_face) if no_face is NoFace.PASS else None

    def shown(self, runs: tuple[SourceRun, ...]) -> tuple[SourceRun, ...]:
        """The source frames that are shown where the plan has these."""
        if self._held is None or not self.count(runs):
            return runs
        return tuple(as_runs(int(self._held[source]) for source in _sources(runs)))

    def spans(self, runs: tuple[SourceRun, ...], start: int) -> Iterator[Span]:
        """The frames from `start` on that show these source frames, to be asked for or not."""
        kept: list[SourceRun] = []
        has_face = True
        for run, with_face in self._parted(self.shown(runs)):
            if kept and (with_face != has_face or len(kept) == MAX_RUNS):
                yield _span(start, kept, has_face)
                start, kept = start + _count(kept), []
            has_face = with_face
            kept.append(run)
        if kept:
            yield _span(start, kept, has_face)

    def count(self, runs: Iterable[SourceRun]) -> int:
        """How many output frames of these runs show a source frame without a face."""
        return sum(self._count(run) for run in runs)

    def crop_weights(self, rate: Fraction) -> NDArray[np.float64] | None:
        """How much of its crop each source frame shows, (source frames,), 0 to 1; None: all of it.

        Where frames without a face are shown as they are, mouths fade to and from them. The ends of
        the clip are no such edges.

        Args:
            rate: source frames a second.
        """
        return None if self._away is None else faded_in(self._away / float(rate))

    def check(self, runs: Iterable[SourceRun], where: str) -> None:
        """Refuse source frames without a face, if that was asked for.

        Args:
            runs: that are shown.
            where: the avatar, for the message.

        Raises:
            errors.NoFaceError: it names the first one.
        """
        if self._no_face is not NoFace.FAIL:
            return
        found = (source for run in runs if self._count(run) for source in _sources([run]))
        for source in found:
            if not self._has_face[source]:
                raise NoFaceError(
                    f"source frame {source} has no face",
                    where=where,
                    hint="--no-face pass shows such frames as they are, --no-face hold the one "
                    "before them that has a face",
                )

    def event(self) -> FacelessEvent | None:
        """Which they are; None if there are none."""
        edges = np.flatnonzero(np.diff(self._has_face, prepend=True, append=True))
        ranges = [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)[:_MAX_RANGES]]
        if not ranges:
            return None
        return FacelessEvent(
            frames=int(self._before[-1]),
            total=len(self._has_face),
            ranges=tuple(ranges),
            shown=self._no_face.value,
        )

    def _parted(self, runs: Iterable[SourceRun]) -> Iterator[tuple[SourceRun, bool]]:
        """Runs of which all frames have a face, or none has."""
        for run in runs:
            without = self._count(run)
            if without in (0, run.count):
                yield run, not without
                continue
            has_face = self._has_face[run.first + run.step * np.arange(run.count)]
            edges = [0, *(np.flatnonzero(np.diff(has_face)) + 1).tolist(), run.count]
            for first, last in pairwise(edges):
                begin = run.first + run.step * first
                yield replace(run, first=begin, count=last - first), bool(has_face[first])

    def _count(self, run: SourceRun) -> int:
        low, high = sorted((run.first, run.first + run.step * (run.count - 1)))
        without = int(self._before[high + 1] - self._before[low])
        return without if run.step else without * run.count


def _held(has_face: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Of each source frame: the last one up to it that has a face, else the first that has one."""
    own = np.where(has_face, np.arange(len(has_face)), int(np.argmax(has_face)))
    return np.maximum.accumulate(own)


def _away(has_face: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    """Of each source frame: how many frames away the nearest one without a face is, if any is."""
    without, here = np.flatnonzero(~has_face), np.arange(len(has_face))
    if not len(without):
        return None
    after = np.searchsorted(without, here).clip(max=len(without) - 1)
    before = np.maximum(after - 1, 0)
    return np.asarray(np.minimum(abs(without[after] - here), abs(without[before] - here)))


def _span(start: int, runs: Sequence[SourceRun], has_face: bool) -> Span:
    return Span(start, start + _count(runs), tuple(runs), has_face)


def _count(runs: Iterable[SourceRun]) -> int:
    return sum(run.count for run in runs)


def _sources(runs: Iterable[SourceRun]) -> Iterator[int]:
    return (run.first + run.step * place for run in runs for place in range(run.count))
