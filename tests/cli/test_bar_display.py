"""Bars on terminals of every width, that change it meanwhile."""

from __future__ import annotations

import io
import threading

import pytest
from terminal import Terminal, opened_terminal

from musetalk_fast.cli.bar_display import BarDisplay
from musetalk_fast.events import DoneEvent, Event, ProgressEvent, UploadEvent, WarningEvent

DONE = DoneEvent(
    output="out.mp4", bytes=1, duration_secs=7.1, frames=178, fps=96.0, wall_secs=3.2, engine="x"
)


def _generated(done: int) -> ProgressEvent:
    return ProgressEvent(stage="generate", done=done, total=178, fps=96.0, eta_secs=4.0)


def _shown(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> BarDisplay:
    """A display on this terminal that draws each event."""
    monkeypatch.setattr("sys.stderr", terminal.stream)
    monkeypatch.setattr("musetalk_fast.cli.bar_display._PERIOD_SECS", 0)
    return BarDisplay(verbose=False)


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (120, f"  generating  44% {'█' * 8}{'░' * 12} 0:00, 0:04 left, 96 fps, 80/178"),
        (60, f"  generating  44% {'█' * 4}{'░' * 5} 0:00, 0:04 left, 96 fps, 80/178"),
        (50, "  generating  44% ███░░░░ 0:00, 0:04 left, 96 fps"),
        (40, "  generating  44% ██░░░ 0:00, 0:04 left"),
        (30, "  generating  44% ██░░░░ 0:00"),
        (25, "  generating  44% 0:00"),
        (20, "  generating  44%"),
        (10, "  generat"),
    ],
)
def test_a_bar_says_what_fits(monkeypatch: pytest.MonkeyPatch, columns: int, line: str) -> None:
    with opened_terminal(columns) as terminal, _shown(terminal, monkeypatch) as display:
        display(_generated(80))
        assert [row.rstrip() for row in terminal.rows()] == [line]
        assert len(line) < columns


@pytest.mark.parametrize("rearranges", [True, False], ids=["wraps anew", "cuts"])
def test_no_stale_copy_is_left_by_a_resize(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], rearranges: bool
) -> None:
    with opened_terminal(100, rearranges=rearranges) as terminal:
        display = _shown(terminal, monkeypatch)
        for count, columns in enumerate((100, 51, 33, 20, 14, 77, 19, 140), 1):
            terminal.resize(columns)
            display(_generated(20 * count))
            (row,) = terminal.rows()
            assert row.split()[0] == "generating"
            assert len(row) < columns
        terminal.resize(40)
        display(WarningEvent(message="half way"))
        assert [row.split()[0] for row in terminal.rows()] == ["warning:", "generating"]
        display(DONE)
        assert terminal.rows() == ["warning: half way (MTF-WARNING)"]
    assert capsys.readouterr().out.startswith("Output: out.mp4 (")


def test_a_terminal_that_is_narrower_than_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """As tmux is for a quarter of a second after each resize."""
    with opened_terminal(100) as terminal, _shown(terminal, monkeypatch) as display:
        terminal.screen.resize(30)
        for done in (20, 40):
            display(_generated(done))
        (row,) = terminal.rows()
        assert row.startswith("  generating  22% ")


def test_the_latest_stage_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(event: Event, line: str) -> bool:
        display(event)
        (row,) = terminal.rows()
        return row.startswith("  " + line)

    with opened_terminal(60) as terminal, _shown(terminal, monkeypatch) as display:
        assert shown(ProgressEvent(stage="load", done=1, total=2), "loading     50% ███")
        assert shown(ProgressEvent(stage="load", done=2, total=2), "loading    100% ███")
        sent = [
            UploadEvent(server="http://gpu", asset="avatar", sent=500, total=1000),
            UploadEvent(server="http://gpu", asset="audio", sent=1000, total=2000),
        ]
        assert shown(sent[0], "sending     50% ███")
        assert shown(sent[1], "sending     50% █████")
        assert terminal.rows()[0].endswith(" 0:00, 1.5 kB of 3.0 kB")
        local = UploadEvent(server="builtin", asset="audio", sent=2000, total=9000)
        assert shown(local, "sending     50% █████")
        assert shown(_generated(89), "generating  50% ███")
        assert shown(sent[0], "generating  50% ███"), "another server"
        assert shown(ProgressEvent(stage="encode", done=80, total=178), "generating  50% ███")
        assert shown(_generated(178), "generating 100% ███")
        assert shown(ProgressEvent(stage="encode", done=177, total=178), "encoding    99% ███")
        assert shown(ProgressEvent(stage="join", done=0, total=1), "joining      0% ░░░")


def test_time_goes_on_between_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("musetalk_fast.cli.bar_display._CLOCK_SECS", 0.01)
    drawn = threading.Event()
    with opened_terminal(60) as terminal, _shown(terminal, monkeypatch) as display:
        display(_generated(20))
        draw = display._draw
        monkeypatch.setattr(display, "_draw", lambda: (draw(), drawn.set()))
        assert drawn.wait(10)
        display.close()
        assert terminal.rows() == [""]
        display.note("anna")
        display(_generated(20))
        assert terminal.rows()[0] == "anna"


def test_a_terminal_without_blocks_gets_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict", newline="")
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("COLUMNS", "50")  # what is no terminal has no size of its own
    with BarDisplay(verbose=False) as display:
        display(_generated(178))
        shown = stream.buffer.getvalue()  # type: ignore[attr-defined]
    assert b"  generating 100% ######### 0:00, 96 fps, 178/178\x1b" in shown
