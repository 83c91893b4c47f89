"""What is opened as a video, whatever its name, and what files without a usable one are told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_clips import X264, patches, shown, write_clip, write_picture

from musetalk_fast.errors import ImageFormatError, InputError, InputNotFoundError, VideoFormatError
from musetalk_fast.media.avatar import open_avatar
from musetalk_fast.media.still_source import StillSource
from musetalk_fast.media.video import VideoSource


def opened(path: Path) -> object:
    return open_avatar(path, background="white", resolution=None)


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


def test_content_decides_and_not_the_name(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=3, options=X264)
    named = tmp_path / "portrait.png"
    named.write_bytes(clip.read_bytes())
    source = opened(named)
    assert isinstance(source, VideoSource)
    assert shown(source, 0, 1, 3) == [0, 1, 2]
    assert source.sha256 == hashlib.sha256(clip.read_bytes()).hexdigest()
    assert (source.path, source.asset().data, source.asset().sha256) == (
        named,
        named,
        source.sha256,
    )
    picture = tmp_path / "video.mp4"
    picture.write_bytes((Path(__file__).parents[3] / "examples/portrait.png").read_bytes())
    assert isinstance(opened(picture), StillSource)


def test_a_mov_of_the_time_before_brands_is_one(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mov", frames=2, options=X264)
    data = clip.read_bytes()
    length = int.from_bytes(data[:4], "big")
    clip.write_bytes(length.to_bytes(4, "big") + b"free" + data[8:])
    assert isinstance(opened(clip), VideoSource)


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


def _empty(path: Path) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        file.start_encoding()


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
    "no frames": ("a.avi", _empty, "the video has no frames"),
    "only a mark": ("a.avi", _bytes(b"RIFF\xff\0\0\0AVI LIST" + bytes(99)), "holds no video"),
    "too slow": ("a.mp4", _slow, "0.01 frames a second are outside 0.017 to 1000"),
}


@pytest.mark.parametrize("name", NO_VIDEO)
def test_a_file_without_a_usable_video_is_told_why(tmp_path: Path, name: str) -> None:
    file, write, message = NO_VIDEO[name]
    write(tmp_path / file)
    with pytest.raises(VideoFormatError) as caught:
        opened(tmp_path / file)
    assert message in caught.value.message
    assert caught.value.where == str(tmp_path / file)
    assert caught.value.hint


@pytest.mark.parametrize("data", [b"", b"#EXTM3U\n#EXTINF:1,\nclip.mp4\n", b"hello\n" * 99])
def test_what_nobody_knows_is_no_picture(tmp_path: Path, data: bytes) -> None:
    """A playlist is none of ours: it would name other files and addresses."""
    write_clip(tmp_path / "clip.mp4", frames=2, options=X264)
    path = tmp_path / "list.mp4"
    path.write_bytes(data)
    with pytest.raises(ImageFormatError):
        opened(path)


def test_no_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError):
        VideoSource(tmp_path / "clip.mp4")
    with pytest.raises(InputError):
        opened(tmp_path)


def test_of_several_tracks_the_first_that_can_be_decoded_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    with av.open(str(path), "w") as file:
        for codec, side in (("wmv2", 128), ("mjpeg", 96)):
            stream = file.add_stream(codec, rate=25)
            stream.width = stream.height = side
            stream.pix_fmt = "yuv420p" if codec == "wmv2" else "yuvj420p"
        for stream in file.streams.video:
            frame = av.VideoFrame(stream.width, stream.height, stream.pix_fmt)
            frame.pts = 0
            file.mux(stream.encode(frame))
    source = VideoSource(path)
    assert (source.width, source.frames) == (96, 1)
    assert source.notes == ("the file has 2 video tracks: number 2 is used",)
