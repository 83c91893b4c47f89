"""Parts of source frames: made when they are looked at, and the same as in the whole picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numbered_clips import set_matrix, write_picture

from musetalk_fast.media.partial_picture import PartialPicture
from musetalk_fast.media.video import VideoSource
from musetalk_fast.types import Box, Picture, SourceRun

WIDTH, HEIGHT, COUNT = 480, 320, 4


@pytest.fixture(scope="module", params=["yuv420p", "yuv422p"])
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise of a few pixels' size, whose chroma is sampled at every other pixel.

    Of the two formats one is converted by the kernel, the other by FFmpeg.
    """
    random = np.random.default_rng(5)
    coarse = random.integers(0, 256, (COUNT, HEIGHT // 4, WIDTH // 4, 3), np.uint8)
    pictures = np.ascontiguousarray(coarse.repeat(4, axis=1).repeat(4, axis=2))
    path = tmp_path_factory.mktemp("parts") / "clip.mp4"
    return write_picture(path, *pictures, pix_fmt=request.param)


@pytest.mark.parametrize("is_turned", [False, True])
def test_parts_are_those_of_the_whole_picture(clip: Path, is_turned: bool) -> None:
    set_matrix(clip, *((0, 1, -1, 0) if is_turned else (1, 0, 0, 1)))
    source = VideoSource(clip)
    wholes = list(source.pictures(SourceRun(0, 1, COUNT)))
    for number, (part, whole) in enumerate(zip(source.partial_pictures(), wholes, strict=True)):
        assert isinstance(part, PartialPicture)
        assert part.shape == whole.shape == (source.height, source.width, 3)
        left, top = 90 + 7 * number, 60 + 31 * number
        for place in (np.s_[top : top + 90, left : left + 81], np.s_[-40:, : left + 5]):
            assert np.array_equal(part[place], whole[place])
        if number == 1:
            assert np.array_equal(part[:, :], whole)
        assert part[5:5, 8:20].shape == (0, 12, 3)


def test_only_what_is_looked_at_is_made() -> None:
    asked: list[Box] = []
    full = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)

    def make(wanted: Box) -> tuple[Picture, Box]:
        asked.append(wanted)
        place = Box(wanted.x - 2, wanted.y - 1, wanted.width + 6, wanted.height + 3)
        rows = full[place.y : place.y + place.height]
        return rows[:, place.x : place.x + place.width], place

    picture = PartialPicture(80, 60, make)
    assert np.array_equal(picture[10:30, 20:50], full[10:30, 20:50])
    assert np.array_equal(picture[9:32, 18:54], full[9:32, 18:54])
    assert asked == [Box(20, 10, 30, 20)]
    assert np.array_equal(picture[9:32, 17:54], full[9:32, 17:54])
    assert asked[1:] == [Box(17, 9, 37, 23)]
