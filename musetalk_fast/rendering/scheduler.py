"""Schedules segments: which wait, are active or finished, and which an idle server gets next."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterable

from musetalk_fast.client.pool import Member
from musetalk_fast.errors import MuseTalkError, ProtocolError, ServerBusyError
from musetalk_fast.kernels.h264_bits import UnsupportedStreamError
from musetalk_fast.planning import Segment
from musetalk_fast.rendering.encoder_slots import EncoderSlots
from musetalk_fast.rendering.load_balancer import LoadBalancer
from musetalk_fast.rendering.segment import ActiveSegment
from musetalk_fast.rendering.speculation import lags, stalls
from musetalk_fast.threads import wait_until_ended
from musetalk_fast.video.parts import Part

_POLL_INTERVAL_SECS = 0.5
"""How often an idle server checks whether another one lags."""


class Scheduler:
    """Hands out the segments of a render.

    Args:
        segments: to be made.
        limit: of segments that need frames at a time; as many more may be in their encoders.
        begin: activates a segment.
        attempts: without a frame, after which a failing segment fails the render.
        on_part: called with each finished part.
        on_corrupt: called with the server whose frame could not be decoded.
        slots: what it shares with other renders at work; None: it is alone.
        balancer: of the servers; None: whoever asks first gets the next segment.
    """

    def __init__(
        self,
        segments: Iterable[Segment],
        limit: int,
        begin: Callable[[Segment], ActiveSegment],
        attempts: int,
        on_part: Callable[[Segment, Part], None],
        on_corrupt: Callable[[Member, ProtocolError], None],
        slots: EncoderSlots | None = None,
        balancer: LoadBalancer | None = None,
    ) -> None:
        self._waiting = deque(segments)
        self._active: list[ActiveSegment] = []
        self._limit = limit
        self._max_active = 2 * limit
        self._begin = begin
        self._attempts = attempts
        self._on_part = on_part
        self._on_corrupt = on_corrupt
        self._slots = slots
        self._balancer = balancer or LoadBalancer(sys.maxsize)
        self._changed = asyncio.Event()
        self._corrupt_counts: dict[int, int] = {}
        self._frames = 0
        self.parts: dict[int, Part] = {}
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self.finished.set_result(None)

    @property
    def received(self) -> int:
        """Frames that have come."""
        return self._frames + sum(active.received for active in self._active)

    @property
    def encoded(self) -> int:
        """Frames through an encoder."""
        return self._frames + sum(active.encoded for active in self._active)

    @property
    def needs_frames(self) -> bool:
        """Whether any frame is still to come."""
        return bool(self._waiting) or any(_is_open(active) for active in self._active)

    async def next_segment(self, member: Member) -> ActiveSegment | None:
        """Wait for a segment for this server.

        Returns:
            None: it has to back off first.
        """
        while not member.backing_off:
            active = self._pick(member) if member.may_stream else None
            if active is not None:
                return active
            with self._balancer.waiting(member):
                await self._wait_for_change()
        return None

    async def wait_until_frames_needed(self, member: Member) -> bool:
        """Wait until frames are needed; they may be again after one was corrupt.

        Returns:
            False: this server has to back off first.
        """
        while not member.backing_off:
            if self.needs_frames:
                return True
            await self._wait_for_change()
        return False

    def segment_of(self, index: int) -> ActiveSegment | None:
        """The segment that a frame belongs to, made active by its first; None if it needs none.

        For a server that sends all frames in order: the limit does not apply, as the segments
        before are complete. One that starts over while its frames come is made of those of the next
        stream.
        """
        for active in self._active:
            if active.segment.start <= index < active.segment.stop:
                return active
        for segment in self._waiting:
            if segment.start == index:
                self._waiting.remove(segment)
                return self._start(segment)
        return None

    def stream_failed(self, active: ActiveSegment, error: MuseTalkError) -> None:
        """A stream of this segment failed; another one will continue it.

        A segment at which every attempt fails must not keep the servers busy forever; a server
        that is busy has not attempted it.
        """
        if not isinstance(error, ServerBusyError):
            active.failed_attempts += 1
        if active.failed_attempts > self._attempts:
            self.fail(error)
        self._changed.set()

    def stream_ended(self) -> None:
        """A stream has ended, well or not: its server and its slot may be another render's."""
        if self._slots is not None:
            self._slots.notify()

    def wake(self) -> None:
        """A slot or a server may be free."""
        self._changed.set()

    @property
    def open_segments(self) -> int:
        """Active segments that need frames."""
        return sum(map(_is_open, self._active))

    @property
    def active_segments(self) -> int:
        """These, and those that are in their encoders yet."""
        return len(self._active)

    @property
    def has_waiting(self) -> bool:
        """Whether it has segments that nobody has begun."""
        return bool(self._waiting)

    def fail(self, error: BaseException) -> None:
        """The render cannot go on."""
        if isinstance(error, StopIteration):  # a future does not take it: PEP 479
            stop, error = error, RuntimeError(f"something raised {error!r}")
            error.__cause__ = stop
        if not self.finished.done():
            self.finished.set_exception(error)

    async def wait_for_complete(self) -> None:
        """Wait for the parts of the segments whose frames have all come."""
        complete = [active.part for active in self._active if active.complete]
        if complete:
            await asyncio.wait(complete)

    async def close(self) -> None:
        """Abandon the active segments; return when all of them have ended, cancelled or not."""
        # Not `asyncio.gather`: cancelled, it returns when the first of them has ended.
        await wait_until_ended([asyncio.ensure_future(each.abandon()) for each in self._active])
        if self.finished.done() and not self.finished.cancelled():
            self.finished.exception()  # seen

    async def _wait_for_change(self) -> None:
        self._changed.clear()
        # Not wait_for: before Python 3.12 it loses a cancellation that meets the event.
        again = asyncio.get_running_loop().call_later(_POLL_INTERVAL_SECS, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            again.cancel()

    def _pick(self, member: Member) -> ActiveSegment | None:
        open_segments = [active for active in self._active if _is_open(active)]
        for active in open_segments:
            if not active.streams:
                return active
        # A server does not wait for the encoder of a segment that it has sent to the end.
        if (
            self._waiting
            and len(open_segments) < self._limit
            and len(self._active) < self._max_active
            and (self._slots is None or self._slots.has_free())
            and self._balancer.may_begin(member)
        ):
            return self._start(self._waiting.popleft())
        if self._waiting:
            return None
        # Not made twice while there is something that nobody makes.
        is_late = stalls if self._slots is not None and self._slots.has_waiting() else lags
        return next((active for active in open_segments if is_late(active, member)), None)

    def _start(self, segment: Segment) -> ActiveSegment:
        try:
            active = self._begin(segment)
        except BaseException:
            self._waiting.appendleft(segment)  # `needs_frames` stays true
            raise
        self._active.append(active)
        active.part.add_done_callback(lambda part: self._segment_ended(active, part))
        return active

    def _segment_ended(self, active: ActiveSegment, part: asyncio.Future[Part]) -> None:
        """The encoding thread has ended; what a callback raises would be lost."""
        if active not in self._active or self.finished.done():
            return
        try:
            self._take(active, part)
        except BaseException as error:  # noqa: BLE001 - raised where the render is waited for
            self.fail(error)
        self._changed.set()
        self.stream_ended()

    def _take(self, active: ActiveSegment, part: asyncio.Future[Part]) -> None:
        error = part.exception()
        if isinstance(error, ProtocolError) and active.contributors:
            self._retry_corrupt(active, error)
        elif isinstance(error, UnsupportedStreamError):
            self._restart(active)  # its encoder takes all rows now
        elif error is not None:
            self.fail(error)
        else:
            self._active.remove(active)
            self._frames += active.segment.frames
            self.parts[active.segment.number] = part.result()
            for member in active.contributors:
                member.succeeded()
            self._on_part(active.segment, part.result())
            if not self._waiting and not self._active:
                self.finished.set_result(None)

    def _retry_corrupt(self, active: ActiveSegment, error: ProtocolError) -> None:
        """A crop was corrupt, which its decoder found: its segment starts over."""
        error.where = error.where or active.current_contributor.name
        self._on_corrupt(active.current_contributor, error)
        number = active.segment.number
        self._corrupt_counts[number] = self._corrupt_counts.get(number, 0) + 1
        if self._corrupt_counts[number] > self._attempts:
            self.fail(error)
        self._restart(active)

    def _restart(self, active: ActiveSegment) -> None:
        """A segment starts over: its frames have to be sent again."""
        self._active.remove(active)
        active.stop_streams()
        self._waiting.appendleft(active.segment)


def _is_open(active: ActiveSegment) -> bool:
    """Whether it needs frames and its thread takes them."""
    return not active.complete and not active.queue.closed
