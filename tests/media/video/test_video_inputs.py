"""What is opened as a video, whatever its name, and which of its tracks."""

from __future__ import annotations

import hashlib
from pathlib import Path

import av
import pytest
from numbered_clips import X264, shown, write_clip

from musetalk_fast.errors import ImageFormatError, InputError, InputNotFoundError
from musetalk_fast.media.avatar import open_avatar
from musetalk_fast.media.still_source import StillSource
from musetalk_fast.media.video import VideoSource


def opened(path: Path) -> object:
    return open_avatar(path, background="white", resolution=None)


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
