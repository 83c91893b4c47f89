"""A feed takes each frame once, from whichever stream has it first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from active_segments import Encoder, frames, member

from musetalk_fast import errors
from musetalk_fast.planning import Segment
from musetalk_fast.rendering.active_segment import ActiveSegment
from musetalk_fast.rendering.queue import QueueClosedError
from musetalk_fast.rendering.stream_stats import StreamStats


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


async def test_a_stream_goes_on_where_another_was_cut(threads: ThreadPoolExecutor) -> None:
    encoder = Encoder()
    feed = ActiveSegment(Segment(3, 10, 16), encoder, threads)
    one, two = StreamStats(member("a")), StreamStats(member("b"))
    await feed.offer(frames(10, 11), one)
    assert (feed.due, feed.received, feed.full) == (12, 2, False)
    await feed.offer(frames(12, 13, 14, 15), two)
    assert feed.full
    part = await feed.part
    assert part.frames == 6
    assert encoder.taken == [10, 11, 12, 13, 14, 15]
    assert {each.name for each in feed.contributors} == {"a", "b"}


async def test_of_two_streams_the_one_ahead_feeds(threads: ThreadPoolExecutor) -> None:
    encoder = Encoder()
    feed = ActiveSegment(Segment(0, 0, 6), encoder, threads)
    one, two = StreamStats(member("a")), StreamStats(member("b"))
    await feed.offer(frames(0, 1), one)
    await feed.offer(frames(0, 1, 2), two)
    await feed.offer(frames(2), one)
    await feed.offer(frames(3, 4), two)
    await feed.offer(frames(3, 4, 5), one)
    await feed.part
    assert encoder.taken == list(range(6))
    assert (one.taken, two.taken) == (3, 3)


async def test_a_gap_is_refused(threads: ThreadPoolExecutor) -> None:
    feed = ActiveSegment(Segment(0, 0, 4), Encoder(), threads)
    with pytest.raises(errors.FrameOrderError, match="frame 1 where 0 was due"):
        await feed.offer(frames(1), StreamStats(member()))
    await feed.abandon()


async def test_the_last_frames_end_it_even_from_a_stream_that_is_stopped(
    threads: ThreadPoolExecutor,
) -> None:
    """A stream may be stopped while it waits for room, its last frames already in the queue."""
    encoder = Encoder()
    encoder.go.clear()
    feed = ActiveSegment(Segment(0, 0, 80), encoder, threads)
    source = StreamStats(member())
    offering = asyncio.ensure_future(feed.offer(frames(*range(80)), source))
    await asyncio.sleep(0.02)
    assert not offering.done()
    offering.cancel()
    await asyncio.wait([offering])
    encoder.go.set()
    done, _ = await asyncio.wait([feed.part], timeout=5)
    await feed.abandon()  # or its thread would wait for ever
    assert done
    assert feed.part.result().frames == 80


async def test_a_full_feed_stops_the_other_streams(threads: ThreadPoolExecutor) -> None:
    feed = ActiveSegment(Segment(0, 0, 2), Encoder(), threads)
    slow, fast = StreamStats(member("a")), StreamStats(member("b"))
    waiting = slow.start(asyncio.sleep(60))
    feed.sources += [slow, fast]
    await feed.offer(frames(0, 1), fast)
    await asyncio.wait([waiting], timeout=5)
    assert waiting.cancelled()
    await feed.part


async def test_who_gave_the_frame_that_is_garbage(threads: ThreadPoolExecutor) -> None:
    good, bad = member("good"), member("bad")
    garbage = errors.FrameShapeError("frame 3")
    feed = ActiveSegment(Segment(0, 0, 6), Encoder({3: garbage}), threads)
    await feed.offer(frames(0, 1, 2), StreamStats(good))
    await feed.offer(frames(3), StreamStats(bad))
    with pytest.raises(errors.FrameShapeError):
        await feed.part
    with pytest.raises(QueueClosedError):
        await feed.offer(frames(4), StreamStats(good))
    assert feed.current_contributor is bad


async def test_abandoning_ends_streams_and_thread(threads: ThreadPoolExecutor) -> None:
    feed = ActiveSegment(Segment(0, 0, 5), Encoder(), threads)
    source = StreamStats(member())
    waiting = source.start(asyncio.sleep(60))
    feed.sources.append(source)
    await feed.offer(frames(0), source)
    await asyncio.wait_for(feed.abandon(), 5)
    assert isinstance(feed.part.exception(), QueueClosedError)
    await asyncio.wait([waiting], timeout=5)
    assert waiting.cancelled()


async def test_time_in_which_we_do_not_read_is_not_the_servers() -> None:
    source = StreamStats(member())
    source.frames = 9
    with source.held():
        await asyncio.sleep(0.2)
        held = source.secs
    assert held < 0.2
    # As if one more frame came right now.
    assert source.throughput <= 10 / held


async def test_a_stream_is_silent_since_its_last_frame_but_not_while_we_do_not_read() -> None:
    source = StreamStats(member())
    await asyncio.sleep(0.05)
    began = source.silent_secs
    assert began >= 0.04
    source.came(3)
    assert source.frames == 3
    with source.held():
        await asyncio.sleep(0.1)
        assert source.silent_secs < began
    await asyncio.sleep(0.1)
    assert source.silent_secs > began
