"""The report of a batch: the outcome of each job, by which the next batch knows what is done."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from musetalk_fast._version import __version__
from musetalk_fast.errors import ProtocolError
from musetalk_fast.events import MouthFigures
from musetalk_fast.wire.json_object import JsonObject
from musetalk_fast.wire.printable import escape_all_surrogates

FORMAT = "musetalk-fast batch 1"
LONGEST = 1 << 28
"""Bytes of the file: a job takes about a thousand."""

_MAX_PATH = 4096
_MOST = 1e12


class JobState(StrEnum):
    """What became of a job."""

    DONE = "done"
    KEPT = "kept"
    FAILED = "failed"
    STOPPED = "stopped"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """What is known of a job.

    Attributes:
        state: `kept`: the video was there already, and its figures are those of the batch that
            made it, as far as they are known.
        output: as the report's folder names it: relative, if it is below.
        identity: of the plan, in hexadecimal.
        sha256: of the output, where its container has no metadata.
        fps: of the video, as a fraction.
        render_fps: frames a second while frames were generated and encoded.
        stages: seconds spent in each.
        warnings: `token: message`.
        error: token, message, where and hint.
    """

    name: str
    state: str
    avatar: str
    audio: str
    output: str
    identity: str | None = None
    engine: str | None = None
    model: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    frames: int | None = None
    duration_secs: float | None = None
    fps: str | None = None
    width: int | None = None
    height: int | None = None
    render_fps: float | None = None
    wall_secs: float | None = None
    stages: Mapping[str, float] = field(default_factory=dict)
    mouth: MouthFigures | None = None
    warnings: tuple[tuple[str, str], ...] = ()
    error: Mapping[str, str | None] | None = None

    @property
    def mouth_is_still(self) -> bool:
        """Whether there was speech and the mouth did not move."""
        return any(token == "MTF-MOUTH-STILL" for token, _ in self.warnings)


@dataclass(frozen=True, slots=True)
class Report:
    """A batch.

    Attributes:
        state: `running`, `stopped` or `done`.
        wall_secs: of the whole batch so far.
        servers: which made the mouths: address and engine.
        jobs: in the order of the inputs.
        earlier: of videos in the same folder that belong to earlier batches only.
    """

    state: str
    began: str
    wall_secs: float
    servers: tuple[str, ...]
    jobs: tuple[JobRecord, ...]
    earlier: tuple[JobRecord, ...] = ()

    def counts(self) -> dict[str, int]:
        """Jobs by their state, those of no job left out."""
        counted = Counter(job.state for job in self.jobs)
        return {state.value: counted[state] for state in JobState if counted[state]}


def report_to_json(report: Report) -> str:
    """The document, a job a line."""
    head = {
        "format": FORMAT,
        "version": __version__,
        "state": report.state,
        "began": report.began,
        "wall_secs": round(report.wall_secs, 3),
        "servers": report.servers,
        "counts": report.counts(),
    }
    members = [f"  {json.dumps(name)}: {_dumped(value)}" for name, value in head.items()]
    members += [_listed("jobs", report.jobs), _listed("earlier", report.earlier)]
    return "{\n" + ",\n".join(members) + "\n}\n"


def _listed(name: str, records: Iterable[JobRecord]) -> str:
    lines = ",\n".join(f"    {_dumped(_members(record))}" for record in records)
    return f'  "{name}": [\n{lines}\n  ]' if lines else f'  "{name}": []'


def _members(record: JobRecord) -> dict[str, Any]:
    known = asdict(record)
    known["warnings"] = [{"token": token, "message": message} for token, message in record.warnings]
    return {name: value for name, value in known.items() if value not in (None, {}, [])}


def _dumped(value: object) -> str:
    return json.dumps(escape_all_surrogates(value), ensure_ascii=False)


def records_from_json(text: bytes) -> list[JobRecord]:
    """The jobs of an earlier report; none, if it is not one of ours or damaged.

    A job with a member that is none of ours is left out: its video is looked at itself.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return []
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return []
    records = []
    for name in ("jobs", "earlier"):
        listed = document.get(name)
        for each in listed if isinstance(listed, list) else ():
            try:
                records.append(_record(JsonObject(each, "a job")))
            except ProtocolError:
                continue
    return records


def pace_from_json(text: bytes) -> float | None:
    """Frames a second that the batch of a report came to, all in all; None if it made too few."""
    rendered = [each for each in records_from_json(text) if each.state == JobState.DONE]
    frames = sum(each.frames or 0 for each in rendered)
    if not frames:
        return None
    try:
        secs = JsonObject(json.loads(text), "the report").number("wall_secs", 1e-3, _MOST)
    except ProtocolError:
        return None
    return frames / secs


def _record(job: JsonObject) -> JobRecord:
    return JobRecord(
        avatar=job.exact_text("avatar", _MAX_PATH),
        audio=job.exact_text("audio", _MAX_PATH),
        output=job.exact_text("output", _MAX_PATH),
        name=job.exact_text("name", _MAX_PATH),
        state=_state(job),
        identity=job.hexadecimal("identity", 64) if job.has("identity") else None,
        engine=job.optional_text("engine"),
        model=job.optional_text("model"),
        bytes=_whole(job, "bytes"),
        sha256=job.hexadecimal("sha256", 64) if job.has("sha256") else None,
        frames=_whole(job, "frames"),
        duration_secs=_number(job, "duration_secs"),
        fps=job.optional_text("fps"),
        width=_whole(job, "width"),
        height=_whole(job, "height"),
        render_fps=_number(job, "render_fps"),
        wall_secs=_number(job, "wall_secs"),
        stages=_stages(job),
        mouth=_mouth(job.members("mouth")) if job.has("mouth") else None,
        warnings=_warnings(job),
    )


def _state(job: JsonObject) -> str:
    state = job.text("state")
    if state not in tuple(JobState):
        raise job.wrong("state", f"one of {', '.join(JobState)}")
    return state


def _whole(job: JsonObject, name: str) -> int | None:
    return job.integer(name, 0, int(_MOST)) if job.has(name) else None


def _number(job: JsonObject, name: str) -> float | None:
    return job.number(name, -_MOST, _MOST) if job.has(name) else None


_STAGES = ("load", "server", "prepare", "generate", "join")


def _stages(job: JsonObject) -> dict[str, float]:
    stages = job.members("stages")
    return {name: stages.number(name, 0, _MOST) for name in _STAGES if stages.has(name)}


def _mouth(mouth: JsonObject) -> MouthFigures:
    return MouthFigures(
        moved=_number(mouth, "moved"),
        follows=_number(mouth, "follows"),
        speech_secs=mouth.number("speech_secs", 0, _MOST),
    )


def _warnings(job: JsonObject) -> tuple[tuple[str, str], ...]:
    given = job.objects("warnings", 1000) if job.has("warnings") else ()
    return tuple((each.text("token"), each.text("message", 4000)) for each in given)
