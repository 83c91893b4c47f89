"""Two videos side by side, as a sheet and in figures."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from musetalk_fast.cli.selftest_text import selftest_text
from musetalk_fast.events import MouthFigures
from musetalk_fast.models.selftest import EngineFigures, SelfTest
from musetalk_fast.models.side_by_side import (
    MouthPicture,
    mouth_picture,
    mouth_place,
    write_sheet,
    write_side_by_side,
)
from musetalk_fast.types import Box

FRAMES, SIZE = 10, 96


def picture(number: int, *, speaks: bool) -> np.ndarray:
    """A grey ramp; a mouth of 32 x 16 with stripes, whose level changes."""
    shown = np.tile(np.linspace(60, 180, SIZE).astype(np.uint8)[:, None, None], (1, SIZE, 3))
    if speaks:
        shown[64:80, 32:64] = 40 + 10 * (number % 2)
        shown[64:80, 32:64:8] = 240
    return shown


def write(path: Path, *, speaks: bool) -> Path:
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", 25, options={"crf": "5"})
        stream.width = stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.color_range = 1
        stream.codec_context.colorspace = 1
        sound = container.add_stream("aac", 16_000, layout="mono")
        for number in range(FRAMES):
            shown = av.VideoFrame.from_ndarray(picture(number, speaks=speaks), "rgb24")
            container.mux(stream.encode(shown))
        container.mux(stream.encode())
        noise = np.random.default_rng(1).normal(0, 0.1, (1, 6400)).astype(np.float32)
        samples = av.AudioFrame.from_ndarray(noise, "fltp", "mono")
        samples.sample_rate = 16_000
        container.mux(sound.encode(samples))
        container.mux(sound.encode())
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("videos")
    return write(folder / "still.mp4", speaks=False), write(folder / "speaks.mp4", speaks=True)


def test_the_mouth_is_where_they_differ(videos: tuple[Path, Path]) -> None:
    still, speaks = videos
    place = mouth_place(still, speaks)
    assert place is not None
    assert all(abs(a - b) <= 4 for a, b in zip(place, Box(32, 64, 32, 16), strict=True)), place
    found, other = mouth_picture(speaks, place), mouth_picture(still, place)
    assert 60 < found.contrast < 80  # levels of 40 to 50, and an eighth of 240
    assert found.least_contrast > 55
    assert found.change == pytest.approx(10 * 7 / 8, abs=2)  # but for the stripes
    assert (found.still_frames, other.still_frames) == (0, FRAMES - 1)
    assert other.contrast < 15
    assert mouth_place(still, still) is None


def test_both_are_shown_with_the_right_one_s_sound(
    videos: tuple[Path, Path], tmp_path: Path
) -> None:
    still, speaks = videos
    write_side_by_side(still, speaks, tmp_path / "both.mp4")
    with av.open(tmp_path / "both.mp4") as container:
        tags = container.streams.video[0].codec_context
        assert (tags.color_range, tags.colorspace) == (1, 1)
        shown = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(shown) == FRAMES
    with av.open(still) as left, av.open(speaks) as right:
        pairs = zip(left.decode(video=0), right.decode(video=0), strict=True)
        wanted = [np.hstack([each.to_ndarray(format="gray") for each in pair]) for pair in pairs]
    assert np.abs(np.stack(shown).astype(int) - np.stack(wanted)).max() < 16  # encoded once more

    def sound(path: Path) -> np.ndarray:
        with av.open(path) as container:
            return np.concatenate([each.to_ndarray() for each in container.decode(audio=0)], 1)

    assert np.array_equal(sound(tmp_path / "both.mp4"), sound(speaks))
    assert [each.name for each in tmp_path.iterdir()] == ["both.mp4"]


def test_a_sheet_has_a_row_for_each(videos: tuple[Path, Path], tmp_path: Path) -> None:
    still, speaks = videos
    write_sheet({"one": still, "other": speaks}, Box(32, 64, 32, 16), tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as picture:
        sheet = np.asarray(picture.convert("L"))
    assert sheet.shape == (2 * 210, 8 * 192)
    upper, lower = sheet[18 + 96 : 18 + 120, :192], sheet[228 + 96 : 228 + 120, :192]
    assert upper.std() < 15 < lower.std()
    write_sheet({"one": still}, None, tmp_path / "sheet.png")  # replaced
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.size == (8 * 192, 210)


def test_figures_as_a_table() -> None:
    picture = MouthPicture(
        brightness=100, contrast=30.25, least_contrast=12, change=1.5, still_frames=3
    )
    real = EngineFigures(
        engine="musetalk",
        model="musetalk-1.5-0",
        frames=50,
        fps=61.24,
        prepare_secs=1.5,
        mouth=MouthFigures(moved=6.25, follows=None, speech_secs=1),
        picture=picture,
    )
    preview = EngineFigures(
        engine="preview", model="p", frames=50, fps=90, prepare_secs=2, mouth=None, picture=None
    )
    found = SelfTest(
        musetalk=real,
        preview=preview,
        load_secs=12.5,
        made_again=2,
        said=(),
        video="a.mp4",
        sheet="a.png",
        report="a.json",
    )
    lines = [line.split() for line in selftest_text(found).splitlines()]
    assert lines[0] == ["preview", "musetalk"]
    assert lines[2] == ["frames", "a", "second", "90.0", "61.2"]
    assert lines[5][-2:] == ["-", "-"]
    assert lines[7][-2:] == ["-", "30.2"]
    assert lines[-2][-1] == "2"
