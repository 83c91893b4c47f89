"""One segment in the making: crops in the order of frames, from whichever server has them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TypeAlias

from musetalk_fast.client.pool import Member
from musetalk_fast.errors import FrameOrderError
from musetalk_fast.planning import Segment
from musetalk_fast.rendering.handover import Handover
from musetalk_fast.rendering.source import Source
from musetalk_fast.video.parts import Part
from musetalk_fast.wire.messages import Frame, FullFrame

_CROPS_AHEAD = 32
"""Between socket and encoder: 6 MB of raw ones."""
_PICTURES_AHEAD = 8
"""A whole picture is some 3 MB at 1920x1080."""

Encode = Callable[["Feed"], Part]

AnyFrame: TypeAlias = Frame | FullFrame
"""A crop, or a finished picture from a server that knows only those."""


class Feed:
    """Takes a segment's crops from one stream or several and hands them to its encoding thread.

    Every frame is taken once: a stream that begins at `due` continues one that was cut, and of
    two streams at once the one that is ahead feeds, the other's frames are dropped.

    Args:
        encode: makes the part from the crops; runs in a thread of `threads`.
        whole: pictures come instead of crops.

    Attributes:
        due: the next frame.
        encoded: frames through the encoder; written by its thread only.
        sources: the streams that feed it now.
        fruitless: attempts in a row that brought no frame.
    """

    def __init__(
        self, segment: Segment, encode: Encode, threads: Executor, *, whole: bool = False
    ) -> None:
        self.segment = segment
        self.due = segment.start
        self.encoded = 0
        self.fruitless = 0
        self.sources: list[Source] = []
        self._givers: list[tuple[int, Member]] = []
        loop = asyncio.get_running_loop()
        ahead = _PICTURES_AHEAD if whole else _CROPS_AHEAD
        self.handover: Handover[AnyFrame] = Handover(ahead, loop)
        self.part: asyncio.Future[Part] = loop.run_in_executor(threads, encode, self)

    @property
    def full(self) -> bool:
        """Whether every frame has come."""
        return self.due == self.segment.stop

    @property
    def received(self) -> int:
        """Frames that have come."""
        return self.due - self.segment.start

    @property
    def givers(self) -> set[Member]:
        """The servers whose frames it took."""
        return {member for _, member in self._givers}

    @property
    def giver(self) -> Member:
        """The server whose frame its thread is at; once that has ended."""
        frame = self.segment.start + self.encoded
        return [member for first, member in self._givers if first <= frame][-1]

    async def offer(self, frames: Sequence[AnyFrame], source: Source) -> None:
        """Take those frames that are due; return once there is room for more.

        Raises:
            errors.FrameOrderError: frames are missing before them.
            HandoverClosedError: the encoding thread has stopped; `part` says why.
        """
        new = frames if frames[0].index == self.due else self._from_due(frames)
        if not new:
            return
        source.taken += len(new)
        self.due = new[-1].index + 1
        self.fruitless = 0
        if not self._givers or self._givers[-1][1] is not source.member:
            self._givers.append((new[0].index, source.member))
        try:
            await self.handover.put(new)
        finally:
            # Cancelled or not: they are in the queue, and nobody will bring the last ones again.
            if self.full:
                self.handover.end()
                self.stop_sources(but=source)

    async def abandon(self) -> None:
        """Stop streams and thread; return when the thread has taken its unfinished part away."""
        self.stop_sources()
        self.handover.close()
        await asyncio.wait([self.part])
        if not self.part.cancelled():
            self.part.exception()  # seen

    def stop_sources(self, but: Source | None = None) -> None:
        """Cancel the streams that feed it."""
        for source in self.sources:
            if source is not but:
                source.stop()

    def _from_due(self, frames: Sequence[AnyFrame]) -> Sequence[AnyFrame]:
        if frames[0].index > self.due:
            raise FrameOrderError(f"frame {frames[0].index} where {self.due} was due")
        return [frame for frame in frames if frame.index >= self.due]
