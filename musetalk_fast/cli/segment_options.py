"""Which segments `segment` makes: by its options, or by the number that a farm gives a task."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from musetalk_fast.cli.grouped_help import GroupedOption
from musetalk_fast.errors import UsageError

if TYPE_CHECKING:
    from musetalk_fast.planning import SegmentChoice

Ranges = tuple[tuple[int, int], ...]
"""(first, last), both included."""

F = TypeVar("F", bound=Callable[..., Any])

_MAX_VALUE = 1 << 30
_MAX_NUMBERS = 1 << 20
_RANGE = re.compile(r"(\d{1,10})(?:-(\d{1,10}))?")


class RangesType(click.ParamType):  # type: ignore[type-arg]
    """`7`, `3-9`, or several with commas between; a tuple of (first, last)."""

    name = "ranges"

    def __init__(self, *, single: bool) -> None:
        self._single = single

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Ranges:
        """The ranges of a text."""
        texts = [value] if self._single else value.split(",")
        ranges = tuple(self._range(text.strip(), param, ctx) for text in texts)
        if not self._single and sum(last - first + 1 for first, last in ranges) > _MAX_NUMBERS:
            self.fail(f"{value!r} are more than {_MAX_NUMBERS} segments", param, ctx)
        return ranges

    def _range(
        self, text: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        found = _RANGE.fullmatch(text)
        first, last = (int(each) for each in (found[1], found[2] or found[1])) if found else (1, 0)
        if not first <= last < _MAX_VALUE:
            also = "" if self._single else ", or several with commas between"
            self.fail(
                f"{text!r} is no range: use a number or a range such as 3-9{also}", param, ctx
            )
        return first, last


def segment_options(command: F) -> F:
    """`--segments` and `--frames`."""
    frames = click.option(
        "--frames", cls=GroupedOption, group="Segments", type=RangesType(single=True),
        metavar="FIRST-LAST", envvar="MUSETALK_FRAMES",
        help="Make the segments of these output frames, which must begin and end a segment.",
    )  # fmt: skip
    segments = click.option(
        "--segments", cls=GroupedOption, group="Segments", type=RangesType(single=False),
        metavar="FIRST-LAST", envvar="MUSETALK_SEGMENTS",
        help="Segments to make, from 0 on: 7, 3-9, or several with commas between. Default: the "
        "number that a farm gave this task (SLURM_ARRAY_TASK_ID; CUE_IFRAME and CUE_CHUNK), else "
        "all.",
    )  # fmt: skip
    return segments(frames(command))


def choice_of(segments: Ranges | None, frames: Ranges | None) -> SegmentChoice:
    """What was asked for; without options, the task's number.

    Raises:
        errors.UsageError: both options, or a number of a task that is none.
    """
    from musetalk_fast.planning import SegmentChoice

    if segments is not None and frames is not None:
        raise UsageError("--segments and --frames choose different segments", hint="give one")
    if frames is not None:
        return SegmentChoice(frames=frames[0])
    if segments is not None:
        return SegmentChoice([n for first, last in segments for n in range(first, last + 1)])
    return SegmentChoice(task=_task(os.environ))


def _task(environ: Mapping[str, str]) -> tuple[int, int] | None:
    """The first task and how many, as Slurm or OpenCue numbers them.

    https://slurm.schedmd.com/job_array.html, https://docs.opencue.io (rqd's environment).
    """
    for number, count in (("SLURM_ARRAY_TASK_ID", None), ("CUE_IFRAME", "CUE_CHUNK")):
        if environ.get(number):
            chunk = _whole(environ, count) if count and environ.get(count) else 1
            return _whole(environ, number), max(1, chunk)
    return None


def _whole(environ: Mapping[str, str], variable: str) -> int:
    text = environ[variable]
    if not (text.isascii() and text.isdecimal() and int(text[:11]) < _MAX_VALUE):
        raise UsageError(
            f"{text[:40]!r} is no number of a task", where=variable, hint="use --segments"
        )
    return int(text)
