"""Has a server prepare an avatar and passes on the faces it finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from musetalk_fast import errors
from musetalk_fast.client.connection import Connection
from musetalk_fast.client.message_stream import post_for_messages
from musetalk_fast.client.stall import StallTimer
from musetalk_fast.threads import run_in_thread
from musetalk_fast.types import Box, Face
from musetalk_fast.wire.media_types import StreamWire
from musetalk_fast.wire.messages import End, FaceMessage, Progress
from musetalk_fast.wire.requests import AvatarRequest

_MAX_BOX = 4
"""A box may reach beyond the picture, but not to more than this many times its size."""


class FaceSink(Protocol):
    """Takes an avatar's faces in the order of its source frames."""

    @property
    def digest(self) -> str:
        """Of all that it took; see `wire.digests.faces_digest`."""

    def add(self, faces: Sequence[Face | None]) -> None:
        """Take the next ones; it may take its time, as it is called in a thread."""


async def prepare_avatar(
    connection: Connection,
    request: AvatarRequest,
    wire: StreamWire,
    size: tuple[int, int],
    source_frames: int,
    sink: FaceSink,
    on_progress: Callable[[int, int], None],
) -> None:
    """`POST /v1/avatars` and check what comes back.

    Args:
        size: (width, height) of the avatar in pixels.
        source_frames: of the avatar; as many faces must come, or none in their place.
        sink: gets the faces as they come, each once and in order.

    Raises:
        errors.ProtocolError: faces missing, twice, or not those of the digest.
        errors.ServerSlowError: neither a face nor progress in the connection's
            `frame_timeout_secs`.
        errors.InputError: the server finds no usable face.
    """
    received, is_any_face, end = 0, False, None
    reached: Progress | None = None
    where = connection.address.name
    async with post_for_messages(connection, "/v1/avatars", request.to_json(), wire) as stream:
        stall = StallTimer(connection.frame_timeout_secs, "face and no progress", where)
        async for messages in stream:
            stall.check()
            faces: list[Face | None] = []
            for message in messages:
                if isinstance(message, FaceMessage):
                    _check_due(message, received + len(faces), source_frames, where)
                    faces.append(_face(message, size, where))
                    stall.restart()
                elif isinstance(message, Progress):
                    on_progress(message.done, message.total)
                    if _is_further(message, reached):
                        reached = message
                        stall.restart()
                elif isinstance(message, End):
                    end = message
            if faces:
                await run_in_thread(partial(sink.add, faces))
                received, is_any_face = received + len(faces), is_any_face or any(faces)
    _check_end(end, received, source_frames, where)
    assert end is not None
    if end.details.get("faces") != sink.digest:
        raise errors.ChecksumError("the faces are not those of their digest", where=where)
    if not is_any_face:
        raise errors.NoFaceError("the server finds no face in the avatar", where=where)


def _is_further(progress: Progress, reached: Progress | None) -> bool:
    return reached is None or progress.stage != reached.stage or progress.done > reached.done


def _check_due(message: FaceMessage, due: int, source_frames: int, where: str) -> None:
    if message.source != due or due >= source_frames:
        raise errors.FrameOrderError(
            f"face of source frame {message.source} where {due} was due", where=where
        )


def _face(message: FaceMessage, size: tuple[int, int], where: str) -> Face | None:
    """The face as a value; its rectangles must lie where a client can paste."""
    box, mask_box, mask = message.box, message.mask_box, message.mask
    if box is None or mask_box is None or mask is None:
        return None
    width, height = size
    fits = (
        0 < box.width <= _MAX_BOX * width
        and 0 < box.height <= _MAX_BOX * height
        and _inside(mask_box, Box(0, 0, width, height))
        and _inside(mask_box, box)
        and mask.shape == (mask_box.height, mask_box.width)
    )
    if not fits:
        raise errors.FrameShapeError(
            f"face of source frame {message.source}: box {tuple(box)} with mask at "
            f"{tuple(mask_box)} does not fit a picture of {width}x{height}",
            where=where,
        )
    return Face(message.source, box, mask_box, mask)


def _inside(inner: Box, outer: Box) -> bool:
    return (
        inner.width > 0
        and inner.height > 0
        and inner.x >= outer.x
        and inner.y >= outer.y
        and inner.x + inner.width <= outer.x + outer.width
        and inner.y + inner.height <= outer.y + outer.height
    )


def _check_end(end: End | None, received: int, source_frames: int, where: str) -> None:
    if end is None or received != source_frames or end.count != source_frames:
        raise errors.FrameOrderError(
            f"{received} faces for {source_frames} source frames", where=where
        )
