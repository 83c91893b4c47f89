"""A crew ends: with all parts, or with what its last lane has failed with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from feeds import Encoder, frames, member

from musetalk_fast import errors
from musetalk_fast.client.pool import Pool
from musetalk_fast.events import Event, WarningEvent
from musetalk_fast.planning import Segment
from musetalk_fast.rendering import concurrency as crews
from musetalk_fast.rendering import together as side_by_side
from musetalk_fast.rendering.board import Board
from musetalk_fast.rendering.crew import Crew
from musetalk_fast.rendering.source import Source

FLAW = RuntimeError("a flaw of ours")
SEGMENT = Segment(0, 0, 4)


def _crew(
    monkeypatch: pytest.MonkeyPatch,
    lane: Callable[[Board], Any],
    encoder: Encoder,
    on_event: Callable[[Event], None] = lambda _event: None,
) -> Crew:
    """Of one server, whose lane is this coroutine function."""

    def make_lane(*given: Any) -> Any:
        (board,) = (each for each in given if isinstance(each, Board))
        return SimpleNamespace(run=lambda: lane(board))

    monkeypatch.setattr(crews, "Lane", make_lane)
    monkeypatch.setattr(crews, "SegmentEncoding", lambda _work: encoder)
    work: Any = SimpleNamespace(record=SimpleNamespace(settled=None))
    return Crew(work, Pool([member()]), 1, 3, on_event)


async def _give_all(board: Board) -> None:
    giver = member()
    feed = await board.next_for(giver)
    assert feed is not None
    await feed.offer(frames(*range(feed.due, feed.segment.stop)), Source(giver))


async def test_a_lane_that_failed_when_all_frames_were_there_is_missed_when_some_are_garbage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else nobody makes them anew, and nobody says so."""
    monkeypatch.setattr(crews, "_LOOK_SECS", 0.1)
    encoder = Encoder({2: errors.FrameShapeError("no crop")})
    encoder.go.clear()

    async def lane(board: Board) -> None:
        await _give_all(board)
        asyncio.get_running_loop().call_later(0.3, encoder.go.set)
        raise FLAW

    told: list[Event] = []
    concurrency = _crew(monkeypatch, lane, encoder, told.append)
    with pytest.raises(RuntimeError, match="flaw"):
        await asyncio.wait_for(concurrency.make([SEGMENT]), 10)
    assert any(isinstance(event, WarningEvent) for event in told)


async def test_a_lane_that_failed_when_all_frames_were_there_matters_to_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def lane(board: Board) -> None:
        await _give_all(board)
        raise FLAW

    parts = await asyncio.wait_for(_crew(monkeypatch, lane, Encoder()).make([SEGMENT]), 10)
    assert list(parts) == [0]


async def test_a_lane_that_loses_its_cancellation_does_not_keep_the_render(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(side_by_side, "_AGAIN_SECS", 0.05)

    async def lane(board: Board) -> None:
        await _give_all(board)
        try:
            await board.next_for(member())
        except asyncio.CancelledError:
            await board.next_for(member())

    parts = await asyncio.wait_for(_crew(monkeypatch, lane, Encoder()).make([SEGMENT]), 10)
    assert list(parts) == [0]
