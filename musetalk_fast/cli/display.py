"""Shows events: one JSON object per line, plain lines, or nothing; bars are in `bar_display`."""

from __future__ import annotations

import os
import re
import sys
import time
from dataclasses import asdict
from types import TracebackType
from typing import Any

from musetalk_fast.cli import formatting
from musetalk_fast.cli.heartbeat import Heartbeat
from musetalk_fast.cli.json_lines import json_line
from musetalk_fast.config import BUILTIN
from musetalk_fast.events import (
    DoneEvent,
    Event,
    FacelessEvent,
    FacesEvent,
    PlanEvent,
    ProgressEvent,
    ServerEvent,
    UploadEvent,
    WarningEvent,
    WeightsEvent,
)
from musetalk_fast.wire.printable import printable

MAX_LENGTH = 4000
_PERIOD_SECS = 5.0
_SHARE = 0.1
_SHORTEST_SECS = 0.5

_lost: list[OSError] = []
"""Why stdout could not be written."""


class Display:
    """Shows nothing: what the others begin with."""

    _video_is_there = False
    _heartbeat: Heartbeat | None = None
    """Of a display that gives signs of life."""

    def __enter__(self) -> Display:
        if self._heartbeat is not None:
            self._heartbeat.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop()
        self.close()
        if error is not None or not _lost:
            return
        if not self._video_is_there:
            raise _lost[0]
        lost = WarningEvent(
            message=f"stdout cannot be written: {_lost[0].strerror}", token="MTF-STDOUT"
        )
        print_error(formatting.warning_line(lost))

    def __call__(self, event: Event) -> None:
        """Show an event of a render."""
        self._video_is_there = self._video_is_there or isinstance(event, DoneEvent)

    def result(self, name: str, members: dict[str, Any], text: str) -> None:
        """The answer that was asked for: `members` as JSON, or `text`."""

    def close(self) -> None:
        """Nothing more will come."""


class JsonDisplay(Display):
    """One object per line on stdout; its `event` names the kind."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._heartbeat: Heartbeat = Heartbeat(self._beat)

    def __call__(self, event: Event) -> None:
        """Write the event's fields."""
        super().__call__(event)
        self._write(event_name(event), asdict(event))

    def result(self, name: str, members: dict[str, Any], text: str) -> None:  # noqa: ARG002
        """Write the members."""
        self._write(name, members)

    def _beat(self) -> None:
        self._write("heartbeat", {"elapsed_secs": round(time.monotonic() - self._began, 3)})

    def _write(self, name: str, members: dict[str, Any]) -> None:
        self._heartbeat.shown()
        print_out(json_line({"event": name, **members}))


class TextDisplay(Display):
    """What bars and lines share: notes on stderr, the answer on stdout."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._plan: PlanEvent | None = None
        self._began = time.monotonic()

    def elapsed(self) -> float:
        """Seconds since the render began."""
        return time.monotonic() - self._began

    def __call__(self, event: Event) -> None:
        """Say what needs saying."""
        super().__call__(event)
        if isinstance(event, WarningEvent | FacelessEvent):
            self.note(formatting.warning_line(event))
        elif isinstance(event, FacesEvent):
            if self._verbose or len(event.faces) > 1:
                self.note(formatting.faces_line(event))
        elif isinstance(event, ServerEvent):
            self.note(formatting.server_line(event))
            if self._verbose:
                self.note(formatting.wire_line(event, self._plan))
        elif isinstance(event, PlanEvent):
            self._plan = event
            self.note(formatting.plan_line(event))
            if self._verbose:
                self.note(formatting.encoder_line(event))
        elif isinstance(event, DoneEvent):
            self.done(event)
        elif isinstance(event, UploadEvent) and event.server == BUILTIN:
            pass  # it stays on this machine
        else:
            self.advance(event)

    def advance(self, event: Event) -> None:
        """Show how far it is."""

    def done(self, event: DoneEvent) -> None:
        """Say where the output is."""
        self.close()
        print_out(printable(formatting.done_line(event), MAX_LENGTH))
        if self._verbose:
            self.note(formatting.time_line(event))
            if event.mouth is not None:
                self.note(formatting.mouth_line(event.mouth))
            if event.still_rows is not None:
                self.note(formatting.still_rows_line(event.still_rows))

    def note(self, text: str) -> None:
        """A line on stderr."""
        print_error(text)

    def result(self, name: str, members: dict[str, Any], text: str) -> None:  # noqa: ARG002
        """The text, on stdout."""
        self.close()
        for line in text.splitlines():
            print_out(printable(line, MAX_LENGTH))


class LineDisplay(TextDisplay):
    """Plain lines, a few for each stage, for logs and pipes."""

    def __init__(self, *, verbose: bool) -> None:
        super().__init__(verbose=verbose)
        self._shown: dict[str, tuple[float, float]] = {}
        self._stage = ""
        self._heartbeat: Heartbeat = Heartbeat(self._beat)

    def note(self, text: str) -> None:
        """A line on stderr."""
        self._heartbeat.shown()
        super().note(text)

    def advance(self, event: Event) -> None:
        """A line about every five seconds or tenth, and one at the end of each stage."""
        if isinstance(event, UploadEvent):
            stage = f"sending {event.asset} to {event.server}"
            facts = [formatting.sent(event.sent, event.total)]
            self._advance(stage, event.sent, event.total, facts)
        elif isinstance(event, WeightsEvent):
            stage = formatting.STAGES[event.stage]
            self._advance(stage, event.done, event.total, formatting.weights_facts(event))
        elif isinstance(event, ProgressEvent) and (
            event.stage != "encode" or event.done == event.total
        ):
            # Encoding keeps pace with generating: in a log, its end is news enough.
            stage = formatting.STAGES.get(event.stage, event.stage)
            self._advance(stage, event.done, event.total, formatting.progress_facts(event))

    def _beat(self) -> None:
        self.note(f"still {self._stage or 'loading'}, {formatting.clock(self.elapsed())}")

    def _advance(self, stage: str, done: int, total: int, facts: list[str]) -> None:
        self._stage = stage
        now, share = self.elapsed(), done / max(1, total)
        before, reached = self._shown.get(stage, (now, 0.0))
        self._shown.setdefault(stage, (now, 0.0))
        waited = now - before
        tenth = share - reached >= _SHARE and waited >= _SHORTEST_SECS
        ended = share >= 1.0 > reached
        if share > reached and (tenth or ended or waited >= _PERIOD_SECS):
            self._shown[stage] = (now, share)
            so_far = [formatting.percent(done, total), formatting.clock(now), *facts]
            self.note(f"{stage} {', '.join(so_far)}")


def event_name(event: Event) -> str:
    """`ProgressEvent` -> `progress`."""
    words = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__.removesuffix("Event"))
    return words.lower()


def print_error(line: str) -> None:
    """A line on stderr, without characters that a terminal would obey."""
    print(printable(line, MAX_LENGTH), file=sys.stderr, flush=True)  # noqa: T201


def print_out(line: str) -> None:
    """A line on stdout; if its reader has gone or its disk is full, the render goes on without.

    In the latter case the display ends with that error, unless what it showed is a finished video.
    """
    try:
        print(line, flush=True)  # noqa: T201
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            _lost.append(error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
