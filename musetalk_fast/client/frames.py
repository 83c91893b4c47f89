"""A range of frames from one server: every index once, in order, in the shape agreed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TypeAlias

from musetalk_fast import errors
from musetalk_fast.client.connection import Connection
from musetalk_fast.client.message_stream import post_for_messages
from musetalk_fast.client.stall import StallTimer
from musetalk_fast.types import EngineIdentity
from musetalk_fast.wire.media_types import StreamWire
from musetalk_fast.wire.messages import End, Frame, Message, Start
from musetalk_fast.wire.requests import FramesRequest

FrameStream: TypeAlias = AsyncGenerator[list[Frame], None]


@asynccontextmanager
async def open_frames(
    connection: Connection, request: FramesRequest, wire: StreamWire, engine: EngineIdentity
) -> AsyncIterator[FrameStream]:
    """`POST /v1/frames`; return lists of frames as they arrive.

    Args:
        engine: the one expected: a server may have been restarted with another model.

    Raises:
        errors.ProtocolError: the leaf that says how the stream is not what was asked for.
        errors.ServerSlowError: heartbeats, but no frame in the connection's `frame_timeout_secs`.
        errors.ServerError: the server refuses or fails.
    """
    where = connection.address.name
    async with post_for_messages(connection, "/v1/frames", request.to_json(), wire) as stream:
        stall = StallTimer(connection.frame_timeout_secs, "frame", where)
        frames = _frames(stream, FrameCheck(request, engine, where), stall)
        async with aclosing(frames):
            yield frames


async def _frames(
    stream: AsyncIterator[list[Message]], check: FrameCheck, stall: StallTimer
) -> FrameStream:
    async for messages in stream:
        frames = [message for message in messages if check.is_frame(message)]
        if frames:
            yield frames  # type: ignore[misc]  # is_frame keeps frames only
            stall.restart()
        else:
            stall.check()
    check.finished()


class FrameCheck:
    """Holds what a stream of frames must be against what comes.

    Args:
        request: what was asked for.
        engine: the one expected.
        where: the server's name for messages.
    """

    def __init__(self, request: FramesRequest, engine: EngineIdentity, where: str) -> None:
        self._request = request
        self._engine = engine
        self._where = where
        self._next = request.start
        self._sources = _expand(request)
        self._started = False
        self._ended = False

    def is_frame(self, message: Message) -> bool:
        """Check a message; True for a frame.

        Raises:
            errors.ProtocolError: it is not what was expected.
        """
        if isinstance(message, Frame):
            self._check_frame(message)
            return True
        if isinstance(message, Start):
            self._check_start(message)
        elif isinstance(message, End):
            self._check_end(message)
        return False

    def finished(self) -> None:
        """Raise StreamCutError unless `end` was seen."""
        if not self._ended:
            raise errors.StreamCutError(f"ended before frame {self._next}", where=self._where)

    def _check_start(self, start: Start) -> None:
        request = self._request
        if self._started or (start.start, start.stop) != (request.start, request.stop):
            raise errors.FrameOrderError(
                f"the stream is for frames {start.start}-{start.stop}", where=self._where
            )
        if request.faces is not None and start.faces != request.faces:
            raise errors.FacesDifferError("the server's faces have changed", where=self._where)
        if (start.engine, start.model) != (self._engine.name, self._engine.model):
            raise errors.EngineDiffersError(
                f"its engine is now {start.engine} {start.model}", where=self._where
            )
        self._started = True

    def _check_frame(self, frame: Frame) -> None:
        due = self._next < self._request.stop
        if not self._started or not due or frame.index != self._next:
            expected = f"frame {self._next}" if due else "the end"
            raise errors.FrameOrderError(
                f"frame {frame.index} where {expected if self._started else 'the start'} was "
                "expected",
                where=self._where,
            )
        source = self._sources[frame.index - self._request.start]
        if frame.source != source or frame.encoding is not self._request.encoding:
            raise errors.FrameShapeError(
                f"frame {frame.index} is {frame.encoding.value} of source frame {frame.source}, "
                f"not {self._request.encoding.value} of {source}",
                where=self._where,
            )
        self._next += 1

    def _check_end(self, end: End) -> None:
        due = self._request.stop - self._request.start
        if self._next != self._request.stop:
            raise errors.FrameOrderError(
                f"the stream ends before frame {self._next}; {due} were asked for, up to frame "
                f"{self._request.stop - 1}",
                where=self._where,
            )
        if end.count != due:
            raise errors.FrameOrderError(
                f"{due} frames came; the end says {end.count}", where=self._where
            )
        self._ended = True


def _expand(request: FramesRequest) -> list[int]:
    return [run.first + run.step * i for run in request.sources for i in range(run.count)]
