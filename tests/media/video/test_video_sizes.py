"""Videos in frames of another size: scaled, cropped, with bars, seen by servers as they are."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_clips import (
    HEIGHT,
    WIDTH,
    patches,
    set_matrix,
    write_clip,
    write_picture,
)
from numpy.typing import NDArray
from PIL import Image

from musetalk_fast.kernels.planes import ALPHA, LAYOUTS, Planes
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.media.background import load_background
from musetalk_fast.media.frame_size import Resolution, fit_size, geometry_of
from musetalk_fast.media.video import VideoSource
from musetalk_fast.types import Fit, SourceRun

FRAMES = 15
LAYOUT = LAYOUTS["yuv420p"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """15 numbered frames of 96x64 in groups of 12 with B frames."""
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=FRAMES)


def decoded(path: Path) -> list[NDArray[np.uint8]]:
    """The luma of all frames, by FFmpeg alone."""
    with av.open(str(path)) as file:
        return [frame.to_ndarray()[: frame.height] for frame in file.decode(video=0)]


def one(source: VideoSource, layout: str = "yuv420p") -> Planes:
    return next(source.planes(SourceRun(0, 0, 1), LAYOUTS[layout]))


@pytest.mark.parametrize(
    ("size", "fit"),
    [
        ((192, 128), Fit.PAD),
        ((64, 80), Fit.STRETCH),
        ((128, 128), Fit.PAD),
        ((96, 160), Fit.PAD),
        ((110, 100), Fit.CROP),
    ],
)
def test_every_frame_stands_where_it_belongs_and_is_what_others_scale_it_to(
    clip: Path, size: tuple[int, int], fit: Fit
) -> None:
    source = VideoSource(clip, Resolution(size, fit), "black")
    assert (source.width, source.height) == size
    assert (source.seen_size, source.frames) == ((WIDTH, HEIGHT), FRAMES)
    geometry = fit_size((WIDTH, HEIGHT), size, fit)
    shown = geometry.shown
    place = slice(shown.y, shown.y + shown.height), slice(shown.x, shown.x + shown.width)
    across, down, left, top = source.placement[:4] if source.placement else (1, 1, 0, 0)
    window = (
        *((shown.x - left) / across, (shown.y - top) / down),
        *((shown.x + shown.width - left) / across, (shown.y + shown.height - top) / down),
    )
    assert np.abs(np.subtract(window, geometry.window)).max() <= 1
    wanted = []
    for luma in decoded(clip):
        image = Image.fromarray(luma.astype(np.float32))
        scaled = image.resize((shown.width, shown.height), Image.Resampling.BICUBIC, window)
        wanted.append(np.asarray(scaled).clip(0, 255))

    def nearest(run: SourceRun) -> list[int]:
        found = []
        for planes in source.planes(run, LAYOUT):
            luma = planes.samples(0)
            bars = np.ones(luma.shape, bool)
            bars[place] = False
            assert (luma[bars] == 16).all()
            errors = [float(np.abs(luma[place] - each).mean()) for each in wanted]
            assert min(errors) < 1.5
            found.append(int(np.argmin(errors)))
        return found

    everything = list(range(FRAMES))
    assert nearest(SourceRun(0, 1, FRAMES)) == everything
    assert nearest(SourceRun(FRAMES - 1, -1, FRAMES)) == everything[::-1]
    assert nearest(SourceRun(13, -1, 2)) == [13, 12]
    assert nearest(SourceRun(5, 0, 2)) == [5, 5]
    assert source.picture(3).shape == (HEIGHT, WIDTH, 3)


def test_bars_leave_the_samples_alone(clip: Path, tmp_path: Path) -> None:
    wall = np.random.default_rng(1).integers(0, 256, (72, 128, 3), dtype=np.uint8)
    Image.fromarray(wall).save(tmp_path / "wall.png")
    plain = [one(VideoSource(clip)).samples(each).copy() for each in range(3)]
    wanted = Planes.allocate(LAYOUT, 128, 72)
    rgb_to_planes(wall, wanted, matrix="bt601")
    small = Resolution((128, 72), Fit.PAD)
    assert geometry_of((WIDTH, HEIGHT), small).is_scaled
    for size in ((128, 64), (96, 160)):
        source = VideoSource(clip, Resolution(size), load_background(str(tmp_path / "wall.png")))
        x, y = (size[0] - WIDTH) // 2, (size[1] - HEIGHT) // 2
        planes = one(source)
        for each, samples in enumerate(plain):
            left, top = (x, y) if each == 0 else (x // 2, y // 2)
            rows, columns = samples.shape
            inside = planes.samples(each)[top : top + rows, left : left + columns]
            assert np.array_equal(inside, samples)
        assert source.placement is not None
        assert source.placement[:4] == (1, 1, x, y)
        assert "the video of 96x64 gets bars" in str(source.size_note)


def test_bars_of_a_picture_a_colour_blur_and_nothing(clip: Path, tmp_path: Path) -> None:
    wall = np.random.default_rng(1).integers(0, 256, (64, 160, 3), dtype=np.uint8)
    Image.fromarray(wall).save(tmp_path / "wall.png")
    behind = load_background(str(tmp_path / "wall.png"))
    wide = Resolution((160, 64))
    wanted = Planes.allocate(LAYOUT, 160, 64)
    rgb_to_planes(wall, wanted, matrix="bt601")
    planes = one(VideoSource(clip, wide, behind))
    for each, width in ((0, 32), (1, 16), (2, 16)):
        bar = planes.samples(each)[:, :width]
        assert np.array_equal(bar, wanted.samples(each)[:, :width])
    (said,) = VideoSource(clip, None, behind).notes
    assert said == "nothing of the video is transparent: wall.png is not seen"
    assert one(VideoSource(clip, wide)).samples(0)[0, 0] == 235
    blurred = VideoSource(clip, wide, "blur")
    for planes, luma in zip(
        blurred.planes(SourceRun(0, 1, 3), LAYOUT), decoded(clip), strict=False
    ):
        found = planes.samples(0).astype(int)
        assert np.array_equal(found[:, 32:128], luma)
        assert np.abs(np.diff(found[:, :32], axis=1)).max() <= 20  # of 160
        assert abs(found[:, :32].mean() - luma[13:51, :19].mean()) < 10
    clear = VideoSource(clip, wide, "transparent")
    assert clear.pix_fmt == "yuva420p"
    alpha = one(clear, "yuva420p").samples(ALPHA)
    assert (alpha == np.where(np.abs(np.arange(160) - 79.5) < 48, 255, 0)).all()
    assert VideoSource(clip, None, "transparent").pix_fmt == "yuv420p"


def test_turned_frames_of_wide_pixels_are_scaled_once(tmp_path: Path) -> None:
    def setup(context: av.VideoCodecContext) -> None:
        context.sample_aspect_ratio = Fraction(3, 2)

    rgb = patches()
    path = write_picture(tmp_path / "a.mp4", rgb, pix_fmt="yuv420p", setup=setup)
    set_matrix(path, 0, 1, -1, 0)
    source = VideoSource(path, Resolution((64, 96), Fit.CROP))
    assert source.seen_size == (64, 144)
    upright = Image.fromarray(np.ascontiguousarray(np.rot90(rgb, -1))).resize((64, 144))
    wanted = np.asarray(upright.convert("L"))[12:108]
    found = one(source).samples(0)
    assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.99
    assert source.placement is not None
    assert source.placement[:4] == pytest.approx((1, 1, 0, -12), abs=0.5)


def test_the_default_fits_what_is_played_at_the_videos_rate(tmp_path: Path) -> None:
    rates = []

    def half(width: int, height: int, rate: Fraction | None) -> tuple[int, int]:
        rates.append(rate)
        return width // 2, height // 2

    path = write_picture(tmp_path / "a.mp4", patches(192, 128))
    source = VideoSource(path, Resolution(largest=half))
    assert rates == [25]
    assert (source.width, source.height, one(source).samples(0).shape) == (96, 64, (64, 96))
    assert "the video of 192x128 is scaled down to 96x64" in str(source.size_note)
    assert source.picture(0).shape == (128, 192, 3)
    own = VideoSource(path, Resolution())
    assert (own.width, own.size_note, own.placement) == (192, None, None)
