"""Segments go to idle servers, are retried, and at the end go to a second server too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from types import SimpleNamespace

import pytest
from active_segments import Encoder, frames, member

from musetalk_fast import errors
from musetalk_fast.client.pool import Member
from musetalk_fast.kernels.h264_bits import UnsupportedStreamError
from musetalk_fast.planning import Segment
from musetalk_fast.rendering import scheduler as scheduler_module
from musetalk_fast.rendering import speculation
from musetalk_fast.rendering.encoder_slots import EncoderSlots
from musetalk_fast.rendering.load_balancer import LoadBalancer
from musetalk_fast.rendering.scheduler import Scheduler
from musetalk_fast.rendering.segment import ActiveSegment, StreamStats
from musetalk_fast.video.parts import Part

CUT = errors.StreamCutError("cut")


class Render:
    """A scheduler and what it calls back with."""

    def __init__(
        self,
        threads: ThreadPoolExecutor,
        encoder: Encoder,
        segments: int,
        limit: int = 2,
        slots: EncoderSlots | None = None,
        balancer: LoadBalancer | None = None,
    ) -> None:
        self.done: list[int] = []
        self.blamed: list[tuple[str, str]] = []
        begin = partial(ActiveSegment, encode=encoder, threads=threads)
        cut = [Segment(number, 4 * number, 4 * number + 4) for number in range(segments)]
        self.scheduler = Scheduler(
            *(cut, limit, begin, 2, self._on_part, self._on_corrupt, slots, balancer)
        )

    def _on_part(self, segment: Segment, _part: object) -> None:
        self.done.append(segment.number)

    def _on_corrupt(self, member: Member, error: errors.ProtocolError) -> None:
        self.blamed.append((member.name, error.where or ""))


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


async def _complete(active: ActiveSegment, stats: StreamStats) -> None:
    await active.offer(frames(*range(active.next_index, active.segment.stop)), stats)
    active.streams.remove(stats)


async def _turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_segments_come_in_order_and_end_in_parts(threads: ThreadPoolExecutor) -> None:
    render = Render(threads, Encoder(), 3)
    for number in range(3):
        active, stats = await _take(render.scheduler, member())
        assert active.segment.number == number
        await _complete(active, stats)
    await asyncio.wait_for(render.scheduler.finished, 60)
    # Handed out in order; their encoders may end in another.
    assert sorted(render.done) == [0, 1, 2]
    assert sorted(render.scheduler.parts) == [0, 1, 2]
    assert render.scheduler.received == render.scheduler.encoded == 12
    assert not render.scheduler.needs_frames


async def test_no_segments_are_done_at_once(threads: ThreadPoolExecutor) -> None:
    assert Render(threads, Encoder(), 0).scheduler.finished.done()


async def test_what_was_cut_is_next(threads: ThreadPoolExecutor) -> None:
    render = Render(threads, Encoder(), 3)
    active, stats = await _take(render.scheduler, member())
    await active.offer(frames(0, 1), stats)
    active.streams.remove(stats)
    render.scheduler.stream_failed(active, CUT)
    again, _ = await _take(render.scheduler, member("b"))
    assert again is active
    assert again.next_index == 2
    await render.scheduler.close()


async def test_no_more_than_the_limit_lack_frames(threads: ThreadPoolExecutor) -> None:
    render = Render(threads, Encoder(), 5, limit=2)
    first, stats = await _take(render.scheduler, member())
    await _take(render.scheduler, member())
    waiting = asyncio.ensure_future(render.scheduler.next_segment(member()))
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done()
    await _complete(first, stats)
    assert (await asyncio.wait_for(waiting, 60)).segment.number == 2
    await render.scheduler.close()


async def test_servers_do_not_wait_for_encoders_unless_they_are_far_behind(
    threads: ThreadPoolExecutor,
) -> None:
    encoder = Encoder()
    encoder.go.clear()
    render = Render(threads, encoder, 5, limit=1)
    for _ in range(2):
        await _complete(*await _take(render.scheduler, member()))
    waiting = asyncio.ensure_future(render.scheduler.next_segment(member()))
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done(), "memory is bounded"
    encoder.go.set()
    await asyncio.wait_for(waiting, 60)
    await render.scheduler.close()


async def test_closing_that_is_cancelled_ends_after_all_encoders(
    threads: ThreadPoolExecutor,
) -> None:
    render = Render(threads, Encoder(), 2)
    held: list[asyncio.Future[Part]] = []
    for _ in range(2):
        active, _ = await _take(render.scheduler, member())
        active.part.add_done_callback(lambda part: part.exception())  # seen
        held.append(asyncio.get_running_loop().create_future())
        active.part = held[-1]
    closing = asyncio.ensure_future(render.scheduler.close())
    await _turns()
    closing.cancel()
    held[0].cancel()
    await _turns()
    waits = not closing.done()
    held[1].cancel()
    assert waits, "an encoder is still at work"
    with pytest.raises(asyncio.CancelledError):
        await closing


async def test_a_segment_at_which_all_fail_ends_the_render(threads: ThreadPoolExecutor) -> None:
    render = Render(threads, Encoder(), 1)
    for _ in range(3):
        active, stats = await _take(render.scheduler, member())
        active.streams.remove(stats)
        render.scheduler.stream_failed(active, CUT)
    with pytest.raises(errors.StreamCutError):
        await render.scheduler.finished
    await render.scheduler.close()


async def test_a_step_forward_begins_the_count_anew(threads: ThreadPoolExecutor) -> None:
    render = Render(threads, Encoder(), 1)
    for index in range(3):
        for _ in range(2):
            active, stats = await _take(render.scheduler, member())
            active.streams.remove(stats)
            render.scheduler.stream_failed(active, CUT)
        await active.offer(frames(index), stats)
    assert not render.scheduler.finished.done()
    await render.scheduler.close()


async def test_a_busy_server_has_not_failed_the_segment(threads: ThreadPoolExecutor) -> None:
    render = Render(threads, Encoder(), 1)
    for _ in range(20):
        active, stats = await _take(render.scheduler, member())
        active.streams.remove(stats)
        render.scheduler.stream_failed(active, errors.ServerBusyError("all streams are in use"))
    assert not render.scheduler.finished.done()
    await render.scheduler.close()


async def test_a_corrupt_frame_is_blamed_and_its_segment_retried(
    threads: ThreadPoolExecutor,
) -> None:
    render = Render(threads, Encoder({2: errors.FrameShapeError("frame 2")}), 1)
    active, stats = await _take(render.scheduler, member("corrupting"))
    await _complete(active, stats)
    again, stats = await _take(render.scheduler, member("sound"))
    assert again is not active
    assert again.next_index == 0
    assert render.blamed == [("corrupting", "corrupting")]
    await _complete(again, stats)
    await asyncio.wait_for(render.scheduler.finished, 60)


async def test_a_segment_that_starts_over_amid_all_frames_waits_for_its_first(
    threads: ThreadPoolExecutor,
) -> None:
    """Of a server that sends all of them, in order: no frame of it is missing, or out of order."""
    render = Render(threads, Encoder({1: errors.FrameShapeError("frame 1")}), 2)
    stats = StreamStats(member("corrupting"))
    first = render.scheduler.segment_of(0)
    assert first is not None
    await first.offer(frames(0, 1), stats)
    await asyncio.wait_for(asyncio.wait([first.part]), 60)
    await _turns()
    assert render.blamed
    assert [render.scheduler.segment_of(index) for index in (2, 3)] == [None, None]
    assert render.scheduler.needs_frames
    for start in (4, 0):  # the remainder of this stream, and the next one
        active = render.scheduler.segment_of(start)
        assert active is not None
        await active.offer(frames(*range(start, start + 4)), stats)
    await asyncio.wait_for(render.scheduler.finished, 60)
    assert sorted(render.done) == [0, 1]


async def test_a_segment_that_cannot_be_composed_is_retried_and_nobody_blamed(
    threads: ThreadPoolExecutor,
) -> None:
    render = Render(threads, Encoder({2: UnsupportedStreamError("a PPS of another kind")}), 1)
    active, stats = await _take(render.scheduler, member())
    await _complete(active, stats)
    again, stats = await _take(render.scheduler, member())
    assert again.next_index == 0
    assert render.blamed == []
    await _complete(again, stats)
    await asyncio.wait_for(render.scheduler.finished, 60)


async def test_an_encoder_that_refuses_before_any_frame_ends_the_render(
    threads: ThreadPoolExecutor,
) -> None:
    """As with a face that does not fit: no server has sent anything wrong."""

    class Refuses(Encoder):
        def _take(self, active: ActiveSegment) -> Part:
            raise errors.FrameShapeError(f"no segment {active.segment.number}")

    render = Render(threads, Refuses(), 1)
    await _take(render.scheduler, member())
    with pytest.raises(errors.FrameShapeError, match="no segment 0"):
        await asyncio.wait_for(render.scheduler.finished, 60)
    assert render.blamed == []
    await render.scheduler.close()


async def test_a_segment_that_is_always_corrupt_ends_the_render(
    threads: ThreadPoolExecutor,
) -> None:
    class Never(Encoder):
        def _take(self, active: ActiveSegment) -> object:  # type: ignore[override]
            for _frame in active.queue:
                raise errors.FrameShapeError("frame 0")

    render = Render(threads, Never(), 1)
    for _ in range(3):
        active, stats = await _take(render.scheduler, member("corrupting"))
        await active.offer(frames(0), stats)
        await asyncio.wait([active.part], timeout=60)
        active.streams.remove(stats)
    with pytest.raises(errors.FrameShapeError, match="corrupting"):
        await asyncio.wait_for(render.scheduler.finished, 60)
    await render.scheduler.close()


async def test_a_part_that_cannot_be_written_ends_the_render(threads: ThreadPoolExecutor) -> None:
    render = Render(threads, Encoder({1: errors.OutputWriteError("disk full")}), 2)  # type: ignore[dict-item]
    active, stats = await _take(render.scheduler, member())
    await active.offer(frames(0, 1), stats)
    with pytest.raises(errors.OutputWriteError):
        await asyncio.wait_for(render.scheduler.finished, 60)
    await render.scheduler.close()


async def test_the_last_segment_goes_to_a_second_server_too(threads: ThreadPoolExecutor) -> None:
    render = Render(threads, Encoder(), 1)
    slow, fast = member("slow"), member("fast")
    fast.worked(1000, 0.01)
    active, stats = await _take(render.scheduler, slow)
    await active.offer(frames(0), stats)
    stats.frames = 1
    same, second = await _take(render.scheduler, fast)
    assert same is active
    assert active.next_index == 1, "what has come is not asked for again"
    third = asyncio.ensure_future(render.scheduler.next_segment(member("third")))
    await asyncio.wait([third], timeout=0.1)
    assert not third.done(), "two are enough"
    third.cancel()
    await _complete(active, second)
    await asyncio.wait_for(render.scheduler.finished, 60)


async def test_a_stream_that_stops_is_continued_by_an_idle_server(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server may say that it lives; others may have sent nothing yet, so have no pace."""
    monkeypatch.setattr(scheduler_module, "_POLL_INTERVAL_SECS", 0.02)
    render = Render(threads, Encoder(), 1)
    first = member("first")
    active, stats = await _take(render.scheduler, first)
    await active.offer(frames(0), stats)
    stats.record_frames(1)
    again = asyncio.ensure_future(render.scheduler.next_segment(first))
    for name in ("second", "third"):  # the second one stops, too
        monkeypatch.setattr(speculation, "_STALLED_SECS", 3600.0)
        waiting = asyncio.ensure_future(render.scheduler.next_segment(member(name)))
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        monkeypatch.setattr(speculation, "_STALLED_SECS", 0.0)
        assert await asyncio.wait_for(waiting, 60) is active
        stats = StreamStats(member(name))
        active.streams.append(stats)
    assert not again.done(), "a server does not race with itself"
    again.cancel()
    await _complete(active, stats)
    await asyncio.wait_for(render.scheduler.finished, 60)


async def test_who_keeps_up_is_left_alone(
    threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler_module, "_POLL_INTERVAL_SECS", 0.02)
    render = Render(threads, Encoder(), 1)
    one, other = member("one"), member("other")
    other.worked(10, 1.0)
    active, stats = await _take(render.scheduler, one)
    stats.frames = 10_000
    waiting = asyncio.ensure_future(render.scheduler.next_segment(other))
    await asyncio.wait([waiting], timeout=0.2)
    assert not waiting.done()
    waiting.cancel()
    await _complete(active, stats)
    await asyncio.wait_for(render.scheduler.finished, 60)


async def test_waiting_for_a_segment_can_be_cancelled(threads: ThreadPoolExecutor) -> None:
    render = Render(threads, Encoder(), 1, limit=1)
    await _take(render.scheduler, member())
    waiting = asyncio.ensure_future(render.scheduler.next_segment(member()))
    await asyncio.sleep(0.02)
    waiting.cancel()
    done, _ = await asyncio.wait([waiting], timeout=60)
    assert done
    assert waiting.cancelled()
    await render.scheduler.close()


async def test_full_segments_become_parts_though_no_server_is_left(
    threads: ThreadPoolExecutor,
) -> None:
    encoder = Encoder()
    encoder.go.clear()
    render = Render(threads, encoder, 3)
    complete, stats = await _take(render.scheduler, member())
    await _complete(complete, stats)
    await _take(render.scheduler, member())
    ending = asyncio.ensure_future(render.scheduler.wait_for_complete())
    await asyncio.wait([ending], timeout=0.05)
    assert not ending.done()
    encoder.go.set()
    await asyncio.wait_for(ending, 60)
    await render.scheduler.close()
    assert complete.part.result().frames == 4


async def test_renders_share_slots_and_the_first_comes_first(threads: ThreadPoolExecutor) -> None:
    with EncoderSlots(2) as slots:
        one, two, three = (Render(threads, Encoder(), 2, slots=slots) for _ in range(3))
        with ExitStack() as stack:
            for each in (one, two, three):
                stack.enter_context(slots.shared_by(each.scheduler))
            taken = [await _take(one.scheduler, member()) for _ in range(2)]
            waiting = [
                asyncio.ensure_future(_take(each.scheduler, member())) for each in (two, three)
            ]
            await asyncio.sleep(0)
            assert slots.threads._max_workers == 2
            assert not slots.has_free()
            for active, stats in taken:
                await _complete(active, stats)
            one.scheduler.stream_ended()
            (_, third) = await asyncio.gather(*waiting)
            assert not slots.has_free()
            await asyncio.wait_for(one.scheduler.finished, 60)
            again = asyncio.ensure_future(_take(two.scheduler, member()))
            await _complete(*third)
            three.scheduler.stream_ended()
            assert (await asyncio.wait_for(again, 60))[0].segment.number == 1
            await two.scheduler.close()
            await three.scheduler.close()
        assert slots.has_free()


async def test_a_server_that_serves_no_more_streams_is_not_asked(
    threads: ThreadPoolExecutor,
) -> None:
    render, server = Render(threads, Encoder(), 1), member()
    opened = SimpleNamespace(info=SimpleNamespace(max_streams=1))
    server.link._server = opened  # type: ignore[assignment]
    other = server.again()
    other.stream_begins()
    waiting = asyncio.ensure_future(_take(render.scheduler, server))
    await asyncio.sleep(0)
    assert not render.scheduler.active_segments
    other.stream_ended()
    render.scheduler.wake()
    active, _ = await asyncio.wait_for(waiting, 60)
    assert active.segment.number == 0
    await render.scheduler.close()


async def test_a_server_with_fewer_streams_comes_first(threads: ThreadPoolExecutor) -> None:
    busy, idle = member("busy"), member("idle")
    busy.again().stream_begins()
    with EncoderSlots(1) as slots:
        first = Render(threads, Encoder(), 1, slots=slots)
        render = Render(threads, Encoder(), 1, slots=slots, balancer=LoadBalancer(2))
        with slots.shared_by(first.scheduler), slots.shared_by(render.scheduler):
            active, stats = await _take(first.scheduler, member())
            asked = [
                asyncio.ensure_future(render.scheduler.next_segment(each)) for each in (busy, idle)
            ]
            await asyncio.sleep(0)
            await _complete(active, stats)
            slots.notify()
            await asyncio.wait_for(asked[1], 60)
            assert not asked[0].done()
            asked[0].cancel()
            await render.scheduler.close()


async def test_a_server_has_no_more_than_its_share_of_all_streams(
    threads: ThreadPoolExecutor,
) -> None:
    render, server = Render(threads, Encoder(), 1, balancer=LoadBalancer(2)), member()
    other = server.again()
    for _ in range(2):
        other.stream_begins()
    asked = asyncio.ensure_future(render.scheduler.next_segment(server))
    await asyncio.sleep(0)
    assert not render.scheduler.active_segments
    other.stream_ended()
    render.scheduler.wake()
    await asyncio.wait_for(asked, 60)
    await render.scheduler.close()


async def test_nothing_is_made_twice_while_other_renders_wait(threads: ThreadPoolExecutor) -> None:
    slow, fast = member("slow"), member("fast")
    fast.worked(1000, 0.01)
    follow = [True]
    with EncoderSlots(2, lambda: bool(follow)) as slots:
        render = Render(threads, Encoder(), 1, slots=slots)
        active, _ = await _take(render.scheduler, slow)
        second = asyncio.ensure_future(render.scheduler.next_segment(fast))
        await asyncio.sleep(0)
        render.scheduler.wake()
        await asyncio.sleep(0)
        assert not second.done()
        follow.clear()
        render.scheduler.wake()
        assert await asyncio.wait_for(second, 60) is active
        await render.scheduler.close()
