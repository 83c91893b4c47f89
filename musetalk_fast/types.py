"""The words of the project as types: shapes, dtypes, colour order and units.

Pictures are `uint8`, RGB, C-contiguous, `(height, width, 3)` unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from av import Packet

Picture: TypeAlias = NDArray[np.uint8]
"""(H, W, 3) uint8 RGB."""

Crop: TypeAlias = NDArray[np.uint8]
"""(rows, 256, 3) uint8 RGB: the mouth picture, or a window of its rows."""

Mask: TypeAlias = NDArray[np.uint8]
"""(h, w) uint8: 255 takes the crop, 0 keeps the avatar."""

Pcm: TypeAlias = NDArray[np.int16]
"""(samples,) int16, mono, 16 kHz."""

CROP_SIZE = 256
"""Side of a crop in pixels (MuseTalk's VAE works on 256 x 256)."""

SPEECH_RATE = 16_000
"""Samples a second of the sound a server gets (Whisper's rate)."""


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


class PlacedPacket(NamedTuple):
    """A packet of sound and its place, in samples; what is before 0 is not heard."""

    packet: Packet[Any]
    start: int
    samples: int


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourTags:
    """What the samples of a video mean, in FFmpeg's numbers: those of ITU-T H.273.

    Attributes:
        matrix: how R'G'B' became Y'CbCr.
        range: 1: limited, 2: full, as in FFmpeg's `AVColorRange`.
        primaries: of the red, green and blue meant.
        transfer: from light to R'G'B'.
    """

    matrix: int
    range: int
    primaries: int
    transfer: int


BT709 = ColourTags(matrix=1, range=1, primaries=1, transfer=1)
"""BT.709 in limited range: what a still is brought to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mastering:
    """For which display HDR was made, and how bright it gets (SMPTE ST 2086, CTA-861.3).

    0 stands for what is not known.

    Attributes:
        red_x, red_y, green_x, green_y, blue_x, blue_y, white_x, white_y: chromaticities of the
            display, in parts of 50,000.
        brightest, darkest: of the display, in 1/10,000 cd/m2.
        brightest_pixel, brightest_frame: of the content, in cd/m2, the latter on average over the
            frame.
    """

    red_x: int
    red_y: int
    green_x: int
    green_y: int
    blue_x: int
    blue_y: int
    white_x: int
    white_y: int
    brightest: int
    darkest: int
    brightest_pixel: int
    brightest_frame: int


MAX_MASTERING = 100_000_000
"""Of any of these numbers: 10,000 cd/m2."""


class Box(NamedTuple):
    """A rectangle in pixels of the source frame; `x`, `y` may be negative."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Rows:
    """A window of a crop: its first row and how many follow."""

    first: int
    count: int


ALL_ROWS = Rows(0, CROP_SIZE)


@dataclass(frozen=True, slots=True)
class SourceRun:
    """`count` output frames that show source frames `first, first + step, ...`.

    `step` is -1, 0 or 1.
    """

    first: int
    step: int
    count: int


class Timestamps(NamedTuple):
    """When the source frames of a moving avatar begin.

    Attributes:
        starts: of each frame, in ticks; the first one's is 0, and each is above the one before.
        end: of the last frame.
        tick: seconds.
    """

    starts: Sequence[int]
    end: int
    tick: Fraction


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """Who makes the crops of a render: all of them come from one engine and model.

    Attributes:
        is_preview: its mouths are a preview, not MuseTalk.
    """

    name: str
    model: str
    is_preview: bool


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """What an engine found in one source frame.

    Attributes:
        source: index of the source frame.
        box: where the 256 x 256 crop goes; may reach beyond the frame.
        mask_box: where the mask is not zero, inside both `box` and the frame.
        mask: (mask_box.height, mask_box.width) weights of that rectangle.
        place: left, top, width and height of the box where they are no whole pixels, as in a frame
            that was scaled; `box` is then what covers it. None: `box` is exact.
    """

    source: int
    box: Box
    mask_box: Box
    mask: Mask
    place: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AvatarOptions:
    """How an engine shall look at an avatar; part of its cache key.

    Attributes:
        face: `largest`, `left`, `right`, or an index counted from the left.
        face_box: the face is here: skip detection of where, not of landmarks.
        face_center: take the face nearest to this point.
        bbox_shift: pixels added to the nose bridge before the box is computed.
        extra_margin: pixels added below the chin (MuseTalk 1.5: 10).
        smooth: even out what the box trembles through a video; off, as in MuseTalk.
    """

    face: str = "largest"
    face_box: Box | None = None
    face_center: tuple[int, int] | None = None
    bbox_shift: int = 0
    extra_margin: int = 10
    smooth: bool = False
