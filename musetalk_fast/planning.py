"""Inputs and settings become a plan: everything that decides how the video looks."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import orjson

from musetalk_fast.config import Settings
from musetalk_fast.events import Event, ProgressEvent, WarningEvent
from musetalk_fast.inputs.audio import Speech, load_speech
from musetalk_fast.inputs.image import Still, load_still
from musetalk_fast.types import AvatarOptions, CropEncoding, SourceRun
from musetalk_fast.video.encoders import EncoderSettings, resolve
from musetalk_fast.video.output import check_output

STILL_FPS = Fraction(25)

OnEvent = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Segment:
    """Frames `[start, stop)`: rendered, encoded and retried as one unit."""

    number: int
    start: int
    stop: int

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """The avatar and the recording, checked and normalised."""

    still: Still
    speech: Speech


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that decides how the video looks; no servers, no threads.

    Attributes:
        avatar_sha256, audio_sha256: hashes of the original files.
        fps: exact frames a second.
        frames: ceil(duration x fps).
        width, height: pixels of the output.
        sources: which source frame each output frame shows.
        encoder: the encoder as resolved for this machine.
        sound: whether the recording becomes the output's sound track.
    """

    avatar: Path
    audio: Path
    output: Path
    avatar_sha256: str
    audio_sha256: str
    duration: Fraction
    fps: Fraction
    frames: int
    width: int
    height: int
    sources: tuple[SourceRun, ...]
    segments: tuple[Segment, ...]
    encoder: EncoderSettings
    options: AvatarOptions
    background: str
    frame_encoding: CropEncoding
    sound: bool

    @property
    def identity(self) -> str:
        """SHA-256 over what decides how the video looks; equal work has an equal identity."""
        words = {
            "avatar": self.avatar_sha256,
            "audio": self.audio_sha256,
            "fps": str(self.fps),
            "frames": self.frames,
            "size": [self.width, self.height],
            "sources": [[run.first, run.step, run.count] for run in self.sources],
            "segments": [[segment.start, segment.stop] for segment in self.segments],
            "encoder": self.encoder.identity(),
            "options": repr(self.options),
            "background": self.background,
            "encoding": self.frame_encoding.value,
            "sound": self.sound,
        }
        return hashlib.sha256(orjson.dumps(words, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def sources_of(self, segment: Segment) -> tuple[SourceRun, ...]:
        """The runs of source frames that a segment's frames show."""
        runs = []
        position = 0
        for run in self.sources:
            first = max(segment.start, position)
            stop = min(segment.stop, position + run.count)
            if first < stop:
                offset = run.first + run.step * (first - position)
                runs.append(SourceRun(offset, run.step, stop - first))
            position += run.count
        return tuple(runs)


def load_inputs(
    avatar: Path, audio: Path, settings: Settings, workdir: Path, on_event: OnEvent
) -> Inputs:
    """Read, check and normalise both inputs; look for a face.

    Args:
        workdir: folder for the 16 kHz recording.
        on_event: told of progress and of what the user should know.

    Raises:
        errors.InputError: the leaf that says what cannot work.
    """
    on_event(ProgressEvent(stage="load", done=0, total=2))
    still = load_still(
        avatar,
        background=settings.avatar.background,
        resolution=settings.output.resolution,
    )
    _warn(still.notes, on_event)
    if settings.avatar.face_check:
        _look_for_face(still, avatar, settings, on_event)
    on_event(ProgressEvent(stage="load", done=1, total=2))
    speech = load_speech(audio, workdir)
    _warn(speech.notes, on_event)
    on_event(ProgressEvent(stage="load", done=2, total=2))
    return Inputs(still, speech)


def plan_render(inputs: Inputs, output: Path, settings: Settings) -> Plan:
    """Decide everything.

    Raises:
        errors.OutputError: the encoder does not open, or not for this container.
    """
    still, speech = inputs.still, inputs.speech
    fps = settings.output.fps or STILL_FPS
    frames = max(1, math.ceil(speech.duration * fps))
    return Plan(
        avatar=still.path,
        audio=speech.path,
        output=output,
        avatar_sha256=still.sha256,
        audio_sha256=speech.sha256,
        duration=speech.duration,
        fps=fps,
        frames=frames,
        width=still.width,
        height=still.height,
        sources=(SourceRun(0, 0, frames),),
        segments=cut(frames, fps, settings.processing.segment_secs),
        encoder=resolve(settings.output, output, still.width, still.height, fps),
        options=settings.avatar.options(),
        background=settings.avatar.background,
        frame_encoding=settings.processing.frame_encoding,
        sound=settings.output.audio == "auto",
    )


def cut(frames: int, fps: Fraction, segment_secs: float) -> tuple[Segment, ...]:
    """Segments of `segment_secs`, the last one shorter."""
    length = max(1, round(segment_secs * fps))
    return tuple(
        Segment(number, start, min(start + length, frames))
        for number, start in enumerate(range(0, frames, length))
    )


def make_plan(
    avatar: Path,
    audio: Path,
    output: Path,
    settings: Settings | None = None,
    *,
    on_event: OnEvent = lambda _event: None,
) -> Plan:
    """The plan of a render, without a server and without writing anything.

    Raises:
        errors.InputError, errors.OutputError: what would stop the render.
    """
    settings = settings or Settings()
    check_output(output, settings.output.format, overwrite=settings.output.overwrite)
    with tempfile.TemporaryDirectory(prefix="musetalk-") as workdir:
        inputs = load_inputs(avatar, audio, settings, Path(workdir), on_event)
        return plan_render(inputs, output, settings)


def _look_for_face(still: Still, avatar: Path, settings: Settings, on_event: OnEvent) -> None:
    from musetalk_fast.errors import InputError
    from musetalk_fast.inputs.face import find_face

    try:
        found = find_face(still.rgb, settings.avatar.options())
    except InputError as error:
        error.where = str(avatar)
        raise
    _warn(found.notes, on_event)


def _warn(notes: tuple[str, ...], on_event: OnEvent) -> None:
    for note in notes:
        on_event(WarningEvent(message=note))
