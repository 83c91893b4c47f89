"""Parts appear atomically, and are the same every time."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_video import (
    HEIGHT,
    WIDTH,
    compositor_of,
    crop_of,
    decode,
    encode_part,
    encoder_for,
    frame_of,
)

from musetalk_fast.errors import EncoderError, OutputPlaceError, OutputWriteError
from musetalk_fast.storage import atomic_files
from musetalk_fast.types import BT709
from musetalk_fast.video.codec_table import CODECS
from musetalk_fast.video.compositor import StillCompositor
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.part_encoder import PartEncoder
from musetalk_fast.video.parts import read_part

SmallFiles = Callable[[int], AbstractContextManager[None]]

FPS = Fraction(25)
X264 = encoder_for(Path("o.mp4"), FPS)


def _open(path: Path, encoder: EncoderSettings = X264) -> tuple[PartEncoder, StillCompositor]:
    part = PartEncoder(path, encoder, WIDTH, HEIGHT, FPS, BT709, 100, "label")
    return part, compositor_of(encoder, FPS)


def _noise(pts: int) -> av.VideoFrame:
    """What no encoder makes small."""
    samples = np.random.default_rng(pts).integers(0, 256, (HEIGHT * 3 // 2, WIDTH), np.uint8)
    frame = av.VideoFrame.from_ndarray(samples, "yuv420p")
    frame.pts, frame.time_base = pts, 1 / FPS
    return frame


def test_a_part_says_what_is_in_it(tmp_path: Path) -> None:
    part = encode_part(tmp_path / "0.mp4", X264, FPS, range(30))
    assert (part.frames, part.bytes) == (30, part.path.stat().st_size)
    decoded = decode(part.path)
    assert decoded.numbers == [*range(30)]
    assert decoded.times == [i / FPS for i in range(30)]
    with av.open(str(part.path)) as container:
        assert container.streams.video[0].codec_context.extradata == part.extradata != b""


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_part_is_known_again_by_reading_it(tmp_path: Path, suffix: str) -> None:
    fps = Fraction(60000, 1001)
    encoder = encoder_for(Path("o" + {".mp4": ".mp4", ".mkv": ".webm"}[suffix]), fps, preset="fast")
    part = encode_part(tmp_path / f"0{suffix}", encoder, fps, range(40))
    assert read_part(part.path, fps) == part
    assert (part.delay > 0) == (suffix == ".mp4"), "B-frames come after what they refer to"


@pytest.mark.parametrize("keep", [0, 1, 100, 1000, 3000])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_part_cut_short_is_not_known_again(tmp_path: Path, suffix: str, keep: int) -> None:
    encoder = encoder_for(Path("o.mp4" if suffix == ".mp4" else "o.webm"), FPS)
    part = encode_part(tmp_path / f"0{suffix}", encoder, FPS, range(200, 208))
    part.path.write_bytes(part.path.read_bytes()[: min(keep, part.bytes // 2)])
    with pytest.raises(OutputWriteError, match="damaged") as raised:
        read_part(part.path, FPS)
    assert raised.value.where == str(part.path)


def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputWriteError, match="No such file") as raised:
        read_part(tmp_path / "3.mp4", FPS)
    assert raised.value.where == str(tmp_path / "3.mp4")


@pytest.mark.parametrize("numbers", [[0, 1, 3], [1, 2], [0, 0, 1]])
def test_frames_that_do_not_follow_one_another_are_no_part(
    tmp_path: Path, numbers: list[int]
) -> None:
    path = tmp_path / "0.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", 25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in numbers:
            for packet in stream.encode(_noise(number)):
                container.mux(packet)
    with pytest.raises(OutputWriteError, match="do not follow one another"):
        read_part(path, FPS)


def test_sound_alone_is_no_part(tmp_path: Path) -> None:
    path = tmp_path / "0.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", 16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    with pytest.raises(OutputWriteError, match="no pictures"):
        read_part(path, FPS)


def test_a_playlist_is_no_part(tmp_path: Path) -> None:
    """It would be read from whatever files it names."""
    encode_part(tmp_path / "0.mp4", X264, FPS, range(3))
    playlist = tmp_path / "1.mp4"
    playlist.write_text("ffconcat version 1.0\nfile 0.mp4\n")
    with pytest.raises(OutputWriteError, match="the part is damaged"):
        read_part(playlist, FPS)


def test_what_is_no_regular_file_is_no_part(tmp_path: Path) -> None:
    part = encode_part(tmp_path / "0.mp4", X264, FPS, range(3))
    (tmp_path / "1.mp4").symlink_to(part.path)
    os.mkfifo(tmp_path / "2.mp4")
    for name in ("1.mp4", "2.mp4"):
        with pytest.raises(OutputPlaceError):
            read_part(tmp_path / name, FPS)


def test_a_part_is_not_there_before_it_is_complete(tmp_path: Path) -> None:
    part, compositor = _open(tmp_path / "0.mp4")
    part.encode(compositor.compose(frame_of(crop_of(0)), 0))
    assert [path.suffix for path in tmp_path.iterdir()] == [".tmp"]
    part.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["0.mp4"]


def test_a_part_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def noted(name: str, real: Callable[..., object]) -> Callable[..., object]:
        return lambda *args: (calls.append(name), real(*args))[1]

    monkeypatch.setattr(atomic_files.os, "fsync", noted("fsync", os.fsync))
    monkeypatch.setattr(Path, "replace", noted("rename", Path.replace))
    encode_part(tmp_path / "0.mp4", X264, FPS, range(2))
    assert calls == ["fsync", "rename", "fsync"], "the file, its new name, the folder"


def test_an_aborted_part_leaves_nothing(tmp_path: Path) -> None:
    part, compositor = _open(tmp_path / "0.mp4")
    for index in range(5):
        part.encode(compositor.compose(frame_of(crop_of(index)), index))
    part.abort()
    part.abort()
    assert list(tmp_path.iterdir()) == []


def test_aborting_a_finished_part_keeps_it(tmp_path: Path) -> None:
    part, compositor = _open(tmp_path / "0.mp4")
    part.encode(compositor.compose(frame_of(crop_of(0)), 0))
    finished = part.finish()
    part.abort()
    assert finished.path.stat().st_size == finished.bytes


def test_a_part_that_was_never_begun_can_be_aborted(tmp_path: Path) -> None:
    _open(tmp_path / "0.mp4")[0].abort()
    assert list(tmp_path.iterdir()) == []


def test_a_part_without_frames_is_an_error(tmp_path: Path) -> None:
    part, _ = _open(tmp_path / "0.mp4")
    with pytest.raises(EncoderError):
        part.finish()
    part.abort()
    assert list(tmp_path.iterdir()) == []


def test_a_frame_that_cannot_be_encoded_is_named(tmp_path: Path) -> None:
    part, compositor = _open(tmp_path / "0.mp4")
    part.encode(compositor.compose(frame_of(crop_of(0)), 0))
    part.finish()
    with pytest.raises(EncoderError, match="encoding failed: End of file") as raised:
        part.encode(compositor.compose(frame_of(crop_of(1)), 1))
    assert raised.value.where == "libx264, frame 101"


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_segment_gives_the_same_bytes(tmp_path: Path, threads: int) -> None:
    encoder = EncoderSettings("libx264", "mp4", "yuv420p", X264.options, 250, threads)
    paths = [tmp_path / name for name in ("a.mp4", "b.mp4")]
    for path in paths:
        encode_part(path, encoder, FPS, range(40))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_matroska_parts_are_the_same_every_time(tmp_path: Path) -> None:
    encoder = encoder_for(Path("o.webm"), FPS)
    paths = [tmp_path / name for name in ("a.mkv", "b.mkv")]
    for path in paths:
        encode_part(path, encoder, FPS, range(3))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def _fill(path: Path, suffix: str, frames: int) -> None:
    encoder = X264 if suffix == ".mp4" else encoder_for(Path("o.webm"), FPS, crf=4)
    part = PartEncoder(path, encoder, WIDTH, HEIGHT, FPS, BT709, 0, "label")
    try:
        for pts in range(frames):
            part.encode(_noise(pts))
        part.finish()
    finally:
        part.abort()


@pytest.mark.parametrize(("suffix", "frames"), [(".mp4", 1), (".mp4", 40), (".mkv", 2)])
def test_a_part_that_cannot_grow_is_reported_and_leaves_nothing(
    tmp_path: Path, small_files: SmallFiles, suffix: str, frames: int
) -> None:
    path = tmp_path / f"0{suffix}"
    with pytest.raises(OutputWriteError, match="File too large") as raised, small_files(20_000):
        _fill(path, suffix, frames)
    assert raised.value.where == str(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk_is_reported_and_leaves_nothing(small_disk: Path, suffix: str) -> None:
    with pytest.raises(OutputWriteError, match="No space left"):
        _fill(small_disk / f"0{suffix}", suffix, 5)
    assert list(small_disk.iterdir()) == []


def test_a_folder_that_is_gone_is_reported(tmp_path: Path) -> None:
    with pytest.raises(OutputWriteError, match="No such file"):
        PartEncoder(tmp_path / "gone" / "0.mp4", X264, WIDTH, HEIGHT, FPS, BT709, 0, "label")


def _descriptors() -> list[str]:
    """The files that this process has open, by name."""
    names = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            names.append(str(entry.readlink()))
    return sorted(names)


UNUSABLE = {
    "not in this build": replace(X264, codec="nosuch"),
    "unknown pixel format": replace(X264, pix_fmt="nosuch"),
}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc for descriptors")
@pytest.mark.parametrize("name", UNUSABLE)
def test_an_encoder_that_cannot_be_set_up_is_reported_and_leaves_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CODECS, "nosuch", CODECS["libx264"])  # type: ignore[misc]
    before = _descriptors()
    with pytest.raises(EncoderError) as raised:
        _open(tmp_path / "0.mp4", UNUSABLE[name])
    assert UNUSABLE[name].codec in str(raised.value)
    assert list(tmp_path.iterdir()) == []
    assert _descriptors() == before


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc for descriptors")
def test_a_file_that_cannot_be_locked_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def interrupted(_descriptor: int, _how: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", interrupted)
    before = _descriptors()
    with pytest.raises(OutputWriteError, match="Input/output error"):
        _open(tmp_path / "0.mp4")
    assert list(tmp_path.iterdir()) == []
    assert _descriptors() == before


def test_a_folder_that_goes_meanwhile_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    part, compositor = _open(folder / "0.mp4")
    part.encode(compositor.compose(frame_of(crop_of(0)), 0))
    shutil.rmtree(folder)
    with pytest.raises(OutputWriteError, match="No such file"):
        part.finish()
    part.abort()


def test_names_that_look_like_addresses_are_files(tmp_path: Path) -> None:
    path = tmp_path / "http:x%20.mp4"
    assert encode_part(path, X264, FPS, [7]).path == path
    assert decode(path).numbers == [7]
