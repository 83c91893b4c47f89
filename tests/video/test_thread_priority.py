"""SVT-AV1 opened by root: no thread of the process runs before the rest of the machine after it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import pytest

from musetalk_fast.config import OutputSettings
from musetalk_fast.types import BT709
from musetalk_fast.video import thread_priority
from musetalk_fast.video.compositor import blank_frame
from musetalk_fast.video.encoder_opening import open_encoder
from musetalk_fast.video.encoder_probe import try_encoder
from musetalk_fast.video.encoder_selection import resolve
from musetalk_fast.video.part_encoder import PartEncoder
from musetalk_fast.video.thread_priority import keeping_thread_priority

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_getscheduler") or os.geteuid() != 0, reason="only root, only Linux"
)

FPS = Fraction(25)
SETTINGS = resolve(
    OutputSettings(codec="av1", preset="ultrafast"), Path("o.mp4"), 128, 96, FPS, BT709
)


def _priorities() -> list[int]:
    """Of the threads of this process that are real-time."""
    found = []
    for each in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it has ended
            found.append(os.sched_getparam(int(each.name)).sched_priority)
    return [each for each in found if each]


def _part(folder: Path) -> PartEncoder:
    encoder = PartEncoder(folder / "1.mp4", SETTINGS, 128, 96, FPS, BT709, 0, "")
    frame = blank_frame(128, 96, SETTINGS.pix_fmt, FPS, BT709)
    frame.pts = 0
    encoder.encode(frame)
    return encoder


OPENERS: dict[str, Callable[[Path], object]] = {
    "probe": lambda _folder: try_encoder(SETTINGS, 128, 96, FPS, BT709),
    "first frame": lambda _folder: open_encoder(SETTINGS, 128, 96, FPS, BT709),
    "part": _part,
}


@pytest.mark.parametrize("way", OPENERS)
def test_opening_it_leaves_no_thread_real_time(tmp_path: Path, way: str) -> None:
    opened = OPENERS[way](tmp_path)
    assert not _priorities()
    if isinstance(opened, PartEncoder):
        opened.finish()


def _open() -> av.CodecContext:
    context = av.CodecContext.create("libsvtav1", "w")
    assert isinstance(context, av.VideoCodecContext)
    SETTINGS.configure(context, 128, 96, FPS, BT709)
    context.open()
    return context


def test_who_had_it_before_keeps_it() -> None:
    """A host may have real-time threads of its own, and may open the encoder in one."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))
    try:
        with keeping_thread_priority("libsvtav1"):
            context = _open()
        assert set(_priorities()) == {5}
    finally:
        del context
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def test_it_is_still_needed() -> None:
    """Else the module can go."""
    with keeping_thread_priority("libsvtav1"):
        context = _open()
        assert set(_priorities()) == {99}
    assert not _priorities()
    del context


def test_without_proc_it_opens_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with keeping_thread_priority("libsvtav1"):  # for the threads of this test
        monkeypatch.setattr(thread_priority, "_THREADS", tmp_path / "proc")
        assert open_encoder(SETTINGS, 128, 96, FPS, BT709).is_open
        monkeypatch.undo()
