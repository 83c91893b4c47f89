"""A listener that keeps what a batch says, and runs of small batches."""

from __future__ import annotations

import asyncio
import shutil
import wave
from collections.abc import Sequence
from pathlib import Path

from musetalk_fast.batching import (
    BatchOptions,
    FinishedVideos,
    Job,
    Outcome,
    ReportFolder,
    ReportKeeper,
    render_all,
)
from musetalk_fast.batching.report_writer import ReportWriter
from musetalk_fast.config import OutputSettings, ServerSettings, Settings
from musetalk_fast.events import Event

REPOSITORY = Path(__file__).parents[2]


class Recorder:
    """Keeps outcomes by name, events, and the report."""

    def __init__(self, jobs: Sequence[Job], folder: ReportFolder) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.events: list[tuple[str | None, Event]] = []
        self.begun: list[str] = []
        self.interrupted = False
        self.most = 0
        self._at_work = 0
        self.keeper = ReportKeeper(jobs, folder, folder.records())
        self._writer: ReportWriter | None = None
        self._folder = folder

    def begin(self, job: Job) -> None:
        if self._writer is None:
            self._writer = ReportWriter(self.keeper, self._folder)
        self.begun.append(job.name)
        self._at_work += 1
        self.most = max(self.most, self._at_work)
        self.keeper.begin(job)

    def event(self, job: Job | None, event: Event) -> None:
        self.events.append((None if job is None else job.name, event))
        self.keeper.event(job, event)

    def end(self, outcome: Outcome) -> None:
        self._at_work -= 1
        self.outcomes[outcome.job.name] = outcome
        self.keeper.end(outcome)
        assert self._writer is not None
        if outcome.error is None:
            self._writer.look_at(outcome.job)

    def interrupt(self) -> None:
        self.interrupted = True
        self.keeper.interrupt()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    @property
    def states(self) -> dict[str, str]:
        """How each job ended."""
        return {job.name: job.state for job in self.keeper.report.jobs}


def small(server: str, **output: object) -> Settings:
    """Settings for small videos."""
    known = {"resolution": (256, 256), "preset": "ultrafast"} | output
    return Settings(server=ServerSettings(url=server), output=OutputSettings(**known))


def job(folder: Path, name: str, settings: Settings, secs: float = 0.4) -> Job:
    """A job of the example's portrait and so much of a recording, which are made if need be."""
    avatar, audio = folder / f"{name}.png", folder / f"{name}.wav"
    if not avatar.exists():
        shutil.copy(REPOSITORY / "examples/portrait.png", avatar)
    if not audio.exists():
        speak(audio, secs)
    suffix = settings.output.format or "mp4"
    return Job(name, avatar, audio, folder / "out" / f"{name}.{suffix}", settings)


def speak(path: Path, secs: float) -> None:
    """Write the first seconds of a recording."""
    with wave.open(str(REPOSITORY / "tests/data/short.wav")) as speech:
        frames = speech.readframes(int(secs * speech.getframerate()))
        with wave.open(str(path), "w") as file:
            file.setparams(speech.getparams())
            file.writeframes(frames)


def run(jobs: Sequence[Job], reports: Path | None = None, **options: object) -> Recorder:
    """Run a batch whose report is in that folder, or in that of the first job's video."""
    folder = ReportFolder(reports or jobs[0].output.parent)
    recorder = Recorder(jobs, folder)
    finished = FinishedVideos(folder.records())
    asyncio.run(render_all(jobs, recorder, finished, BatchOptions(**options)))
    recorder.close()
    return recorder
