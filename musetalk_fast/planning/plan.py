"""The plan of a render as a value, and its segments."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import orjson

from musetalk_fast.media.excerpt import Excerpt
from musetalk_fast.media.picture.transparency import TRANSPARENT
from musetalk_fast.planning.source_frames import MAX_RUNS, SourceRuns
from musetalk_fast.types import (
    AvatarOptions,
    ColourTags,
    CropEncoding,
    Extend,
    Fit,
    NoFace,
    Scaling,
    Silence,
    Sound,
    SourceRun,
    StillRowsMode,
)
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.wire.avatar_options import options_from_json, options_to_json
from musetalk_fast.wire.records import (
    FLAG,
    PATH,
    SHA256,
    TEXT,
    FieldCodec,
    choice,
    excluded,
    integer,
    integers,
    nested,
    optional,
    ratio,
    record_identity,
    runs,
    stored,
)

_MAX_SEGMENTS = 1 << 20
"""A plan of ten hours in segments of a second has 36 000."""

_MAX_SIDE = 1 << 16
_MAX_TAG = 255
"""ITU-T H.273 gives its numbers eight bits."""


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


_SEGMENTS = FieldCodec(
    lambda members, name: tuple(
        Segment(number, *each) for number, each in enumerate(members.lists(name, 2, _MAX_SEGMENTS))
    ),
    lambda segments: [[segment.start, segment.stop] for segment in segments],
)
_OPTIONS = FieldCodec(
    lambda members, name: options_from_json(members.members(name)), options_to_json
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that decides how the video looks; no servers, no sizes of pools.

    Each field says here how it is written and whether it belongs to the identity; nothing else
    knows the fields but `plan_render`, which finds their values.

    Attributes:
        avatar_sha256, audio_sha256: hashes of the original files.
        track, start: which sound track of the recording is spoken, from 1, and how many seconds of
            it are left out.
        duration: of the rest, or of as much of it as was asked for, in seconds.
        fps: exact frames a second.
        frames: ceil(duration x fps); fewer where `extend` cuts.
        width, height: pixels of the output.
        fit: how an avatar of other proportions becomes so large.
        colour: what the samples of the output mean.
        bit_depth: of these samples.
        sources: which source frame each output frame shows.
        extend, speed_to_fit: how these were chosen.
        no_face: what is shown for those without a face.
        encoder: the encoder as resolved for this machine.
        silence: whose mouth pauses show.
        match_colour: whether crops are given the colours of the avatar under their rim.
        match_source: whether a source's HDR is kept, and all its bits had to be.
        still_rows: whether rows that never change may be encoded once.
        background: behind the avatar's transparent parts and in bars: a colour or `blur`, or
            `transparent` where these stay; None: a picture.
        background_image, background_sha256: this picture, and the hash of its file.
        sound, sound_bitrate: how the recording becomes the output's sound track; kbit/s, None: the
            encoder's default of ours.
        audio_from_avatar: whether it is the avatar's own track instead.
        mix_background, mix_background_sha256: what is mixed beneath, and the hash of its file.
        background_volume: decibels by which that is louder than in its file.
        frame_names: of a sequence: how the files in its folder are named, such as `%06d.png`.
        overwrite: whether an output that is there is replaced; does not decide how it looks.
    """

    avatar: Path = field(metadata=stored(PATH, identity=False))
    audio: Path = field(metadata=stored(PATH, identity=False))
    output: Path = field(metadata=excluded())
    avatar_sha256: str = field(metadata=stored(SHA256))
    audio_sha256: str = field(metadata=stored(SHA256))
    track: int = field(metadata=stored(integer(1)))
    start: Fraction = field(metadata=stored(ratio(0)))
    duration: Fraction = field(metadata=stored(ratio(0)))
    fps: Fraction = field(metadata=stored(ratio(1)))
    frames: int = field(metadata=stored(integer(1)))
    width: int = field(metadata=stored(integer(2, _MAX_SIDE)))
    height: int = field(metadata=stored(integer(2, _MAX_SIDE)))
    fit: Fit = field(metadata=stored(choice(Fit)))
    colour: ColourTags = field(metadata=stored(integers(ColourTags, 0, _MAX_TAG)))
    bit_depth: int = field(metadata=stored(integer(8, 16)))
    sources: tuple[SourceRun, ...] = field(metadata=stored(runs(SourceRun, MAX_RUNS)))
    extend: Extend = field(metadata=stored(choice(Extend), identity=False))
    speed_to_fit: bool = field(metadata=stored(FLAG, identity=False))
    no_face: NoFace = field(metadata=stored(choice(NoFace)))
    segments: tuple[Segment, ...] = field(metadata=stored(_SEGMENTS))
    encoder: EncoderSettings = field(metadata=stored(nested(EncoderSettings)))
    still_rows: StillRowsMode = field(metadata=stored(choice(StillRowsMode)))
    options: AvatarOptions = field(metadata=stored(_OPTIONS))
    background: str | None = field(metadata=stored(optional(TEXT)))
    background_image: Path | None = field(
        default=None, metadata=stored(optional(PATH), identity=False)
    )
    background_sha256: str | None = field(default=None, metadata=stored(optional(SHA256)))
    frame_encoding: CropEncoding = field(metadata=stored(choice(CropEncoding)))
    scaling: Scaling = field(metadata=stored(choice(Scaling)))
    silence: Silence = field(metadata=stored(choice(Silence)))
    match_colour: bool = field(metadata=stored(FLAG))
    match_source: bool = field(metadata=stored(FLAG))
    sound: Sound = field(metadata=stored(choice(Sound)))
    sound_bitrate: int | None = field(metadata=stored(optional(integer(8, 1536))))
    audio_from_avatar: bool = field(metadata=stored(FLAG))
    mix_background: Path | None = field(metadata=stored(optional(PATH), identity=False))
    mix_background_sha256: str | None = field(metadata=stored(optional(SHA256)))
    background_volume: int = field(metadata=stored(integer(-60, 20)))
    overwrite: bool = field(metadata=stored(FLAG, identity=False))
    frame_names: str | None = field(default=None, metadata=stored(optional(TEXT), identity=False))

    def __post_init__(self) -> None:
        """Keep the runs so that those of a segment are found at once."""
        object.__setattr__(self, "sources", SourceRuns(self.sources))

    @property
    def identity(self) -> str:
        """SHA-256 over what decides how the video looks; equal work has an equal identity."""
        words = record_identity(self)
        return hashlib.sha256(orjson.dumps(words, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def place(self) -> Path:
        """What appears when the video is finished: the output, or the folder of a sequence."""
        return self.output if self.frame_names is None else self.output.parent

    @property
    def excerpt(self) -> Excerpt:
        """What of the recording is spoken."""
        return Excerpt(str(self.track), self.start, self.duration)

    @property
    def is_transparent(self) -> bool:
        """Whether the video has alpha."""
        return self.background == TRANSPARENT

    @property
    def inputs(self) -> tuple[tuple[Path, str], ...]:
        """Avatar, recording, any background's picture and sound, with the SHA-256 of each."""
        given = [(self.avatar, self.avatar_sha256), (self.audio, self.audio_sha256)]
        if self.background_image is not None and self.background_sha256 is not None:
            given.append((self.background_image, self.background_sha256))
        if self.mix_background is not None and self.mix_background_sha256 is not None:
            given.append((self.mix_background, self.mix_background_sha256))
        return tuple(given)

    @property
    def moves(self) -> bool:
        """Whether it shows more than one source frame."""
        return len(self.sources) > 1 or self.sources[0].step != 0

    def sources_of(self, segment: Segment, first: int | None = None) -> tuple[SourceRun, ...]:
        """The runs of source frames that a segment's frames show, from frame `first` on."""
        assert isinstance(self.sources, SourceRuns)
        return self.sources.between(segment.start if first is None else first, segment.stop)


def cut(frames: int, fps: Fraction, segment_secs: float | Fraction) -> tuple[Segment, ...]:
    """Segments of `segment_secs`, the last one shorter."""
    length = segment_frames(fps, segment_secs)
    return tuple(
        Segment(number, start, min(start + length, frames))
        for number, start in enumerate(range(0, frames, length))
    )


def segment_frames(fps: Fraction, segment_secs: float | Fraction) -> int:
    """Frames of a segment that is not the last one."""
    return max(1, round(segment_secs * fps))
