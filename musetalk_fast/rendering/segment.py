"""The frames of a segment, each taken once, and statistics of the streams that deliver them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, TypeAlias

from musetalk_fast.client.pool import Member
from musetalk_fast.errors import FrameOrderError
from musetalk_fast.planning import Segment
from musetalk_fast.rendering.frame_queue import FrameQueue
from musetalk_fast.threads import thread_errors, wait_until_ended
from musetalk_fast.video.compositor import NoCrop
from musetalk_fast.video.parts import Part
from musetalk_fast.wire.messages import Frame, FullFrame


class StreamStats:
    """A stream's statistics; time in which we did not read does not count against its server.

    Attributes:
        member: the server.
        frames: that it has sent.
        accepted: those of them that no other stream had sent before.
    """

    def __init__(self, member: Member) -> None:
        self.member = member
        self.frames = self.accepted = 0
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._received_at = 0.0
        self._blocked_secs = 0.0
        self._blocked_since: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, receiving: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run the stream."""
        self._task = asyncio.ensure_future(receiving)
        return self._task

    def stop(self) -> None:
        """Cancel the stream: its frames are not needed."""
        if self._task is not None:
            self._task.cancel()

    def record_frames(self, frames: int) -> None:
        """So many frames have come."""
        self.frames += frames
        self._received_at = self.secs

    @property
    def secs(self) -> float:
        """Seconds in which its server could send."""
        now = self._loop.time()
        blocked = self._blocked_secs + (
            0.0 if self._blocked_since is None else now - self._blocked_since
        )
        return max(1e-6, now - self._began - blocked)

    @property
    def silent_secs(self) -> float:
        """Of these, the seconds since its last frame."""
        return self.secs - self._received_at

    @property
    def throughput(self) -> float:
        """Frames a second; as if one came right now, so that a new stream is not judged."""
        return (self.frames + 1) / self.secs

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """We wait for our encoder, not for the server."""
        self._blocked_since = self._loop.time()
        try:
            yield
        finally:
            self._blocked_secs += self._loop.time() - self._blocked_since
            self._blocked_since = None


_MAX_QUEUED_CROPS = 32
"""Between socket and encoder: 6 MB of raw ones."""
_MAX_QUEUED_FULL_FRAMES = 8
"""A full frame is some 3 MB at 1920x1080."""

Encode = Callable[["ActiveSegment"], Part]

AnyFrame: TypeAlias = Frame | FullFrame | NoCrop
"""A crop, a full frame from a `POST /infer` server, or that there is no crop."""


class ActiveSegment:
    """Takes a segment's crops from one stream or several and queues them for its encoder.

    Every frame is taken once: a stream that begins at `next_index` continues an interrupted one,
    and of two concurrent streams the one that is ahead is used, the other's frames are dropped.

    Args:
        encode: makes the part from the crops; runs in a thread of `threads`.
        full_frames: full frames come instead of crops.

    Raises:
        errors.ThreadLimitError: the system starts no thread for it.

    Attributes:
        next_index: the next frame.
        encoded: frames through the encoder; written by its thread only.
        streams: those that deliver its frames now.
        failed_attempts: attempts in a row that brought no frame.
    """

    def __init__(
        self, segment: Segment, encode: Encode, threads: Executor, *, full_frames: bool = False
    ) -> None:
        self.segment = segment
        self.next_index = segment.start
        self.encoded = 0
        self.failed_attempts = 0
        self.streams: list[StreamStats] = []
        self._contributors: list[tuple[int, Member]] = []
        loop = asyncio.get_running_loop()
        limit = _MAX_QUEUED_FULL_FRAMES if full_frames else _MAX_QUEUED_CROPS
        self.queue: FrameQueue[AnyFrame] = FrameQueue(limit, loop)
        try:
            with thread_errors():
                self.part: asyncio.Future[Part] = loop.run_in_executor(threads, encode, self)
        except BaseException:
            self.queue.close()  # the executor keeps the job for a thread that it may still have
            raise

    @property
    def complete(self) -> bool:
        """Whether every frame has come."""
        return self.next_index == self.segment.stop

    @property
    def received(self) -> int:
        """Frames that have come."""
        return self.next_index - self.segment.start

    @property
    def contributors(self) -> set[Member]:
        """The servers whose frames it took."""
        return {member for _, member in self._contributors}

    @property
    def current_contributor(self) -> Member:
        """The server whose frame its thread is at; once that has ended."""
        frame = self.segment.start + self.encoded
        return [member for first, member in self._contributors if first <= frame][-1]

    async def offer(self, frames: Sequence[AnyFrame], stats: StreamStats) -> None:
        """Take those frames that are due; return once there is space for more.

        Raises:
            errors.FrameOrderError: frames are missing before them.
            QueueClosedError: the encoding thread has stopped; `part` says why.
        """
        new = frames if frames[0].index == self.next_index else self._from_next(frames)
        if not new:
            return
        stats.accepted += len(new)
        self.next_index = new[-1].index + 1
        self.failed_attempts = 0
        if not self._contributors or self._contributors[-1][1] is not stats.member:
            self._contributors.append((new[0].index, stats.member))
        try:
            await self.queue.put(new)
        finally:
            # Cancelled or not: they are queued, and no stream will send the last ones again.
            if self.complete:
                self.queue.end()
                self.stop_streams(but=stats)

    async def abandon(self) -> None:
        """Stop streams and thread; return when the thread has removed its unfinished part."""
        self.stop_streams()
        self.queue.close()
        await wait_until_ended([self.part])
        if not self.part.cancelled():
            self.part.exception()  # seen

    def stop_streams(self, but: StreamStats | None = None) -> None:
        """Cancel its streams."""
        for stats in self.streams:
            if stats is not but:
                stats.stop()

    def _from_next(self, frames: Sequence[AnyFrame]) -> Sequence[AnyFrame]:
        if frames[0].index > self.next_index:
            raise FrameOrderError(f"frame {frames[0].index} where {self.next_index} was expected")
        return [frame for frame in frames if frame.index >= self.next_index]
