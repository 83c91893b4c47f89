"""Which segments of a plan a machine shall make: by number, by output frames, or by a task."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from musetalk_fast.errors import UsageError
from musetalk_fast.planning.plan import Plan, Segment


@dataclass(frozen=True, slots=True)
class SegmentChoice:
    """Segments by one of three ways; of none: all.

    Attributes:
        numbers: of segments.
        frames: the first and the last output frame, which begin and end a segment.
        task: a farm's first task number and how many tasks the machine shall do; task N is segment
            N, and what lies beyond the last segment counts for nothing, because an engine that
            deals in chunks fills up the last one.
    """

    numbers: Collection[int] | None = None
    frames: tuple[int, int] | None = None
    task: tuple[int, int] | None = None

    def of(self, plan: Plan) -> list[Segment]:
        """The segments in their order, each once.

        Raises:
            errors.UsageError: there is no such segment, or frames that cut one.
        """
        if self.frames is not None:
            return _between(plan, *self.frames)
        if self.task is not None:
            first, count = self.task
            last = min(first + count, len(plan.segments))
            return _numbered(plan, range(first, last) or [first])
        if self.numbers is not None:
            return _numbered(plan, self.numbers)
        return list(plan.segments)


def _numbered(plan: Plan, numbers: Collection[int]) -> list[Segment]:
    count = len(plan.segments)
    wrong = sorted(number for number in numbers if not 0 <= number < count)
    if wrong:
        raise UsageError(f"there is no segment {wrong[0]}; they are 0 to {count - 1}")
    return [plan.segments[number] for number in sorted(set(numbers))]


def _between(plan: Plan, first: int, last: int) -> list[Segment]:
    touched = [each for each in plan.segments if each.start <= last and first < each.stop]
    if not touched or last >= plan.frames:
        raise UsageError(f"there is no frame {last}; they are 0 to {plan.frames - 1}")
    if touched[0].start == first and touched[-1].stop == last + 1:
        return touched
    whole = [each for each in touched if first <= each.start and each.stop <= last + 1]
    near = [_frames(touched)] + ([_frames(whole)] if whole else [])
    raise UsageError(
        f"frames {first}-{last} begin or end inside a segment",
        hint=f"a segment is made as a whole: use --frames {' or '.join(near)}",
    )


def _frames(segments: list[Segment]) -> str:
    return f"{segments[0].start}-{segments[-1].stop - 1}"
