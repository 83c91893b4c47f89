"""A batch as JSON lines."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from musetalk_fast.cli.batch_display import BatchDisplay
from musetalk_fast.cli.display import event_name, print_out
from musetalk_fast.cli.error_report import describe
from musetalk_fast.cli.heartbeat import Heartbeat
from musetalk_fast.cli.json_lines import json_line

if TYPE_CHECKING:
    from musetalk_fast.batching import Outcome
    from musetalk_fast.errors import MuseTalkError
    from musetalk_fast.events import Event


class JsonBatch(BatchDisplay):
    """One object per line on stdout: events with their `job`, and after each job the `batch`."""

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self._heartbeat = Heartbeat(lambda: self._write_state("running"))
        self._heartbeat.start()

    def close(self) -> None:
        """No more states."""
        self._heartbeat.stop()

    def show(self, job: str | None, event: Event) -> None:
        """Write the event's fields."""
        self._write(event_name(event), job, asdict(event))

    def show_end(self, outcome: Outcome) -> None:  # noqa: ARG002
        """How far the batch is."""
        self._write_state("running")

    def fail(self, job: str, error: MuseTalkError) -> None:
        """As a failed run writes it."""
        self._write("error", job, describe(error))

    def say_stopped(self, text: str) -> None:  # noqa: ARG002
        """How far it was."""
        self._write_state("stopped")

    def result(self, name: str, members: dict[str, Any], text: str) -> None:  # noqa: ARG002
        """Write the members."""
        self._write(name, None, members)

    def _write_state(self, state: str) -> None:
        eta = self.eta_secs()
        left = None if eta is None else round(eta, 1)
        members = {"state": state, "total": self.total, **self.counts, "eta_secs": left}
        self._write("batch", None, members)

    def _write(self, name: str, job: str | None, members: dict[str, Any]) -> None:
        self._heartbeat.shown()
        named = {} if job is None else {"job": job}
        print_out(json_line({"event": name, **named, **members}))
