"""Every message that is not a frame, as the members of a JSON object and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from musetalk_fast.errors import FrameShapeError, ProtocolError
from musetalk_fast.kernels.png import PngError, decode_png_into
from musetalk_fast.types import Box, CropEncoding, Mask
from musetalk_fast.wire.json_object import MAX_INDEX, JsonObject
from musetalk_fast.wire.messages import (
    End,
    ErrorMessage,
    FaceMessage,
    Heartbeat,
    Message,
    Progress,
    Start,
)

MAX_MASK_PIXELS = 8192 * 8192
"""Most pixels of a mask: as many as the largest avatar has."""

_DETAILS = ("source_frames", "width", "height")


def as_list(numbers: Sequence[int] | None) -> list[int] | None:
    """Coordinates as the JSON encoder takes them."""
    return None if numbers is None else list(numbers)


def _start(members: JsonObject, _data: memoryview) -> Start:
    encoding = members.optional_text("encoding")
    start = members.integer("start")
    return Start(
        engine=members.text("engine"),
        model=members.text("model"),
        faces=members.hexadecimal("faces", 64) if members.has("faces") else None,
        start=start,
        stop=members.integer("stop", start),
        encoding=None if encoding is None else crop_encoding(encoding),
    )


def crop_encoding(name: str) -> CropEncoding:
    """The encoding of that name.

    Raises:
        ProtocolError: there is none.
    """
    try:
        return CropEncoding(name)
    except ValueError:
        known = ", ".join(encoding.value for encoding in CropEncoding)
        raise ProtocolError(f"encoding must be one of {known}, not {name!r}") from None


def _face(
    members: JsonObject, data: memoryview, picture: tuple[int, int] | None = None
) -> FaceMessage:
    source = members.integer("source")
    if not members.has("box"):
        return FaceMessage(source=source)
    box, mask_box = members.box("box"), members.box("mask_box")
    mask = _mask(mask_box, data, picture)
    return FaceMessage(source=source, box=box, mask_box=mask_box, mask=mask)


def _mask(place: Box, data: memoryview, picture: tuple[int, int] | None) -> Mask:
    """The mask, of which nothing is inflated before its size is known to be right."""
    if picture is not None and not _is_inside(place, *picture):
        raise FrameShapeError(
            f"a mask at {tuple(place)} in a picture of {picture[0]}x{picture[1]} pixels"
        )
    if place.width * place.height > MAX_MASK_PIXELS:
        raise FrameShapeError(
            f"a mask of {place.width}x{place.height} pixels; the limit is {MAX_MASK_PIXELS} in all"
        )
    mask = np.empty((place.height, place.width), np.uint8)
    try:
        decode_png_into(data, mask)
    except PngError as error:
        raise FrameShapeError(f"the mask of a face: {error}") from None
    return mask


def _is_inside(place: Box, width: int, height: int) -> bool:
    is_left_top = place.x >= 0 and place.y >= 0
    return is_left_top and place.x + place.width <= width and place.y + place.height <= height


def _progress(members: JsonObject, _data: memoryview) -> Progress:
    total = members.integer("total")
    return Progress(
        stage=members.text("stage"), done=members.integer("done", 0, total), total=total
    )


def _end(members: JsonObject, _data: memoryview) -> End:
    return End(
        count=members.integer("count"),
        digest=members.hexadecimal("digest", 8),
        details=_details(members),
    )


def _details(members: JsonObject) -> Mapping[str, Any]:
    details: dict[str, Any] = {}
    if members.has("faces"):
        details["faces"] = members.hexadecimal("faces", 64)
    for name in _DETAILS:
        if members.has(name):
            details[name] = members.integer(name, 0, MAX_INDEX)
    return details


def _error(members: JsonObject, _data: memoryview) -> ErrorMessage:
    return ErrorMessage(
        code=members.text("code"),
        message=members.text("message", 500),
        retryable=members.flag("retryable", default=False),
        hint=members.optional_text("hint", 500),
    )


def _start_members(start: Start) -> dict[str, Any]:
    return {
        "engine": start.engine,
        "model": start.model,
        "faces": start.faces,
        "start": start.start,
        "stop": start.stop,
        "encoding": start.encoding.value if start.encoding else None,
    }


def _face_members(face: FaceMessage) -> dict[str, Any]:
    return {"source": face.source, "box": as_list(face.box), "mask_box": as_list(face.mask_box)}


def _progress_members(progress: Progress) -> dict[str, Any]:
    return {"stage": progress.stage, "done": progress.done, "total": progress.total}


def _end_members(end: End) -> dict[str, Any]:
    return {"count": end.count, "digest": end.digest, **end.details}


def _error_members(error: ErrorMessage) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "retryable": error.retryable,
    }


class Kind(NamedTuple):
    """One kind of message.

    Attributes:
        type: of its values.
        name: on every wire.
        number: on the binary wire.
        members: what it says as a JSON object, without its type and a face's mask.
        build: makes it from its members and its data (a face's mask as PNG). Members named `type`
            and `crc32c` and unknown ones are ignored. Raises ProtocolError if a member is missing
            or out of bounds, or the mask is not what it says.
    """

    type: type[Any]
    name: str
    number: int
    members: Callable[[Any], dict[str, Any]]
    build: Callable[[JsonObject, memoryview], Message]


def build_message(
    kind: Kind, members: JsonObject, data: memoryview, picture: tuple[int, int] | None
) -> Message:
    """As `Kind.build`; masks must lie in a picture of that width and height, if one is given."""
    if kind.type is FaceMessage:
        return _face(members, data, picture)
    return kind.build(members, data)


FRAME_NAME, FRAME_NUMBER = "frame", 3
"""Of the one message that each wire writes and reads in a form of its own."""

KINDS = (
    Kind(Start, "start", 1, _start_members, _start),
    Kind(FaceMessage, "face", 2, _face_members, _face),
    Kind(Progress, "progress", 4, _progress_members, _progress),
    Kind(Heartbeat, "heartbeat", 5, lambda _: {}, lambda _members, _data: Heartbeat()),
    Kind(End, "end", 6, _end_members, _end),
    Kind(ErrorMessage, "error", 7, _error_members, _error),
)
"""All of them but frames."""

KIND_OF = {kind.type: kind for kind in KINDS}
KIND_NAMED = {kind.name: kind for kind in KINDS}
KIND_NUMBERED = {kind.number: kind for kind in KINDS}
