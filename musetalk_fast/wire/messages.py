"""The messages of the protocol, the same on every wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from musetalk_fast.types import ALL_ROWS, CROP_SIZE, Box, CropEncoding, Mask, Rows

PROTOCOL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Constants of a stream of frames or faces.

    Attributes:
        engine, model: what makes the crops, and which version of it.
        faces: digest of the avatar's faces.
        start, stop: the range of frames (or of source frames) that follows.
        encoding: how the crops travel; None for a stream of faces.
    """

    engine: str
    model: str
    faces: str | None = None
    start: int
    stop: int
    encoding: CropEncoding | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceMessage:
    """The face of one source frame, or that there is none (`box` is None).

    Attributes:
        mask: (mask_box.height, mask_box.width) uint8; travels as a PNG.
    """

    source: int
    box: Box | None = None
    mask_box: Box | None = None
    mask: Mask | None = None


@dataclass(slots=True, kw_only=True, eq=False)  # made for every frame: frozen costs 1.5 us more
class Frame:
    """One crop.

    Attributes:
        index: number of the output frame.
        source: source frame it was made for.
        encoding: what `data` is.
        rows: which rows of the crop `data` holds; `width` is their width.
        data: the crop's bytes; on NDJSON still base64 text (`base64` is True).
    """

    index: int
    source: int
    encoding: CropEncoding
    data: bytes | memoryview
    rows: Rows = ALL_ROWS
    width: int = CROP_SIZE
    base64: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FullFrame:
    """One full frame of `POST /infer`.

    Attributes:
        index: number of the output frame.
        data: the frame as a PNG of any kind.
    """

    index: int
    data: memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class InferEnd:
    """What a document of `POST /infer` says beside its frames.

    Attributes:
        count: frames that came.
        status: in the server's own words.
        fps: frames a second, or None if it does not say.
    """

    count: int
    status: str
    fps: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a preparation is."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The server lives; sent at least every 5 s of silence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The stream is complete.

    Attributes:
        count: frames (or faces) sent.
        digest: 8 hex digits: CRC-32C over the little-endian checksums of all messages of this
            stream before this one, in order.
        details: for a stream of faces: `faces` (their digest), `source_frames`, `width`, `height`.
    """

    count: int
    digest: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorMessage:
    """The stream failed after its answer had begun."""

    code: str
    message: str
    retryable: bool
    hint: str | None = None


Message: TypeAlias = Start | FaceMessage | Frame | Progress | Heartbeat | End | ErrorMessage
