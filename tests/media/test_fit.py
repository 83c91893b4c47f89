"""A still in a frame of other proportions: its pixels, and what is beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import saved
from PIL import Image, ImageOps

from musetalk_fast.media.background import load_background
from musetalk_fast.media.frame_size import Resolution
from musetalk_fast.media.image import Still, load_still
from musetalk_fast.types import Fit, Picture

Load = Callable[..., Still]
WIDTH, HEIGHT = 100, 70


@pytest.fixture(scope="module")
def picture(astronaut: Picture) -> Picture:
    return np.ascontiguousarray(astronaut[50 : 50 + HEIGHT, 100 : 100 + WIDTH])


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(
        pixels: NDArray[np.uint8], size: tuple[int, int], fit: Fit, background: str | None = None
    ) -> Still:
        (tmp_path / "picture").write_bytes(saved(Image.fromarray(pixels), "PNG"))
        behind = None if background is None else load_background(background)
        wanted = Resolution(size, fit)
        return load_still(tmp_path / "picture", background=behind, resolution=wanted)

    return load


def test_bars_leave_the_pixels_alone(load: Load, picture: Picture) -> None:
    still = load(picture, (140, 70), Fit.PAD, "teal")
    assert (still.rgb[:, 20:120] == picture).all()
    assert (still.rgb[:, :20] == (0, 128, 128)).all()
    assert (still.rgb[:, 120:] == (0, 128, 128)).all()
    assert still.notes == ()
    assert "of 100x70 gets bars left and right, to become 140x70" in (still.size_note or "")


def test_a_crop_leaves_the_pixels_alone(load: Load, picture: Picture) -> None:
    assert (load(picture, (70, 70), Fit.CROP).rgb == picture[:, 16:86]).all()
    tall = np.ascontiguousarray(picture.swapaxes(0, 1))
    assert (load(tall, (70, 68), Fit.CROP).rgb == tall[8:76]).all()


@pytest.mark.parametrize("fit", Fit)
def test_whatever_is_scaled_is_scaled_once(load: Load, picture: Picture, fit: Fit) -> None:
    still = load(picture, (128, 128), fit)
    given = Image.fromarray(picture)
    size = {Fit.PAD: (128, 90), Fit.CROP: (182, 128), Fit.STRETCH: (128, 128)}[fit]
    scaled = np.array(given.resize(size, Image.Resampling.LANCZOS)).astype(int)
    ours = still.rgb[18:108] if fit is Fit.PAD else still.rgb
    theirs = scaled[:, 28:156] if fit is Fit.CROP else scaled
    assert np.abs(ours - theirs).max() <= 1


def test_blur_is_the_picture_without_its_detail(load: Load, picture: Picture) -> None:
    still = load(picture, (280, 70), Fit.PAD, "blur")
    assert (still.rgb[:, 90:190] == picture).all()
    cover = ImageOps.fit(Image.fromarray(picture), (280, 70)).resize((4, 1), Image.Resampling.BOX)
    for bar, middle in ((slice(0, 70), 0), (slice(210, 280), 3)):
        mean = still.rgb[:, bar].mean(axis=(0, 1))
        assert np.abs(mean - np.array(cover)[0, middle]).max() < 20
        assert np.abs(np.diff(still.rgb[:, bar].astype(int), axis=1)).max() < 12
    assert "bars left and right" in (still.size_note or "")


def test_bars_of_a_picture_and_of_nothing(load: Load, picture: Picture, tmp_path: Path) -> None:
    wall = np.random.default_rng(1).integers(0, 256, (70, 140, 3), dtype=np.uint8)
    Image.fromarray(wall).save(tmp_path / "wall.png")
    still = load(picture, (140, 70), Fit.PAD, str(tmp_path / "wall.png"))
    assert (still.rgb[:, 20:120] == picture).all()
    assert (still.rgb[:, :20] == wall[:, :20]).all()
    assert still.notes == ()
    clear = load(picture, (140, 70), Fit.PAD, "transparent")
    assert clear.alpha is not None
    assert (clear.rgb[:, 20:120] == picture).all()
    assert (clear.alpha == np.where(np.abs(np.arange(140) - 69.5) < 50, 255, 0)).all()
    hidden = np.dstack((picture, np.full((HEIGHT, WIDTH), 255, np.uint8)))
    hidden[:35, :, 3] = 0
    assert (load(picture, (140, 70), Fit.PAD).rgb[:, :20] == 255).all()
    kept = load(hidden, (140, 70), Fit.PAD).alpha
    assert kept is not None
    assert kept[:, :20].max() == 0
    blurred = load(hidden, (140, 70), Fit.PAD, "blur")
    assert (blurred.rgb[36:, 20:120] == picture[36:]).all()
    assert blurred.notes == ("transparent parts were filled with a blurred copy (--background)",)
