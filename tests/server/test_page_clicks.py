"""Clicks on the page's buttons that come before it has done what the last one asked for."""

from __future__ import annotations

from pathlib import Path

from page_in_node import needs_node, run_in_node

pytestmark = needs_node


async def test_each_click_finds_the_state_that_the_last_one_left(tmp_path: Path) -> None:
    program = Path(__file__).with_name("page_clicks.js").read_text()
    out = await run_in_node(tmp_path, program)
    assert out["asked"] == 1
    assert out["recording"] == ["Stop recording", True]
    assert out["recorded"] == ["Record", False, False]
    assert out["note"] == "recording.wav, 1.0 s"
    none, limit = out["limits"]
    assert none == 0
    assert 590 < limit < 600  # what is longer than 600 s is not taken
    assert out["full"] == ["Record", False, "That is ten minutes, the most that this page takes."]
    assert out["refused"] == ["Record", False]
    assert (out["speaking"], out["stopped"]) == (["Stop", 0], "Make it speak")
    assert out["notBegun"] == 0
    assert out["begun"] == ["Stop", 1]
    assert out["over"] == ["Make it speak", 0]
    assert out["doubled"] == ["Stop", 1]
    assert out["replaced"] == ["Make it speak", 0]
