"""Segments go to whoever is free, again if need be, and at the end to a second server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from active_segments import Encoder, frames, member

from musetalk_fast import errors
from musetalk_fast.client.pool import Member
from musetalk_fast.planning import Segment
from musetalk_fast.rendering import scheduler as boards
from musetalk_fast.rendering.scheduler import Scheduler
from musetalk_fast.rendering.segment import ActiveSegment, StreamStats

CUT = errors.StreamCutError("cut")


class Desk:
    """A scheduler and what it tells."""

    def __init__(
        self, threads: ThreadPoolExecutor, encoder: Encoder, segments: int, limit: int = 2
    ) -> None:
        self.done: list[int] = []
        self.blamed: list[tuple[str, str]] = []
        begin = partial(ActiveSegment, encode=encoder, threads=threads)
        cut = [Segment(number, 4 * number, 4 * number + 4) for number in range(segments)]
        self.scheduler = Scheduler(cut, limit, begin, 2, self._part, self._corrupt_counts)

    def _part(self, segment: Segment, _part: object) -> None:
        self.done.append(segment.number)

    def _corrupt_counts(self, current_contributor: Member, error: errors.ProtocolError) -> None:
        self.blamed.append((current_contributor.name, error.where or ""))


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


async def _take(scheduler: Scheduler, server: Member) -> tuple[ActiveSegment, StreamStats]:
    active = await asyncio.wait_for(scheduler.next_segment(server), 60)
    assert active is not None
    stats = StreamStats(server)
    active.streams.append(stats)
    return active, stats


async def _give_rest(active: ActiveSegment, stats: StreamStats) -> None:
    await active.offer(frames(*range(active.next_index, active.segment.stop)), stats)
    active.streams.remove(stats)


async def test_segments_come_in_order_and_end_in_parts(threads: ThreadPoolExecutor) -> None:
    desk = Desk(threads, Encoder(), 3)
    for number in range(3):
        active, stats = await _take(desk.scheduler, member())
        assert active.segment.number == number
        await _give_rest(active, stats)
    await asyncio.wait_for(desk.scheduler.finished, 60)
    # Handed out in order; their encoders may end in another.
    assert sorted(desk.done) == [0, 1, 2]
    assert sorted(desk.scheduler.parts) == [0, 1, 2]
    assert desk.scheduler.received == desk.scheduler.encoded == 12
    assert not desk.scheduler.needs_frames


async def test_no_segments_are_done_at_once(threads: ThreadPoolExecutor) -> None:
    assert Desk(threads, Encoder(), 0).scheduler.finished.done()


async def test_what_was_cut_is_next(threads: ThreadPoolExecutor) -> None:
    desk = Desk(threads, Encoder(), 3)
    active, stats = await _take(desk.scheduler, member())
    await active.offer(frames(0, 1), stats)
    active.streams.remove(stats)
    desk.scheduler.stream_failed(active, CUT)
    again, _ = await _take(desk.scheduler, member("b"))
    assert again is active
    assert again.next_index == 2
    await desk.scheduler.close()


async def test_no_more_than_the_limit_lack_frames(threads: ThreadPoolExecutor) -> None:
    desk = Desk(threads, Encoder(), 5, limit=2)
    first, stats = await _take(desk.scheduler, member())
    await _take(desk.scheduler, member())
    waiting = asyncio.ensure_future(desk.scheduler.next_segment(member()))
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done()
    await _give_rest(first, stats)
    assert (await asyncio.wait_for(waiting, 60)).segment.number == 2
    await desk.scheduler.close()


async def test_servers_do_not_wait_for_encoders_unless_they_are_far_behind(
    threads: ThreadPoolExecutor,
) -> None:
    encoder = Encoder()
    encoder.go.clear()
    desk = Desk(threads, encoder, 5, limit=1)
    for _ in range(2):
        await _give_rest(*await _take(desk.scheduler, member()))
    waiting = asyncio.ensure_future(desk.scheduler.next_segment(member()))
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done(), "memory is bounded"
    encoder.go.set()
    await asyncio.wait_for(waiting, 60)
    await desk.scheduler.close()


async def test_a_segment_at_which_all_fail_ends_the_render(threads: ThreadPoolExecutor) -> None:
    desk = Desk(threads, Encoder(), 1)
    for _ in range(3):
        active, stats = await _take(desk.scheduler, member())
        active.streams.remove(stats)
        desk.scheduler.stream_failed(active, CUT)
    with pytest.raises(errors.StreamCutError):
        await desk.scheduler.finished
    await desk.scheduler.close()


async def test_a_step_forward_begins_the_count_anew(threads: ThreadPoolExecutor) -> None:
    desk = Desk(threads, Encoder(), 1)
    for index in range(3):
        for _ in range(2):
            active, stats = await _take(desk.scheduler, member())
            active.streams.remove(stats)
            desk.scheduler.stream_failed(active, CUT)
        await active.offer(frames(index), stats)
    assert not desk.scheduler.finished.done()
    await desk.scheduler.close()


async def test_a_busy_server_has_not_failed_the_segment(threads: ThreadPoolExecutor) -> None:
    desk = Desk(threads, Encoder(), 1)
    for _ in range(20):
        active, stats = await _take(desk.scheduler, member())
        active.streams.remove(stats)
        desk.scheduler.stream_failed(active, errors.ServerBusyError("all streams are in use"))
    assert not desk.scheduler.finished.done()
    await desk.scheduler.close()


async def test_garbage_is_blamed_and_made_anew(threads: ThreadPoolExecutor) -> None:
    desk = Desk(threads, Encoder({2: errors.FrameShapeError("frame 2")}), 1)
    active, stats = await _take(desk.scheduler, member("liar"))
    await _give_rest(active, stats)
    again, stats = await _take(desk.scheduler, member("honest"))
    assert again is not active
    assert again.next_index == 0
    assert desk.blamed == [("liar", "liar")]
    await _give_rest(again, stats)
    await asyncio.wait_for(desk.scheduler.finished, 60)


async def test_garbage_for_ever_ends_the_render(threads: ThreadPoolExecutor) -> None:
    class Never(Encoder):
        def _take(self, active: ActiveSegment) -> object:  # type: ignore[override]
            for _frame in active.queue:
                raise errors.FrameShapeError("frame 0")

    desk = Desk(threads, Never(), 1)
    for _ in range(3):
        active, stats = await _take(desk.scheduler, member("liar"))
        await active.offer(frames(0), stats)
        await asyncio.wait([active.part], timeout=60)
        active.streams.remove(stats)
    with pytest.raises(errors.FrameShapeError, match="liar"):
        await asyncio.wait_for(desk.scheduler.finished, 60)
    await desk.scheduler.close()


async def test_a_part_that_cannot_be_written_ends_the_render(threads: ThreadPoolExecutor) -> None:
    desk = Desk(threads, Encoder({1: errors.OutputWriteError("disk full")}), 2)  # type: ignore[dict-item]
    active, stats = await _take(desk.scheduler, member())
    await active.offer(frames(0, 1), stats)
    with pytest.raises(errors.OutputWriteError):
        await asyncio.wait_for(desk.scheduler.finished, 60)
    await desk.scheduler.close()


async def test_the_last_segment_goes_to_a_second_server_too(threads: ThreadPoolExecutor) -> None:
    desk = Desk(threads, Encoder(), 1)
    slow, fast = member("slow"), member("fast")
    fast.worked(1000, 0.01)
    active, stats = await _take(desk.scheduler, slow)
    await active.offer(frames(0), stats)
    stats.frames = 1
    same, second = await _take(desk.scheduler, fast)
    assert same is active
    assert active.next_index == 1, "what has come is not asked for again"
    third = asyncio.ensure_future(desk.scheduler.next_segment(member("third")))
    await asyncio.wait([third], timeout=0.1)
    assert not third.done(), "two are enough"
    third.cancel()
    await _give_rest(active, second)
    await asyncio.wait_for(desk.scheduler.finished, 60)


async def test_a_stream_that_stops_is_continued_by_whoever_is_idle(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server may say that it lives; others may have sent nothing yet, so have no pace."""
    monkeypatch.setattr(boards, "_POLL_INTERVAL_SECS", 0.02)
    desk = Desk(threads, Encoder(), 1)
    first = member("first")
    active, stats = await _take(desk.scheduler, first)
    await active.offer(frames(0), stats)
    stats.record_frames(1)
    again = asyncio.ensure_future(desk.scheduler.next_segment(first))
    for name in ("second", "third"):  # the second one stops, too
        monkeypatch.setattr(boards, "_STALLED_SECS", 3600.0)
        waiting = asyncio.ensure_future(desk.scheduler.next_segment(member(name)))
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        monkeypatch.setattr(boards, "_STALLED_SECS", 0.0)
        assert await asyncio.wait_for(waiting, 60) is active
        stats = StreamStats(member(name))
        active.streams.append(stats)
    assert not again.done(), "a server does not race with itself"
    again.cancel()
    await _give_rest(active, stats)
    await asyncio.wait_for(desk.scheduler.finished, 60)


async def test_who_keeps_up_is_left_alone(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boards, "_POLL_INTERVAL_SECS", 0.02)
    desk = Desk(threads, Encoder(), 1)
    one, other = member("one"), member("other")
    other.worked(10, 1.0)
    active, stats = await _take(desk.scheduler, one)
    stats.frames = 10_000
    waiting = asyncio.ensure_future(desk.scheduler.next_segment(other))
    await asyncio.wait([waiting], timeout=0.2)
    assert not waiting.done()
    waiting.cancel()
    await _give_rest(active, stats)
    await asyncio.wait_for(desk.scheduler.finished, 60)


async def test_waiting_for_a_segment_can_be_cancelled(threads: ThreadPoolExecutor) -> None:
    desk = Desk(threads, Encoder(), 1, limit=1)
    await _take(desk.scheduler, member())
    waiting = asyncio.ensure_future(desk.scheduler.next_segment(member()))
    await asyncio.sleep(0.02)
    waiting.cancel()
    done, _ = await asyncio.wait([waiting], timeout=60)
    assert done
    assert waiting.cancelled()
    await desk.scheduler.close()


async def test_full_segments_become_parts_though_no_server_is_left(
    threads: ThreadPoolExecutor,
) -> None:
    encoder = Encoder()
    encoder.go.clear()
    desk = Desk(threads, encoder, 3)
    complete, stats = await _take(desk.scheduler, member())
    await _give_rest(complete, stats)
    await _take(desk.scheduler, member())
    ending = asyncio.ensure_future(desk.scheduler.wait_for_complete())
    await asyncio.wait([ending], timeout=0.05)
    assert not ending.done()
    encoder.go.set()
    await asyncio.wait_for(ending, 60)
    await desk.scheduler.close()
    assert complete.part.result().frames == 4
