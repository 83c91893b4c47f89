"""The page's player, after a while in a hidden tab: no animation frames, but its sound goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from page_in_node import needs_node, run_in_node

pytestmark = needs_node
PROGRAM = Path(__file__).with_name("page_player.js").read_text()


SEEN_SECS = 5


async def _after_hiding(folder: Path, **given: object) -> Any:
    out = await run_in_node(folder, PROGRAM, given)
    assert out["drawn"] == sorted(set(out["drawn"]))
    assert out["bitmaps"] <= 9  # all that are not about to be shown were closed
    return out


async def test_it_goes_on_at_once_where_frames_filled_its_memory(tmp_path: Path) -> None:
    given = {"count": 6_000, "size": 50_000, "throughputs": [500] * 3}
    out = await _after_hiding(tmp_path, **given, hidden=100, back=20)
    first = (SEEN_SECS + 100) * 25
    assert out["kept"] > first  # those whose time was over made space for others
    assert out["events"] == []
    assert {*range(first + 2, first + 450)} <= {*out["drawn"]}


async def test_it_waits_once_for_frames_that_are_not_there_yet(tmp_path: Path) -> None:
    """Those that are here and whose time is over are not taken for enough."""
    given = {"count": 2_000, "size": 100, "throughputs": [60, 0, 30]}
    out = await _after_hiding(tmp_path, **given, hidden=60, back=70)
    assert out["events"] == ["waiting", "playing", "ended"]
    assert out["drawn"][0] > out["kept"]


async def test_it_shows_the_end_of_what_was_heard_to_its_end(tmp_path: Path) -> None:
    given = {"count": 2_000, "size": 50_000, "throughputs": [500] * 3}
    out = await _after_hiding(tmp_path, **given, hidden=90, back=2)
    assert (out["drawn"], out["events"]) == ([1999], ["ended"])
