"""Which frame is which: numbered frames in every container, from every place, both ways."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_clips import (
    CLOSED,
    GROUP,
    HEIGHT,
    OPEN,
    VP9,
    WIDTH,
    X264,
    X265,
    check_every_way,
    number_in,
    set_edits,
    shown,
    write_clip,
)

from musetalk_fast.kernels.planes import ALPHA, LAYOUTS
from musetalk_fast.media.video import VideoSource, frame_runs
from musetalk_fast.media.video.reference_packets import SinglePackets
from musetalk_fast.media.video.video_file import VideoFile
from musetalk_fast.types import SourceRun

SVT = {"g": str(GROUP), "preset": "10", "crf": "10", "svtav1-params": "lp=1"}

CLIPS = {
    "h264.mp4": {"options": CLOSED},
    "h264.mov": {"options": OPEN},
    "h264.mkv": {"options": OPEN},
    "h264.avi": {"options": CLOSED},
    "open.avi": {"options": OPEN},
    "fragments.mp4": {"options": OPEN, "muxer": {"movflags": "frag_keyframe+empty_moov"}},
    "hevc.mp4": {"codec": "libx265", "options": X265},
    "vp9.webm": {"codec": "libvpx-vp9", "options": VP9},
    "vp8.webm": {"codec": "libvpx", "options": VP9},
    "mjpeg.avi": {"codec": "mjpeg", "options": {}, "pix_fmt": "yuvj420p"},
}


@pytest.mark.parametrize("name", CLIPS)
def test_every_frame_is_found_from_everywhere(
    tmp_path: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    source = VideoSource(write_clip(tmp_path / name, **CLIPS[name]))  # type: ignore[arg-type]
    check_every_way(source, range(30))
    found = shown(source, 0, 1, 30) + shown(source, 29, -1, 30)[::-1]
    wrong = sum(number != index % 30 for index, number in enumerate(found))
    record_property("frames that are not the ones asked for, both ways, ten containers (0)", wrong)
    assert (source.rate, source.timestamps) == (25, None)
    assert (source.width, source.height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("name", "codec", "options", "pix_fmt", "layout"),
    [
        ("av1.mp4", "libsvtav1", SVT, "yuv420p10le", "yuv420p10le"),
        ("prores.mov", "prores_ks", {}, "yuv422p10le", "yuv420p10le"),
        ("hevc.mkv", "libx265", X265, "yuv420p10le", "p010le"),
    ],
)
def test_deeper_samples_keep_their_bits_where_they_are_asked_for(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], pix_fmt: str, layout: str
) -> None:
    clip = write_clip(tmp_path / name, codec, 14, options=options, pix_fmt=pix_fmt)
    source = VideoSource(clip)
    assert (source.pix_fmt, source.bit_depth) == (pix_fmt, 10)
    check_every_way(source, range(14), layout)
    check_luma = _first_luma(clip, pix_fmt)
    (planes,) = source.planes(SourceRun(0, 0, 1), LAYOUTS[layout])
    assert np.array_equal(planes.samples(0) >> planes.layout.shift, check_luma)


def _first_luma(clip: Path, pix_fmt: str) -> np.ndarray:
    with av.open(str(clip)) as file:
        frame = next(file.decode(video=0))
    assert frame.format.name == pix_fmt
    rows = np.frombuffer(frame.planes[0], "<u2").reshape(HEIGHT, -1)
    return rows[:, :WIDTH]


TIMES = [0, 1, 3, 4, 8, 9, 10, 15]


@pytest.mark.parametrize("name", ["vfr.mp4", "vfr.mkv"])
def test_frames_of_a_variable_rate_have_their_times(
    tmp_path: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    def times(index: int) -> int:
        return TIMES[index % 8] + 16 * (index // 8)

    source = VideoSource(write_clip(tmp_path / name, options=OPEN, rate=50, times=times))
    check_every_way(source, range(30))
    assert source.timestamps is not None
    starts, end, tick = source.timestamps
    off = [abs(start * tick - Fraction(times(each), 50)) for each, start in enumerate(starts)]
    what = "times of a variable rate's frames (MP4, MKV): most that one is off (0 s)"
    record_property(what, float(max(off)))
    assert (len(off), max(off)) == (30, 0)
    assert end * tick >= Fraction(times(29) + 1, 50)
    assert source.rate == 50


@pytest.mark.parametrize(
    ("edits", "wanted"),
    [
        ([(400, 1024 + 512 * 17)], range(17, 27)),
        ([(480, 1024 + 512 * 14), (480, 1024 + 512 * 3)], [*range(14, 26), *range(3, 15)]),
        ([(1000, -1), (400, 1024 + 512 * 5)], range(5, 15)),
    ],
    ids=["cut in a group", "two parts in another order", "a late begin"],
)
def test_an_edit_list_says_which_frames_there_are(
    tmp_path: Path, edits: list[tuple[int, int]], wanted: Sequence[int]
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", options=CLOSED)
    set_edits(clip, edits)
    source = VideoSource(clip)
    check_every_way(source, list(wanted))
    assert source.rate == 25


def test_frames_before_zero_are_not_shown_in_mp4(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", options=OPEN, times=lambda index: index - 5)
    check_every_way(VideoSource(clip), range(5, 30))
    late = write_clip(tmp_path / "late.mkv", options=OPEN, times=lambda index: index + 40)
    check_every_way(VideoSource(late), range(30))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", options=OPEN)


def test_planes_are_the_decoders_own(clip: Path) -> None:
    source = VideoSource(clip)
    with av.open(str(clip)) as file:
        for planes, frame in zip(
            source.planes(SourceRun(0, 1, 30), LAYOUTS["yuv420p"]),
            file.decode(video=0),
            strict=True,
        ):
            assert isinstance(planes.buffers[0], av.video.plane.VideoPlane)
            for number, plane in enumerate(frame.planes):
                rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
                wanted = rows[: plane.height, : plane.width]
                assert np.array_equal(planes.samples(number), wanted)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_can_be_asked_for(clip: Path, layout: str) -> None:
    source = VideoSource(clip)
    assert shown(source, 3, 1, 2, layout) == [3, 4]
    assert shown(source, 3, -1, 2, layout) == [3, 2]
    (planes,) = source.planes(SourceRun(3, 0, 1), LAYOUTS[layout])
    (plain,) = source.planes(SourceRun(3, 0, 1), LAYOUTS["yuv420p"])
    if planes.layout.depth == 8:
        assert np.array_equal(planes.samples(0), plain.samples(0))
    if planes.layout.alpha is not None:
        assert (planes.samples(ALPHA) == (1 << planes.layout.depth) - 1).all()


def test_a_frame_may_stand_still(clip: Path) -> None:
    run = VideoSource(clip).planes(SourceRun(17, 0, 1 << 40), LAYOUTS["yuv420p"])
    assert [number_in(next(run)) for _ in range(3)] == [17, 17, 17]
    run.close()


def test_other_source_frames_are_not_there(clip: Path) -> None:
    source = VideoSource(clip)
    for run in (SourceRun(30, 0, 1), SourceRun(29, 1, 2), SourceRun(0, -1, 2)):
        with pytest.raises(IndexError, match="no source frame"):
            next(source.planes(run, LAYOUTS["yuv420p"]))
    assert list(source.planes(SourceRun(0, 1, 0), LAYOUTS["yuv420p"])) == []


def test_backward_a_group_that_is_too_large_is_decoded_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", options={**CLOSED, "g": "250"})
    source, most, kept = VideoSource(clip), 4, []

    def keep(frames: Iterator[av.VideoFrame]) -> list[av.VideoFrame]:
        found = list(frames)
        kept.append(len(found))
        return found

    share = most * frame_runs.frame_bytes(av.VideoFormat("yuv420p"), WIDTH, HEIGHT)
    monkeypatch.setattr(frame_runs, "_REVERSE_BYTES", 2 * share)
    monkeypatch.setattr(frame_runs, "_SHARE_AT_LEAST", 0)
    monkeypatch.setattr(frame_runs, "deque", keep)
    assert shown(source, 29, -1, 30) == list(range(29, -1, -1))
    assert kept == [4, 4, 4, 4, 4, 4, 4, 2]


def test_runs_share_what_they_may_keep() -> None:
    memory, most = frame_runs.ReverseMemory(), 256 << 20
    with memory.shared() as one:
        alone = one()
        assert alone == most // 2
        with memory.shared() as two, memory.shared() as three:
            assert [two(), three()] == [most // 4, most // 4]
            assert one() == most // 4
        with ExitStack() as stack:
            many = [stack.enter_context(memory.shared()) for _ in range(63)]
            assert {take() for take in many} == {32 << 20}
    with memory.shared() as again:
        assert again() == most // 2


def test_threads_decode_side_by_side(clip: Path) -> None:
    source, gate = VideoSource(clip), threading.Barrier(4)

    def decode(first: int, step: int) -> list[int]:
        gate.wait(10)
        return shown(source, first, step, 15)

    runs = [(0, 1), (29, -1), (15, 1), (14, -1)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda run: decode(*run), runs))
    assert found == [[first + step * place for place in range(15)] for first, step in runs]


def test_runs_that_follow_one_another_are_decoded_once(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = VideoSource(clip)
    shown(source, 0, 1, 5)
    seeks: list[int] = []
    monkeypatch.setattr(VideoFile, "seek", lambda self, stamp: seeks.append(stamp))
    assert shown(source, 5, 1, 6) == list(range(5, 11))
    assert shown(source, 11, 1, 3) == [11, 12, 13]
    assert not seeks


def test_files_are_closed_with_the_source(clip: Path) -> None:
    source = VideoSource(clip)
    run = source.planes(SourceRun(3, 1, 9), LAYOUTS["yuv420p"])
    next(run)
    shown(source, 20, 1, 2)
    del run, source
    gc.collect()  # an open file would be a warning, which is an error here


@pytest.mark.parametrize(
    ("name", "codec", "options", "some"),
    [
        ("clip.mp4", "libx264", CLOSED, True),
        ("clip.mkv", "libx264", OPEN, True),
        ("clip.mp4", "libx264", {**X264, "bf": "0"}, False),
        ("clip.mp4", "libx265", X265, True),
        ("clip.avi", "libx264", CLOSED, False),
    ],
)
def test_packets_that_no_other_needs_are_known(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], some: bool
) -> None:
    clip = write_clip(tmp_path / name, codec, options=options)
    with VideoFile(clip) as file:
        single = SinglePackets(file.track)
        packets = [each for each in file.packets() if each.size]
        alone = {each.pts for each in packets if single.holds(each)}
        assert not any(each.pts in alone for each in packets if each.is_keyframe)
    assert (len(alone) > 5) is some
    with VideoFile(clip) as file:
        wanted = [each.pts for each in packets if each.pts not in alone]
        kept = (each for each in file.packets() if not each.size or each.pts in wanted)
        frames = [frame for each in kept for frame in file.track.decode(each)]
    assert sorted(frame.pts for frame in frames) == sorted(wanted)
    assert not any(frame.is_corrupt for frame in frames)
