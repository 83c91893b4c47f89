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
from musetalk_fast.wire.messages import End, FaceMessage, Message, Progress
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
    where = connection.address.name
    check = _FacesCheck(size, source_frames, where)
    stall = StallTimer(connection.frame_timeout_secs, "face and no progress", where)
    asked = post_for_messages(connection, "/v1/avatars", request.to_json(), wire, size)
    async with asked as stream:
        stall.restart()
        async for messages in stream:
            stall.check()
            faces: list[Face | None] = []
            for message in messages:
                if check.is_step_forward(message):
                    stall.restart()
                if isinstance(message, FaceMessage):
                    faces.append(check.face(message))
                elif isinstance(message, Progress):
                    on_progress(message.done, message.total)
            if faces:
                await run_in_thread(partial(sink.add, faces))
    check.finished(sink.digest)


class _FacesCheck:
    """Holds what a stream of faces must be against what comes.

    Args:
        size: (width, height) of the avatar in pixels.
        where: the server's name for messages.
    """

    def __init__(self, size: tuple[int, int], source_frames: int, where: str) -> None:
        self._size = size
        self._source_frames = source_frames
        self._where = where
        self._received = 0
        self._has_face = False
        self._reached: Progress | None = None
        self._end: End | None = None

    def is_step_forward(self, message: Message) -> bool:
        """Whether a message shows that the preparation goes on; a heartbeat does not."""
        if isinstance(message, End):
            self._end = message
        if isinstance(message, Progress) and _is_further(message, self._reached):
            self._reached = message
            return True
        return isinstance(message, FaceMessage)

    def face(self, message: FaceMessage) -> Face | None:
        """The next face, or None where a source frame has none.

        Raises:
            errors.FrameOrderError, errors.FrameShapeError: it is not the one expected, or does
                not fit the avatar.
        """
        _check_expected(message, self._received, self._source_frames, self._where)
        face = _face(message, self._size, self._where)
        self._received += 1
        self._has_face = self._has_face or face is not None
        return face

    def finished(self, digest: str) -> None:
        """Raise what is missing at the end of the stream.

        Args:
            digest: of the faces that came.
        """
        end, where = self._end, self._where
        _check_end(end, self._received, self._source_frames, where)
        assert end is not None
        if end.details.get("faces") != digest:
            raise errors.ChecksumError("the faces are not those of their digest", where=where)
        if not self._has_face:
            raise errors.NoFaceError("the server finds no face in the avatar", where=where)


def _is_further(progress: Progress, reached: Progress | None) -> bool:
    return reached is None or progress.stage != reached.stage or progress.done > reached.done


def _check_expected(message: FaceMessage, expected: int, source_frames: int, where: str) -> None:
    if message.source != expected or expected >= source_frames:
        raise errors.FrameOrderError(
            f"face of source frame {message.source} where {expected} was expected", where=where
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
