"""All settings as frozen values, with their defaults and bounds.

`[section] key` of the configuration file, `MUSETALK_<SECTION>_<KEY>` of the environment and the
flags of the command line are three names of these fields. Each carries its kind, which holds its
bounds; a value beyond them is refused wherever it comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, cast

from musetalk_fast.config.api_key import KEY
from musetalk_fast.config.number_kinds import BitRate, Integer, Number, Rate, Seconds
from musetalk_fast.config.pixel_kinds import FACE_BOX, POINT, Size
from musetalk_fast.config.text_kinds import FileName, Pattern, Switch, Text, Texts, Track, Word
from musetalk_fast.config.value_kind import Kind
from musetalk_fast.errors import InvalidSettingError
from musetalk_fast.types import (
    PRESETS,
    AvatarOptions,
    Box,
    Container,
    CropEncoding,
    Extend,
    Fit,
    NoFace,
    Scaling,
    Silence,
    StillRowsMode,
)
from musetalk_fast.wire.media_types import WIRES

DEFAULT_SERVER = "http://localhost:8000"
BUILTIN = "builtin"
AUTO_WIRE = "auto"
AUTO_CODEC = "auto"

FILE = FileName("a file", 1000)
"""The kind of every setting that names a file."""
BACKGROUND = FileName(
    "a colour (a name or #RRGGBB), the file of a picture, blur or transparent", 1000
)
"""The kind of a setting that may name one."""

_ADDRESSES = Texts(Text("http://HOST:PORT, https://HOST:PORT, unix:/PATH or builtin", 500), 64)
_CODEC = Text("h264, hevc, av1, vp9, prores, ffv1, the name of an FFmpeg encoder, or auto", 40)
_TUNE = Pattern("a word", r"[a-z]{1,20}")
_PIX_FMT = Pattern("FFmpeg's name of a pixel format", r"[a-z0-9]{1,20}")
_EXTRAS = Texts(Text("NAME=VALUE", 100), 32)
_WIRE = Word(AUTO_WIRE, *(wire.name for wire in WIRES))
_FACE = Word("largest", "left", "right", counted=True)
_ENCODING = Word(*CropEncoding, make=CropEncoding)
_FIT = Word(*Fit, make=Fit)
_SCALING = Word(*Scaling, make=Scaling)
_SILENCE = Word(*Silence, make=Silence)
_SOUND = Word("auto", "copy", "aac", "opus", "flac", "none")
_STILL_ROWS = Word(*StillRowsMode, make=StillRowsMode)
_EXTEND = Word(*Extend, make=Extend)
_NO_FACE = Word(*NoFace, make=NoFace)


class _Section:
    """Fields that are checked by their kinds when the section is made.

    Raises:
        errors.InvalidSettingError: a value that its kind refuses.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        for item in fields(cast("Any", self)):
            value = getattr(self, item.name)
            if value is None and item.default is None:
                continue
            try:
                value = item.metadata["kind"].check(value)
            except ValueError as error:
                where = f"{type(self).__name__}.{item.name}"
                raise InvalidSettingError(str(error), where=where) from None
            # Frozen; an integer given as a rate becomes the fraction it means.
            object.__setattr__(self, item.name, value)


def kinds(section: type) -> dict[str, Kind]:
    """The keys of a section, in their order, with the kinds of their values."""
    return {item.name: item.metadata["kind"] for item in fields(section)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings(_Section):
    """`[server]`: what makes the mouth.

    Attributes:
        url: `http(s)://HOST:PORT`, `unix:/PATH` or `builtin`, one or several, kept as a tuple;
            None: localhost, else built-in.
        timeout_secs: longest silence of a server before it counts as failed.
        frame_timeout_secs: longest time without a frame, or without a step forward of a
            preparation, even if keep-alives come.
        wire: the only one to use, by its name in `wire.media_types`; `auto`: the best one that the
            server has.
        api_key: sent as a bearer token. Neither a flag nor a file says it.
        api_key_file: a file that holds the key, if `api_key` is None.
        ca_file: PEM certificates to trust instead of the system's.
        cert, key: PEM files: our own certificate, and its key if that stands elsewhere.
    """

    url: str | Sequence[str] | None = field(default=None, metadata={"kind": _ADDRESSES})
    timeout_secs: float = field(default=60.0, metadata={"kind": Number(0.1, 3600, "seconds")})
    frame_timeout_secs: float = field(
        default=300.0, metadata={"kind": Number(0.1, 36_000, "seconds")}
    )
    wire: str = field(default=AUTO_WIRE, metadata={"kind": _WIRE})
    api_key: str | None = field(default=None, metadata={"kind": KEY}, repr=False)
    api_key_file: str | None = field(default=None, metadata={"kind": FILE})
    ca_file: str | None = field(default=None, metadata={"kind": FILE})
    cert: str | None = field(default=None, metadata={"kind": FILE})
    key: str | None = field(default=None, metadata={"kind": FILE})


@dataclass(frozen=True, slots=True, kw_only=True)
class AvatarSettings(_Section):
    """`[avatar]`: which face, where its mouth goes, and how a moving avatar fills the video.

    Attributes:
        background: behind transparent parts and in bars: a colour of CSS, the file of a picture,
            `blur` (a blurred copy of the avatar) or `transparent`; None: transparent where the
            output can be, else white.
        face_check: look for a face before anything is sent.
        extend: what comes where the recording is longer than the avatar; see `types.Extend`.
        speed_to_fit: stretch the avatar's motion to the recording, so that both end together.
        no_face: what is shown for source frames without a face; see `types.NoFace`.
        silence: `model`: pauses show the mouth that the server makes; `hold`: the avatar's own
            comes back, unless it is open.
    """

    face: str = field(default="largest", metadata={"kind": _FACE})
    face_box: Box | None = field(default=None, metadata={"kind": FACE_BOX})
    face_center: tuple[int, int] | None = field(default=None, metadata={"kind": POINT})
    face_check: bool = field(default=True, metadata={"kind": Switch()})
    bbox_shift: int = field(default=0, metadata={"kind": Integer(-100, 100)})
    extra_margin: int = field(default=10, metadata={"kind": Integer(0, 100)})
    smooth: bool = field(default=False, metadata={"kind": Switch()})
    silence: Silence = field(default=Silence.MODEL, metadata={"kind": _SILENCE})
    background: str | None = field(default=None, metadata={"kind": BACKGROUND})
    extend: Extend = field(default=Extend.PINGPONG, metadata={"kind": _EXTEND})
    speed_to_fit: bool = field(default=False, metadata={"kind": Switch()})
    no_face: NoFace = field(default=NoFace.PASS, metadata={"kind": _NO_FACE})

    def options(self) -> AvatarOptions:
        """The part of these settings that travels to the server."""
        return AvatarOptions(
            face=self.face,
            face_box=self.face_box,
            face_center=self.face_center,
            bbox_shift=self.bbox_shift,
            extra_margin=self.extra_margin,
            smooth=self.smooth,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSettings(_Section):
    """`[output]`: the finished file.

    Attributes:
        fps: frames a second, exact; None: 25 for a still, a moving avatar's own.
        resolution: (width, height), of which one may be -2: it follows from the other; `source`:
            the avatar's own, made even; None: the same, scaled down to what phones play.
        fit: of an avatar with other proportions: `pad` (bars), `crop` or `stretch`.
        max_side: the most pixels of a side; a larger video is scaled down.
        format: one of `types.Container`; None: from the file's name.
        codec: a family (`h264`, `hevc`, `av1`, `vp9`, `prores`, `ffv1`), an FFmpeg encoder, or
            `auto`: one in hardware that opens here, else the format's default, as is None.
        quality: 0 to 100, alike for all encoders. This or one of the next three; None of them: the
            encoder's default of ours.
        crf: the same by the encoder's own measure (20 for x264).
        bitrate: bits a second.
        lossless: lose nothing of the frames as they are encoded.
        preset: x264's preset; other encoders: the nearest of theirs.
        tune: what the encoder shall work for, by its own words.
        gop: most frames from one key frame to the next; None: those of 10 seconds.
        pix_fmt: FFmpeg's name of the pixel format that is encoded; None: the encoder's default.
        encoder_option: more options of the encoder, as NAME=VALUE.
        still_rows: `auto`: rows of a still avatar that never change are encoded once, where the
            encoder and the sizes allow it and it pays; `full`: with every frame.
        scaling: of the mouth into its place: `bilinear`, or `lanczos`, which is sharper.
        match_colour: give each mouth the colours of the avatar around it.
        match_source: a moving avatar's codec and bit rate, where they are not chosen, and its bits
            and HDR, in HEVC (AV1 in WebM) where its codec does not keep them here. Without it HDR
            becomes SDR, and bits are kept where the encoder takes them.
        sound: `auto`: the recording's own packets where they can be copied, else encoded as the
            format's default; `copy`, or an error; `aac`, `opus` or `flac`; `none`.
        sound_bitrate: kbit/s of sound that is encoded; None: 80 a channel of AAC, 64 of Opus.
        audio_from_avatar: the video's sound is the avatar's own; its mouth follows the recording.
        mix_background: a file whose sound is mixed beneath, repeated to the video's end.
        background_volume: decibels by which it is louder than in its file.
        overwrite: replace an output that is there.
    """

    fps: Fraction | int | None = field(default=None, metadata={"kind": Rate(1, 240)})
    resolution: tuple[int, int] | str | None = field(
        default=None, metadata={"kind": Size(64, 8192)}
    )
    fit: Fit = field(default=Fit.PAD, metadata={"kind": _FIT})
    max_side: int | None = field(default=None, metadata={"kind": Integer(64, 8192)})
    format: str | None = field(default=None, metadata={"kind": Word(*Container)})
    codec: str | None = field(default=None, metadata={"kind": _CODEC})
    quality: int | None = field(default=None, metadata={"kind": Integer(0, 100)})
    crf: int | None = field(default=None, metadata={"kind": Integer(0, 63)})
    bitrate: int | None = field(default=None, metadata={"kind": BitRate(10_000, 1_000_000_000)})
    lossless: bool = field(default=False, metadata={"kind": Switch()})
    preset: str | None = field(default=None, metadata={"kind": Word(*PRESETS)})
    tune: str | None = field(default=None, metadata={"kind": _TUNE})
    gop: int | None = field(default=None, metadata={"kind": Integer(1, 10_000)})
    pix_fmt: str | None = field(default=None, metadata={"kind": _PIX_FMT})
    encoder_option: Sequence[str] | None = field(default=None, metadata={"kind": _EXTRAS})
    still_rows: StillRowsMode = field(default=StillRowsMode.AUTO, metadata={"kind": _STILL_ROWS})
    scaling: Scaling = field(default=Scaling.BILINEAR, metadata={"kind": _SCALING})
    match_colour: bool = field(default=False, metadata={"kind": Switch()})
    match_source: bool = field(default=False, metadata={"kind": Switch()})
    sound: str = field(default="auto", metadata={"kind": _SOUND})
    sound_bitrate: int | None = field(default=None, metadata={"kind": Integer(8, 1536)})
    audio_from_avatar: bool = field(default=False, metadata={"kind": Switch()})
    mix_background: str | None = field(default=None, metadata={"kind": FILE})
    background_volume: int = field(default=-20, metadata={"kind": Integer(-60, 20)})
    overwrite: bool = field(default=True, metadata={"kind": Switch()})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingSettings(_Section):
    """`[processing]`: how the work is cut and carried.

    Attributes:
        segment_secs: length of a segment.
        max_retries: failures in a row after which a server counts as lost.
        frame_encoding: how crops travel.
        strict_audio: refuse a recording in which sound is damaged or cut off.
        audio_track: of the recording: a number from 1, or a language; None: the first that can be
            decoded.
        start: seconds at the recording's beginning that are left out.
        duration: seconds of what follows; None: to the recording's end.
    """

    segment_secs: float = field(default=10.0, metadata={"kind": Number(1, 600, "seconds")})
    max_retries: int = field(default=5, metadata={"kind": Integer(0, 100)})
    frame_encoding: CropEncoding = field(default=CropEncoding.RAW, metadata={"kind": _ENCODING})
    strict_audio: bool = field(default=False, metadata={"kind": Switch()})
    audio_track: str | None = field(default=None, metadata={"kind": Track()})
    start: Fraction | float = field(default=Fraction(0), metadata={"kind": Seconds(0, 360_000)})
    duration: Fraction | float | None = field(
        default=None, metadata={"kind": Seconds(Fraction(1, 1000), 36_000)}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of a render beside its inputs and its output."""

    server: ServerSettings = field(default_factory=ServerSettings)
    avatar: AvatarSettings = field(default_factory=AvatarSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    processing: ProcessingSettings = field(default_factory=ProcessingSettings)

    def __post_init__(self) -> None:
        """Raise InvalidSettingError for a section that is none."""
        for name, kind in SECTIONS.items():
            if not isinstance(getattr(self, name), kind):
                raise InvalidSettingError(f"must be {kind.__name__}(...)", where=f"Settings.{name}")


SECTIONS: dict[str, type] = {
    "server": ServerSettings,
    "avatar": AvatarSettings,
    "output": OutputSettings,
    "processing": ProcessingSettings,
}
"""The sections of the configuration file."""
