"""Writes the report of a running batch now and then, in a thread, and looks at finished videos."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from musetalk_fast.batching.batch_job import Job
from musetalk_fast.batching.output_files import output_files, output_sha256
from musetalk_fast.batching.report import Report, report_to_json
from musetalk_fast.batching.report_folder import ReportFolder
from musetalk_fast.batching.report_keeper import ReportKeeper
from musetalk_fast.batching.report_page import report_to_html
from musetalk_fast.batching.thumbnail import thumbnail
from musetalk_fast.errors import InputError, OutputError
from musetalk_fast.rendering.planned_input import FileState, file_state
from musetalk_fast.video.provenance import is_ours

_PERIOD_SECS = 2.0
_MOST_THUMBNAILS = 1000
"""So that the page stays one that a browser opens: about 8 MB."""
_SHARE = 0.05
"""Of the time, that writing may take: the report of many jobs is long."""


class ReportWriter:
    """Writes what a keeper knows, until it is closed.

    Attributes:
        error: why it could not be written the last time.
    """

    def __init__(self, keeper: ReportKeeper, folder: ReportFolder) -> None:
        self._keeper = keeper
        self._folder = folder
        self._foreign = tuple(folder.foreign())
        self._lock = threading.Lock()
        self._thumbnails: dict[str, bytes] = {}
        self._finished: deque[Job] = deque()
        self._changed = threading.Event()
        self._closing = threading.Event()
        self.error: OutputError | None = None
        self._written: FileState | None = None
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)
        with suppress(RuntimeError):  # without a thread it is written at the end
            self._thread.start()

    @property
    def foreign(self) -> tuple[str, ...]:
        """Files in the place of a report that are not ours: they stay, and there is no such."""
        return tuple(map(str, self._foreign))

    @property
    def page(self) -> Path | None:
        """The report for people, if it was written."""
        page = self._folder.page
        return None if self.error is not None or page in self._foreign else page

    def look_at(self, job: Job) -> None:
        """Its video is finished."""
        self._finished.append(job)
        self._changed.set()

    def close(self, *, in_haste: bool = False) -> Report:
        """Write the last state.

        Args:
            in_haste: do not look at videos that were not looked at yet.
        """
        self._closing.set()
        self._changed.set()
        if self._thread.is_alive() and not in_haste:
            self._thread.join()
        if not in_haste:
            self._look_at_all()
        self._learn()
        report = self._keeper.close()
        self._write(report)
        return report

    def _run(self) -> None:
        pause = _PERIOD_SECS
        while not self._closing.wait(pause):
            if not self._changed.is_set():
                continue
            self._changed.clear()
            began = time.monotonic()
            self._look_at_all()
            if not self._closing.is_set():
                self._learn()
                self._write(self._keeper.report)
            pause = max(_PERIOD_SECS, (time.monotonic() - began) / _SHARE)

    def _look_at_all(self) -> None:
        while self._finished:
            self._look(self._finished.popleft())

    def _look(self, job: Job) -> None:
        if len(self._thumbnails) < _MOST_THUMBNAILS and (jpeg := _thumbnail(job.output)):
            self._thumbnails[job.name] = jpeg
        with suppress(InputError):
            if not is_ours(job.output):
                self._keeper.hashed(job, output_sha256(job.output))

    def _learn(self) -> None:
        """Keep what another batch into this folder has written in the place of our report."""
        state = file_state(self._folder.document)
        if state is not None and state != self._written:
            self._keeper.learn(self._folder.records())

    def _write(self, report: Report) -> None:
        with self._lock:
            try:
                if self._folder.document not in self._foreign:
                    self._folder.write(self._folder.document, report_to_json(report))
                    self._written = file_state(self._folder.document)
                if self._folder.page not in self._foreign:
                    page = report_to_html(report, self._thumbnails)
                    self._folder.write(self._folder.page, page)
            except OutputError as error:
                self.error = error
            else:
                self.error = None


def _thumbnail(output: Path) -> bytes | None:
    files = output_files(output)
    return thumbnail(files[len(files) // 2]) if files else None
