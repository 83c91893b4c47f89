"""A segment takes each frame once, from whichever stream has it first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from active_segments import Encoder, frames, member

from musetalk_fast import errors
from musetalk_fast.planning import Segment
from musetalk_fast.rendering.frame_queue import QueueClosedError
from musetalk_fast.rendering.segment import ActiveSegment, StreamStats


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


async def test_a_stream_goes_on_where_another_was_cut(threads: ThreadPoolExecutor) -> None:
    encoder = Encoder()
    active = ActiveSegment(Segment(3, 10, 16), encoder, threads)
    one, two = StreamStats(member("a")), StreamStats(member("b"))
    await active.offer(frames(10, 11), one)
    assert (active.next_index, active.received, active.complete) == (12, 2, False)
    await active.offer(frames(12, 13, 14, 15), two)
    assert active.complete
    part = await active.part
    assert part.frames == 6
    assert encoder.accepted == [10, 11, 12, 13, 14, 15]
    assert {each.name for each in active.contributors} == {"a", "b"}


async def test_of_two_streams_the_one_ahead_is_used(threads: ThreadPoolExecutor) -> None:
    encoder = Encoder()
    active = ActiveSegment(Segment(0, 0, 6), encoder, threads)
    one, two = StreamStats(member("a")), StreamStats(member("b"))
    await active.offer(frames(0, 1), one)
    await active.offer(frames(0, 1, 2), two)
    await active.offer(frames(2), one)
    await active.offer(frames(3, 4), two)
    await active.offer(frames(3, 4, 5), one)
    await active.part
    assert encoder.accepted == list(range(6))
    assert (one.accepted, two.accepted) == (3, 3)


async def test_a_gap_is_refused(threads: ThreadPoolExecutor) -> None:
    active = ActiveSegment(Segment(0, 0, 4), Encoder(), threads)
    with pytest.raises(errors.FrameOrderError, match="frame 1 where 0 was expected"):
        await active.offer(frames(1), StreamStats(member()))
    await active.abandon()


async def test_the_last_frames_end_it_even_from_a_stream_that_is_stopped(
    threads: ThreadPoolExecutor,
) -> None:
    """A stream may be stopped while it waits for space, its last frames already in the queue."""
    encoder = Encoder()
    encoder.go.clear()
    active = ActiveSegment(Segment(0, 0, 80), encoder, threads)
    stats = StreamStats(member())
    offering = asyncio.ensure_future(active.offer(frames(*range(80)), stats))
    await asyncio.sleep(0.02)
    assert not offering.done()
    offering.cancel()
    await asyncio.wait([offering])
    encoder.go.set()
    done, _ = await asyncio.wait([active.part], timeout=60)
    await active.abandon()  # or its thread would wait for ever
    assert done
    assert active.part.result().frames == 80


async def test_a_complete_segment_stops_the_other_streams(threads: ThreadPoolExecutor) -> None:
    active = ActiveSegment(Segment(0, 0, 2), Encoder(), threads)
    slow, fast = StreamStats(member("a")), StreamStats(member("b"))
    waiting = slow.start(asyncio.sleep(60))
    active.streams += [slow, fast]
    await active.offer(frames(0, 1), fast)
    await asyncio.wait([waiting], timeout=60)
    assert waiting.cancelled()
    await active.part


async def test_who_contributed_the_frame_that_is_corrupt(threads: ThreadPoolExecutor) -> None:
    good, bad = member("good"), member("bad")
    corrupt = errors.FrameShapeError("frame 3")
    active = ActiveSegment(Segment(0, 0, 6), Encoder({3: corrupt}), threads)
    await active.offer(frames(0, 1, 2), StreamStats(good))
    await active.offer(frames(3), StreamStats(bad))
    with pytest.raises(errors.FrameShapeError):
        await active.part
    with pytest.raises(QueueClosedError):
        await active.offer(frames(4), StreamStats(good))
    assert active.current_contributor is bad


async def test_abandoning_ends_streams_and_thread(threads: ThreadPoolExecutor) -> None:
    active = ActiveSegment(Segment(0, 0, 5), Encoder(), threads)
    stats = StreamStats(member())
    waiting = stats.start(asyncio.sleep(60))
    active.streams.append(stats)
    await active.offer(frames(0), stats)
    await asyncio.wait_for(active.abandon(), 60)
    assert isinstance(active.part.exception(), QueueClosedError)
    await asyncio.wait([waiting], timeout=60)
    assert waiting.cancelled()


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What the loop takes for the time."""
    clock = Clock()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock.now)
    return clock


@dataclass
class Clock:
    now: float = 100.0


async def test_time_in_which_we_do_not_read_is_not_the_servers(clock: Clock) -> None:
    stats = StreamStats(member())
    stats.frames = 9
    clock.now += 2
    with stats.blocked():
        clock.now += 5
        assert stats.secs == 2
    assert stats.secs == 2
    # As if one more frame came right now.
    assert stats.throughput == 10 / 2


async def test_a_stream_is_silent_since_its_last_frame_but_not_while_we_do_not_read(
    clock: Clock,
) -> None:
    stats = StreamStats(member())
    clock.now += 0.5
    assert stats.silent_secs == 0.5
    stats.record_frames(3)
    assert stats.frames == 3
    with stats.blocked():
        clock.now += 1
        assert stats.silent_secs == 0
    clock.now += 1
    assert stats.silent_secs == 1
