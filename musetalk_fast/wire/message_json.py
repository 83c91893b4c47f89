"""Every message that is not a frame, as the members of a JSON object and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from musetalk_fast.errors import FrameShapeError, ProtocolError
from musetalk_fast.kernels.png import PngError, decode_png
from musetalk_fast.types import Box, CropEncoding, Mask
from musetalk_fast.wire.json_object import MAX_INDEX, JsonObject
from musetalk_fast.wire.messages import (
    End,
    ErrorMessage,
    FaceMessage,
    Frame,
    Heartbeat,
    Message,
    Progress,
    Start,
)

MAX_MASK_PIXELS = 8192 * 8192
"""Most pixels of a mask: as many as the largest avatar has."""

Built = Callable[[JsonObject, memoryview], Message]
"""Makes a message from its members and its data (the mask's PNG; else empty)."""

_DETAILS = ("source_frames", "width", "height")

NAMES: dict[type[Any], str] = {
    Start: "start",
    FaceMessage: "face",
    Frame: "frame",
    Progress: "progress",
    Heartbeat: "heartbeat",
    End: "end",
    ErrorMessage: "error",
}
"""How both wires call the messages."""


def members_of(message: Message) -> dict[str, Any]:
    """The members of a message that is not a frame, without its type and a face's mask."""
    if isinstance(message, Start):
        encoding = message.encoding.value if message.encoding else None
        return {
            "engine": message.engine,
            "model": message.model,
            "faces": message.faces,
            "start": message.start,
            "stop": message.stop,
            "encoding": encoding,
        }
    if isinstance(message, FaceMessage):
        return {
            "source": message.source,
            "box": as_list(message.box),
            "mask_box": as_list(message.mask_box),
        }
    if isinstance(message, Progress):
        return {"stage": message.stage, "done": message.done, "total": message.total}
    if isinstance(message, End):
        return {"count": message.count, "digest": message.digest, **message.details}
    if isinstance(message, ErrorMessage):
        return {
            "code": message.code,
            "message": message.message,
            "hint": message.hint,
            "retryable": message.retryable,
        }
    return {}


def as_list(place: Sequence[int] | None) -> list[int] | None:
    """Coordinates as the JSON encoder takes them."""
    return None if place is None else list(place)


def build(name: str, members: JsonObject, data: memoryview) -> Message:
    """Make the message of that name.

    Args:
        name: one of `NAMES` other than `frame`.
        members: its members; `type`, `crc32c` and unknown ones are ignored.
        data: a face's mask as PNG; not read by others.

    Raises:
        ProtocolError: a member is missing or out of bounds, or the mask is not what it says.
    """
    return _BUILDERS[name](members, data)


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


def _face(members: JsonObject, data: memoryview) -> FaceMessage:
    source = members.integer("source")
    if not members.has("box"):
        return FaceMessage(source=source)
    box, mask_box = members.box("box"), members.box("mask_box")
    return FaceMessage(source=source, box=box, mask_box=mask_box, mask=_mask(mask_box, data))


def _mask(place: Box, data: memoryview) -> Mask:
    if place.width * place.height > MAX_MASK_PIXELS:
        raise FrameShapeError(
            f"a mask of {place.width}x{place.height} pixels; the limit is {MAX_MASK_PIXELS} in all"
        )
    try:
        mask = decode_png(data, place.width * place.height)
    except PngError as error:
        raise FrameShapeError(f"the mask of a face: {error}") from None
    if mask.shape != (place.height, place.width):
        raise FrameShapeError(
            f"a mask of shape {mask.shape} for a rectangle of {place.width}x{place.height}"
        )
    return mask


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


_BUILDERS: dict[str, Built] = {
    "start": _start,
    "face": _face,
    "progress": _progress,
    "heartbeat": lambda _members, _data: Heartbeat(),
    "end": _end,
    "error": _error,
}
