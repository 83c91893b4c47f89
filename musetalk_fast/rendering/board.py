"""Which segments wait, which are in the making, which are parts; what a free server does next."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from musetalk_fast.client.pool import Member
from musetalk_fast.errors import MuseTalkError, ProtocolError, ServerBusyError
from musetalk_fast.planning import Segment
from musetalk_fast.rendering.feed import Feed
from musetalk_fast.video.parts import Part

_LOOK_AGAIN_SECS = 0.5
"""How often an idle server looks whether another one lags."""

_LAG = 2.0
"""A stream lags if its rest would take this many times what the idle server needs for it."""
_STALLED_SECS = 5.0
"""A stream without a frame for so long lags, whatever the idle server can do."""


class Board:
    """The segments of a render, handed out to whoever asks.

    Args:
        segments: to be made.
        limit: that lack frames at a time; as many more may be in their encoders.
        begin: opens the feed of a segment.
        attempts: without a frame, after which a segment's failure is the render's.
        on_part: told of each finished part.
        on_garbage: told whose frame could not be decoded.
    """

    def __init__(
        self,
        segments: Iterable[Segment],
        limit: int,
        begin: Callable[[Segment], Feed],
        attempts: int,
        on_part: Callable[[Segment, Part], None],
        on_garbage: Callable[[Member, ProtocolError], None],
    ) -> None:
        self._waiting = deque(segments)
        self._making: list[Feed] = []
        self._limit = limit
        self._most = 2 * limit
        self._begin = begin
        self._attempts = attempts
        self._on_part = on_part
        self._on_garbage = on_garbage
        self._changed = asyncio.Event()
        self._garbage: dict[int, int] = {}
        self._frames = 0
        self.parts: dict[int, Part] = {}
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self.finished.set_result(None)

    @property
    def received(self) -> int:
        """Frames that have come."""
        return self._frames + sum(feed.received for feed in self._making)

    @property
    def encoded(self) -> int:
        """Frames through an encoder."""
        return self._frames + sum(feed.encoded for feed in self._making)

    @property
    def hungry(self) -> bool:
        """Whether any frame is still to come."""
        return bool(self._waiting) or any(_is_open(feed) for feed in self._making)

    async def next_for(self, member: Member) -> Feed | None:
        """Wait for something that this server should do.

        Returns:
            None: it must rest first.
        """
        while not member.backing_off:
            feed = None if member.full else self._pick(member)
            if feed is not None:
                return feed
            await self._change()
        return None

    async def lacks_frames(self, member: Member) -> bool:
        """Wait until frames are to come, as they may be again where one was garbage.

        Returns:
            False: this server must rest first.
        """
        while not member.backing_off:
            if self.hungry:
                return True
            await self._change()
        return False

    def feed_of(self, index: int) -> Feed | None:
        """The feed of the segment that a frame belongs to; None if it is a part already.

        For a server that sends all frames in order: the limit does not count, as the feeds before
        are full.
        """
        for feed in self._making:
            if feed.segment.start <= index < feed.segment.stop:
                return feed
        for segment in self._waiting:
            if segment.start <= index < segment.stop:
                self._waiting.remove(segment)
                return self._start(segment)
        return None

    def returned(self, feed: Feed, error: MuseTalkError) -> None:
        """A stream of this feed failed; somebody will continue it.

        A segment at which every attempt fails must not keep the servers busy for ever; a server
        that is busy has not attempted it.
        """
        if not isinstance(error, ServerBusyError):
            feed.fruitless += 1
        if feed.fruitless > self._attempts:
            self.fail(error)
        self._changed.set()

    def fail(self, error: BaseException) -> None:
        """The render cannot go on."""
        if not self.finished.done():
            self.finished.set_exception(error)

    async def finish_full(self) -> None:
        """Wait for the parts of the segments whose frames have all come."""
        full = [feed.part for feed in self._making if feed.full]
        if full:
            await asyncio.wait(full)

    async def close(self) -> None:
        """Abandon what is in the making."""
        await asyncio.gather(*(feed.abandon() for feed in self._making))
        if self.finished.done() and not self.finished.cancelled():
            self.finished.exception()  # seen

    async def _change(self) -> None:
        self._changed.clear()
        # Not wait_for: before Python 3.12 it loses a cancellation that meets the event.
        again = asyncio.get_running_loop().call_later(_LOOK_AGAIN_SECS, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            again.cancel()

    def _pick(self, member: Member) -> Feed | None:
        open_feeds = [feed for feed in self._making if _is_open(feed)]
        for feed in open_feeds:
            if not feed.sources:
                return feed
        # A server does not wait for the encoder of a segment that it has sent to the end.
        if self._waiting and len(open_feeds) < self._limit and len(self._making) < self._most:
            return self._start(self._waiting.popleft())
        if self._waiting:
            return None
        return next((feed for feed in open_feeds if _lags(feed, member)), None)

    def _start(self, segment: Segment) -> Feed:
        feed = self._begin(segment)
        self._making.append(feed)
        feed.part.add_done_callback(lambda part: self._ended(feed, part))
        return feed

    def _ended(self, feed: Feed, part: asyncio.Future[Part]) -> None:
        """The encoding thread has ended."""
        if feed not in self._making or self.finished.done():
            return
        error = part.exception()
        if isinstance(error, ProtocolError):
            self._again(feed, error)
        elif error is not None:
            self.fail(error)
        else:
            self._making.remove(feed)
            self._frames += feed.segment.frames
            self.parts[feed.segment.number] = part.result()
            for member in feed.givers:
                member.succeeded()
            self._on_part(feed.segment, part.result())
            if not self._waiting and not self._making:
                self.finished.set_result(None)
        self._changed.set()

    def _again(self, feed: Feed, error: ProtocolError) -> None:
        """A crop was garbage, found where it was decoded: its segment is made anew."""
        self._making.remove(feed)
        feed.stop_sources()
        error.where = error.where or feed.giver.name
        self._on_garbage(feed.giver, error)
        number = feed.segment.number
        self._garbage[number] = self._garbage.get(number, 0) + 1
        if self._garbage[number] > self._attempts:
            self.fail(error)
        self._waiting.appendleft(feed.segment)


def _is_open(feed: Feed) -> bool:
    """Whether it lacks frames and its thread takes them."""
    return not feed.full and not feed.handover.closed


def _lags(feed: Feed, member: Member) -> bool:
    """Whether `member` should begin the rest of this segment too."""
    sources = feed.sources
    if feed.handover.crowded or any(source.member is member for source in sources):
        return False
    if all(source.silent_secs > _STALLED_SECS for source in sources):
        return True
    # Two are enough, as long as one of them sends.
    return len(sources) == 1 and member.pace is not None and _LAG * sources[0].pace < member.pace
