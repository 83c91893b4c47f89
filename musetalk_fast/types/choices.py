"""Enumerations that are settings and stand in plans."""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "AUTO_SIDE",
    "PRESETS",
    "SOURCE_SIZE",
    "Container",
    "CropEncoding",
    "Extend",
    "Fit",
    "NoFace",
    "Scaling",
    "Silence",
    "Sound",
    "StillRowsMode",
]


PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)
"""x264's presets, fastest first; each encoder maps them to its own."""


class Container(StrEnum):
    """What a finished video is packed in; `png` and `jpeg` are a file for each frame."""

    MP4 = "mp4"
    MOV = "mov"
    WEBM = "webm"
    MKV = "mkv"
    GIF = "gif"
    WEBP = "webp"
    APNG = "apng"
    PNG = "png"
    JPEG = "jpeg"
    Y4M = "y4m"
    RGB = "rgb"


class Sound(StrEnum):
    """How the sound of a finished video is made: not at all, of copied packets, or encoded."""

    NONE = "none"
    COPY = "copy"
    AAC = "aac"
    OPUS = "opus"
    FLAC = "flac"


class Scaling(StrEnum):
    """How a crop is scaled into its box."""

    BILINEAR = "bilinear"
    LANCZOS = "lanczos"


class Silence(StrEnum):
    """Whose mouth is seen in pauses."""

    MODEL = "model"
    HOLD = "hold"


class StillRowsMode(StrEnum):
    """Whether the rows of a still avatar that never change are encoded once."""

    AUTO = "auto"
    FULL = "full"


class Fit(StrEnum):
    """What a picture does that has other proportions than the video."""

    STRETCH = "stretch"
    PAD = "pad"
    CROP = "crop"


AUTO_SIDE = -2
"""In place of a side: it follows from the other one and the proportions, and is even."""

SOURCE_SIZE = "source"
"""In place of a size: the avatar's own."""


class Extend(StrEnum):
    """What comes where the recording is longer than a moving avatar.

    `pingpong`: backward, then forward again; `loop`: its beginning; `hold`: its last frame stays;
    `cut`: the video ends with the avatar.
    """

    PINGPONG = "pingpong"
    LOOP = "loop"
    HOLD = "hold"
    CUT = "cut"


class NoFace(StrEnum):
    """What is shown for a source frame of a moving avatar in which the engine found no face.

    `pass`: the source frame as it is; `hold`: in its place stands, and speaks, the last source
    frame before it that has a face (the first that has one, where there is none before);
    `fail`: the render ends before its first frame is made.
    """

    PASS = "pass"
    HOLD = "hold"
    FAIL = "fail"


class CropEncoding(StrEnum):
    """How a crop's bytes travel.

    Their order is declared here alone: the first is number 1 on the binary wire, and `ext/lines.c`
    lists the same names.
    """

    RAW = "raw"
    JPEG = "jpeg"
    PNG = "png"
