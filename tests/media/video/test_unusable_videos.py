"""Files without a usable video: each says why; what is strange and works says what was done."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_clips import (
    HEIGHT,
    WIDTH,
    X264,
    box,
    encrypt,
    patch,
    patches,
    set_edits,
    set_matrix,
    shown,
    write_clip,
    write_picture,
)

from musetalk_fast.errors import ImageFormatError, VideoFormatError
from musetalk_fast.media.avatar import open_avatar
from musetalk_fast.media.video import VideoSource

AVI_RATE = 4 + 4 + 20
"""Bytes from the head of an AVI's stream to its scale and rate."""


def write_sound(path: Path, codec: str, *, cover: bool = False) -> Path:
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=48_000)
        if cover:
            picture = file.add_stream("mjpeg", rate=1)
            picture.width, picture.height, picture.pix_fmt = 96, 64, "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
            shown_picture = av.VideoFrame(96, 64, "yuvj420p")
            shown_picture.pts = 0
            file.mux(picture.encode(shown_picture))
            file.mux(picture.encode(None))
        silence = np.zeros((1, 960), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def _bytes(data: bytes) -> Callable[[Path], None]:
    return lambda path: _ignore(path.write_bytes(data))


def _ignore(_: object) -> None:
    return None


def _cut(path: Path) -> None:
    write_clip(path, frames=3, options=X264)
    path.write_bytes(path.read_bytes()[:-200])


def _unknown(path: Path) -> None:
    write_clip(path, frames=3, options=X264)
    path.write_bytes(path.read_bytes().replace(b"avc1\0\0", b"avcX\0\0"))


def _slow(path: Path) -> None:
    write_clip(path, frames=3, options=X264, rate=Fraction(1, 100))


def _empty(codec: str, pix_fmt: str, muxer: dict[str, str] | None = None) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with av.open(str(path), "w", options=muxer or {}) as file:
            stream = file.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 96, 64, pix_fmt
            file.start_encoding()

    return write


def _hidden(path: Path) -> None:
    set_edits(write_clip(path, frames=6, options=X264), [(40, 100_000)])


def _without_times(path: Path) -> None:
    patch(write_clip(path, frames=6, options=X264), b"stts", 4 + 8, struct.pack(">II", 6, 0))


def _too_fast(path: Path) -> None:
    write_clip(path, frames=9, options={**X264, "bf": "0"}, rate=90_000)


def _below_zero(path: Path) -> None:
    write_clip(path, "mjpeg", frames=3, options={}, pix_fmt="yuvj420p")
    patch(path, b"strh", AVI_RATE, struct.pack("<Ii", 1, -25))


def _without_index(path: Path) -> None:
    write_clip(path, frames=3, options=X264)
    data = path.read_bytes()
    path.write_bytes(data[: data.find(b"moov") - 4])


def _without_samples(path: Path) -> None:
    write_clip(path, frames=3, options=X264)
    data = path.read_bytes()
    path.write_bytes(data[: data.find(b"mdat") - 4] + data[data.find(b"moov") - 4 :])


def _too_large(path: Path) -> None:
    write_clip(path, "mjpeg", frames=3, options={}, pix_fmt="yuvj420p")
    size = struct.pack(">HH", HEIGHT, WIDTH)
    path.write_bytes(path.read_bytes().replace(size, struct.pack(">HH", 30_000, 30_000)))


def _encrypted(path: Path) -> None:
    encrypt(write_clip(path, frames=6, options=X264))


NO_VIDEO: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "sound": ("a.m4a", lambda path: write_sound(path, "aac"), "a recording without video"),
    "cover": ("a.mp3", lambda path: write_sound(path, "libmp3lame", cover=True), "a cover picture"),
    "cover in MP4": ("a.mp4", lambda path: write_sound(path, "aac", cover=True), "a cover picture"),
    "MPEG-TS": ("a.ts", lambda path: write_clip(path, frames=9, options=X264), "MPEG-TS"),
    "other codec": (
        "a.avi",
        lambda path: write_picture(path, patches(), codec="wmv2", pix_fmt="yuv420p", options={}),
        "cannot be decoded here: wmv2",
    ),
    "unknown codec": ("a.mp4", _unknown, "cannot be decoded here: an unknown codec"),
    "cut": ("a.mp4", _cut, "an MP4 or MOV that was cut"),
    "no frames": ("a.avi", _empty("mjpeg", "yuvj420p"), "the video has no frames"),
    "no frames, MP4": ("a.mp4", _empty("libx264", "yuv420p"), "there is no video in it"),
    "no frames, MOV": ("a.mov", _empty("prores_ks", "yuv422p10le"), "there is no video in it"),
    "no frames, fragments": (
        "a.mp4",
        _empty("libx264", "yuv420p", {"movflags": "empty_moov+frag_keyframe"}),
        "the video has no frames",
    ),
    "no frames, MKV": ("a.mkv", _empty("libx264", "yuv420p"), "no video that can be read"),
    "no frames, WebM": ("a.webm", _empty("libvpx-vp9", "yuv420p"), "no video that can be read"),
    "all hidden": ("a.mp4", _hidden, "edit list shows none of the video's frames"),
    "without times": ("a.mp4", _without_times, "5 stand at the time of another one"),
    "too fast for its container": ("a.mkv", _too_fast, "8 stand at the time of another one"),
    "too fast": ("a.mp4", _too_fast, "90000 frames a second are outside"),
    "a rate below zero": ("a.avi", _below_zero, "frames a second are outside"),
    "without its index": ("a.mov", _without_index, "an MP4 or MOV that was cut"),
    "without its samples": ("a.mp4", _without_samples, "none of the video's frames can be decoded"),
    "too large": ("a.avi", _too_large, "none of the video's frames can be decoded"),
    "encrypted": ("a.mp4", _encrypted, "the video is encrypted"),
    "only a mark": ("a.avi", _bytes(b"RIFF\xff\0\0\0AVI LIST" + bytes(99)), "holds no video"),
    "too slow": ("a.mp4", _slow, "0.01 frames a second are outside 0.017 to 1000"),
}


@pytest.mark.parametrize("name", NO_VIDEO)
def test_a_file_without_a_usable_video_is_told_why(tmp_path: Path, name: str) -> None:
    file, write, message = NO_VIDEO[name]
    write(tmp_path / file)
    with pytest.raises(VideoFormatError) as caught:
        open_avatar(tmp_path / file, background="white", resolution=None)
    assert message in caught.value.message
    assert caught.value.where == str(tmp_path / file)
    assert caught.value.hint


def test_boxes_without_end_are_passed_over(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=6, options=X264)
    nested = b""
    for _ in range(3000):
        nested = box(b"moov", nested)
    clip.write_bytes(clip.read_bytes() + nested)
    assert VideoSource(clip).frames == 6


@pytest.mark.parametrize(("scale", "rate"), [(0, 0), (1, 0), (0, 25)])
def test_an_avi_without_a_rate_says_which_is_taken(tmp_path: Path, scale: int, rate: int) -> None:
    clip = write_clip(tmp_path / "a.avi", "mjpeg", frames=3, options={}, pix_fmt="yuvj420p")
    assert VideoSource(clip).notes == ()
    patch(clip, b"strh", AVI_RATE, struct.pack("<II", scale, rate))
    source = VideoSource(clip)
    assert source.rate == 25
    assert source.notes == (
        f"the file's rate of {rate}/{scale} frames a second is none: 25 are taken",
    )


@pytest.mark.parametrize("matrix", [(1, 1, -1, 1), (1, 1, 0, 1), (0, 0, 0, 0), (32767,) * 4])
def test_a_rotation_that_is_no_quarter_turn_is_named(
    tmp_path: Path, matrix: tuple[int, int, int, int]
) -> None:
    clip = write_clip(tmp_path / "a.mp4", frames=3, options=X264)
    set_matrix(clip, *matrix)
    source = VideoSource(clip)
    assert "asks for a rotation that is no quarter turn: it is not turned" in source.notes[-1]
    assert source.frames == 3


def test_times_far_from_zero_are_as_good_as_others(tmp_path: Path) -> None:
    late = 1 << 40
    for name in ("a.mkv", "a.mp4"):
        clip = write_clip(tmp_path / name, frames=6, options=X264, times=lambda index: late + index)
        source = VideoSource(clip)
        assert source.rate == 25
        assert source.timestamps is None
        assert source.notes == ()
        assert shown(source, 0, 1, 6) == list(range(6))


@pytest.mark.parametrize("name", ["a.mp4", "a.png", "a"])
def test_what_is_neither_picture_nor_video_is_called_so(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"nothing that anybody knows" * 40)
    with pytest.raises(ImageFormatError, match=r"no picture .* and no video") as caught:
        open_avatar(path, background="white", resolution=None)
    assert "a picture or a video" in caught.value.hint
