"""All settings as frozen values, with their defaults and bounds.

`[section] key` of the configuration file, `MUSETALK_<SECTION>_<KEY>` of the environment and the
flags of the command line are three names of these fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from musetalk_fast.types import AvatarOptions, Box, CropEncoding

DEFAULT_SERVER = "http://localhost:8000"
BUILTIN = "builtin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """`[server]`: who makes the mouth.

    Attributes:
        url: `http(s)://HOST:PORT`, `unix:/PATH` or `builtin`; None: localhost, else built-in.
        timeout_secs: longest silence of a server before it counts as failed.
    """

    url: str | None = None
    timeout_secs: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AvatarSettings:
    """`[avatar]`: which face, and where its mouth goes.

    Attributes:
        background: colour under transparent parts: a name (`white`) or `#RRGGBB`.
        face_check: look for a face before anything is sent.
    """

    face: str = "largest"
    face_box: Box | None = None
    face_center: tuple[int, int] | None = None
    face_check: bool = True
    bbox_shift: int = 0
    extra_margin: int = 10
    background: str = "white"

    def options(self) -> AvatarOptions:
        """The part of these settings that travels to the server."""
        return AvatarOptions(
            face=self.face,
            face_box=self.face_box,
            face_center=self.face_center,
            bbox_shift=self.bbox_shift,
            extra_margin=self.extra_margin,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSettings:
    """`[output]`: the finished file.

    Attributes:
        fps: frames a second, exact; None: 25 for a still.
        resolution: (width, height); None: the avatar's own, made even.
        format: `mp4` or `webm`; None: from the file's name.
        codec: an FFmpeg encoder; None: the format's default.
        crf: constant rate factor; None: the encoder's default of ours (20 for x264).
        preset: x264's preset; other encoders: the nearest of theirs.
        audio: `auto` (the recording) or `none`.
        overwrite: replace an output that is there.
    """

    fps: Fraction | None = None
    resolution: tuple[int, int] | None = None
    format: str | None = None
    codec: str | None = None
    crf: int | None = None
    preset: str | None = None
    audio: str = "auto"
    overwrite: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingSettings:
    """`[processing]`: how the work is cut and carried.

    Attributes:
        segment_secs: length of a segment.
        frame_encoding: how crops travel.
    """

    segment_secs: float = 10.0
    frame_encoding: CropEncoding = CropEncoding.RAW


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a render can be told beside its inputs and its output."""

    server: ServerSettings = field(default_factory=ServerSettings)
    avatar: AvatarSettings = field(default_factory=AvatarSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    processing: ProcessingSettings = field(default_factory=ProcessingSettings)
