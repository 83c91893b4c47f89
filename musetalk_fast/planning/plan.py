"""The plan of a render as a value, and its segments."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import orjson

from musetalk_fast.types import AvatarOptions, CropEncoding, Scaling, SourceRun
from musetalk_fast.video.encoder_settings import EncoderSettings


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that decides how the video looks; no servers, no sizes of pools.

    Attributes:
        avatar_sha256, audio_sha256: hashes of the original files.
        duration: of the recording, in seconds.
        fps: exact frames a second.
        frames: ceil(duration x fps).
        width, height: pixels of the output.
        resolution: the size that was asked for; None: the avatar's own, made even.
        sources: which source frame each output frame shows.
        encoder: the encoder as resolved for this machine.
        sound: whether the recording becomes the output's sound track.
        overwrite: whether an output that is there is replaced; does not decide how it looks.
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
    resolution: tuple[int, int] | None
    sources: tuple[SourceRun, ...]
    segments: tuple[Segment, ...]
    encoder: EncoderSettings
    options: AvatarOptions
    background: str
    frame_encoding: CropEncoding
    scaling: Scaling
    sound: bool
    overwrite: bool

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
            "scaling": self.scaling.value,
            "sound": self.sound,
        }
        return hashlib.sha256(orjson.dumps(words, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def sources_of(self, segment: Segment, first: int | None = None) -> tuple[SourceRun, ...]:
        """The runs of source frames that a segment's frames show, from frame `first` on."""
        begin = segment.start if first is None else first
        return tuple(_within(self.sources, begin, segment.stop))


def cut(frames: int, fps: Fraction, segment_secs: float) -> tuple[Segment, ...]:
    """Segments of `segment_secs`, the last one shorter."""
    length = max(1, round(segment_secs * fps))
    return tuple(
        Segment(number, start, min(start + length, frames))
        for number, start in enumerate(range(0, frames, length))
    )


def _within(runs: Iterable[SourceRun], start: int, stop: int) -> Iterable[SourceRun]:
    position = 0
    for run in runs:
        first, last = max(start, position), min(stop, position + run.count)
        if first < last:
            yield SourceRun(run.first + run.step * (first - position), run.step, last - first)
        position += run.count
