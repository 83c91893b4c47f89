"""What the tasks of a job say, passed on as if one task had made it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from musetalk_fast.batching.batch_job import Job
from musetalk_fast.events import Event, PlanEvent, ProgressEvent, ServerEvent, WarningEvent

OnEvent = Callable[[Job | None, Event], None]


@dataclass(frozen=True, slots=True)
class Begun:
    """A task begins, for the first time or again.

    Attributes:
        where: `host, process 123`.
    """

    where: str


@dataclass(frozen=True, slots=True)
class Message:
    """What a task says.

    Attributes:
        job: name of its job.
        piece: number of the task in its job; 0: it makes it all, or the steps before and after.
    """

    job: str
    piece: int
    content: Event | Begun


class JobTasks:
    """Follows the tasks of a job.

    Args:
        pieces: tasks that share its segments; 1: it is made as a whole.
    """

    def __init__(self, job: Job, pieces: int, on_event: OnEvent) -> None:
        self.job = job
        self.pieces = pieces
        self._on_event = on_event
        self._frames: int | None = None
        self._said: set[WarningEvent] = set()
        self._places: dict[int, str] = {}
        self._progress: dict[str, dict[int, ProgressEvent]] = {}

    def take(self, message: Message) -> None:
        """Pass on what a task says."""
        content = message.content
        if isinstance(content, Begun):
            self._begun(message.piece, content.where)
        elif isinstance(content, ServerEvent):
            self._on_event(None, content)
        elif isinstance(content, ProgressEvent):
            self._on_event(self.job, self._sum(message.piece, content))
        elif isinstance(content, WarningEvent):
            self._warn(content)
        else:
            if isinstance(content, PlanEvent):
                self._frames = content.frames
            self._on_event(self.job, content)

    def _begun(self, piece: int, where: str) -> None:
        before = self._places.get(piece)
        self._places[piece] = where
        if (before is not None and piece) or (
            before is not None and self.pieces == 1
        ):  # 0 are the steps before and after
            self._again(before, where)

    def _again(self, before: str, where: str) -> None:
        message = f"a task of it ended early ({before}): begun again ({where})"
        self._warn(WarningEvent(message=message, token="MTF-TASK-AGAIN"))

    def _warn(self, warning: WarningEvent) -> None:
        """Once: each task, and each try of it, says the same of the inputs."""
        if warning not in self._said:
            self._said.add(warning)
            self._on_event(self.job, warning)

    def _sum(self, piece: int, event: ProgressEvent) -> ProgressEvent:
        if self.pieces == 1 or not piece:
            return event
        known = self._progress.setdefault(event.stage, {})
        known[piece] = event
        rates = [each.fps for each in known.values() if each.fps is not None]
        return replace(
            event,
            done=sum(each.done for each in known.values()),
            total=self._frames or sum(each.total for each in known.values()),
            fps=sum(rates) if rates else None,
            eta_secs=max((each.eta_secs or 0.0 for each in known.values()), default=None),
        )


def shares(segments: int, pieces: int) -> Iterator[range]:
    """Segments shared out evenly, each share one run."""
    pieces = min(segments, pieces)
    cuts = [segments * each // pieces for each in range(pieces + 1)]
    return (range(start, stop) for start, stop in pairwise(cuts))
