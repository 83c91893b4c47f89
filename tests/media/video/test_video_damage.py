"""Damaged videos: what cannot be decoded is counted, and shows the last frame that can."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from numbered_clips import CLOSED, GROUP, OPEN, X264, damage, shown, write_clip, write_two_sizes

from musetalk_fast.errors import VideoFormatError
from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.media.video import VideoSource
from musetalk_fast.types import SourceRun

WHOLE = list(range(36))


@pytest.mark.parametrize(
    ("options", "packets", "wanted", "missing"),
    [
        (CLOSED, range(GROUP, 2 * GROUP), [*range(12), *[11] * 12, *range(24, 36)], 12),
        (CLOSED, [GROUP + 5], None, None),
        (CLOSED, range(GROUP), [*[12] * 12, *range(12, 36)], 12),
        (CLOSED, range(2 * GROUP, 36), [*range(24), *[23] * 12], 12),
        (OPEN, [GROUP - 3], None, None),
        ({**X264, "bf": "0"}, [16], [*range(16), *[15] * 8, *range(24, 36)], 8),
    ],
    ids=["a group", "a packet", "the first group", "the last group", "an open group", "no B"],
)
def test_it_is_decoded_around_alike_from_everywhere(
    tmp_path: Path,
    options: dict[str, str],
    packets: Sequence[int],
    wanted: list[int] | None,
    missing: int | None,
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", frames=36, options=options)
    damage(clip, packets)
    source = VideoSource(clip)
    whole = shown(source, 0, 1, 36)
    assert wanted in (None, whole)
    assert source.missing == sum(number != index for index, number in enumerate(whole)) > 0
    assert missing in (None, source.missing)
    assert source.missing_note is not None
    assert source.missing_note.startswith(f"{source.missing} source frames cannot be decoded")
    assert all(number <= index for index, number in enumerate(whole) if number != 12)
    assert shown(source, 35, -1, 36) == whole[::-1]
    for first in range(0, 36, 5):
        assert shown(source, first, 1, min(5, 36 - first)) == whole[first : first + 5]
    assert source.missing == sum(number != index for index, number in enumerate(whole))


def test_none_that_can_be_decoded_is_an_error(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mov", "mjpeg", 3, options={}, pix_fmt="yuvj420p")
    damage(clip, range(3))
    with pytest.raises(
        VideoFormatError, match="none of the video's frames can be decoded"
    ) as caught:
        VideoSource(clip)
    assert caught.value.where == str(clip)


CUT = {
    "clip.mp4": "the video should have 30 frames but has",
    "clip.avi": "the video should have 30 frames but has",
    "clip.mkv": "the file ends in the middle of the video",
}


@pytest.mark.parametrize("name", CUT)
def test_a_file_that_was_cut_is_used_up_to_its_end(tmp_path: Path, name: str) -> None:
    clip = tmp_path / name
    write_clip(
        clip,
        options={**X264, "qp": "10"},
        muxer={"movflags": "faststart"} if name == "clip.mp4" else {},
    )
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) * 4 // 5])
    source = VideoSource(clip)
    (note,) = source.notes
    assert note.startswith(CUT[name])
    assert 5 < source.frames < 29
    numbers = shown(source, 0, 1, source.frames)
    assert numbers[:-1] == list(range(source.frames - 1))
    assert source.missing <= 1


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("clip.mkv", "mjpeg", "yuvj420p"),
        ("clip.mkv", "libx264", "yuv420p"),
        ("clip.mp4", "libx264", "yuv420p"),
        ("clip.avi", "libx264", "yuv420p"),
    ],
)
def test_a_size_that_changes_is_an_error_with_its_frame(
    tmp_path: Path, name: str, codec: str, pix_fmt: str
) -> None:
    clip = write_two_sizes(tmp_path / name, codec, pix_fmt)
    source = VideoSource(clip)
    assert source.frames == 8
    assert len(list(source.planes(SourceRun(0, 1, 4), LAYOUTS["yuv420p"]))) == 4
    for run in (SourceRun(2, 1, 4), SourceRun(7, -1, 1)):
        with pytest.raises(VideoFormatError, match=r"source frame [4567] has 144x96") as caught:
            list(source.planes(run, LAYOUTS["yuv420p"]))
        assert "the first one 96x64" in caught.value.message
        assert caught.value.where == str(clip)
