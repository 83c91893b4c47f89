"""The report's page in a browser: nothing of it is cut off, on a phone or a wide screen."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from musetalk_fast.batching.report import JobRecord, Report
from musetalk_fast.batching.report_page import report_to_html

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))

from chromium import CHROMIUM, chromium

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium"),
]

_NAMES = ("anna", "a" * 180, "\u05d0\u05e0\u05d4 1", "\u65e5\u672c\u8a9e" * 20, "day1/" * 30 + "x")
_DONE = JobRecord(
    name="", state="done", avatar="", audio="", output="x.mp4", bytes=123_456_789, frames=90_000,
    duration_secs=3600.0, fps="30000/1001", width=3840, height=2160, render_fps=1234.0,
    wall_secs=4000.0, stages={"load": 0.5, "generate": 1.5},
    warnings=(("MTF-MOUTH-STILL", f"http://{'host' * 40}/ says so"),),
)  # fmt: skip


async def test_it_is_as_wide_as_the_screen(tmp_path: Path) -> None:
    error = {"token": "MTF-X", "message": "m" * 200, "where": "/w" * 100, "hint": None}
    jobs = []
    for name in _NAMES:
        files = {"avatar": f"{name}.png", "audio": f"{name}.wav", "name": name}
        failed = {"frames": None, "name": f"{name} 2", "state": "failed", "error": error}
        jobs += [replace(_DONE, **files), replace(_DONE, **files | failed)]
    servers = (f"http://{'gpu' * 50}:8000 (musetalk 1.5)",)
    report = Report("done", "2026-01-02T03:04:05+00:00", 1e6, servers, tuple(jobs))
    page = tmp_path / "report.html"
    page.write_text(report_to_html(report, {}))
    async with chromium() as browser:
        for width in (320, 390, 860, 861, 1280):
            await browser.size(width, 844)
            await browser.open(page.as_uri())
            assert await browser.run("document.documentElement.scrollWidth") <= width
        assert not browser.complaints
