"""What FFmpeg logs is seen by who captures it, and by nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import av
import pytest

from musetalk_fast.ffmpeg_log import captured_log


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    """The log is off, as in a program that has not asked for it."""
    av.logging.set_level(None)
    yield
    av.logging.set_level(None)


def _in_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def _log(text: str) -> None:
    av.logging.log(av.logging.ERROR, "test", text)


def test_messages_of_other_threads_go_nowhere(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with captured_log(av.logging.ERROR) as lines:
        _log("ours")
        _in_thread(lambda: _log("theirs"))
        _log("ours")
    _log("later")
    _in_thread(lambda: _log("later"))
    assert [text for _, _, text in lines] == ["ours", "ours"]
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_a_log_that_was_asked_for_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    av.logging.set_level(av.logging.WARNING)
    with captured_log(av.logging.ERROR) as lines:
        _in_thread(lambda: _log("theirs"))
    _log("later")
    assert not lines
    assert [record.getMessage() for record in caplog.records] == ["theirs", "later"]
    assert av.logging.get_level() == av.logging.WARNING


def test_two_threads_that_capture_leave_the_log_off(caplog: pytest.LogCaptureFixture) -> None:
    begun, captured = threading.Event(), []

    def capture() -> None:
        begun.set()
        with captured_log(av.logging.ERROR) as lines:
            _log("second")
        captured.extend(lines)

    second = threading.Thread(target=capture)
    with captured_log(av.logging.INFO) as lines:
        second.start()
        begun.wait()
        _log("first")
    second.join()
    _log("later")
    assert [text for _, _, text in (*lines, *captured)] == ["first", "second"]
    assert not caplog.records
