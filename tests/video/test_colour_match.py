"""A crop whose colours are off: matched at the mask's rim, and nothing else is."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numbered_video import avatar_planes, frame_of
from numpy.typing import NDArray
from PIL import Image

from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.kernels.yuv_matrix import MAX_GAIN, coding_of
from musetalk_fast.types import BT709, CROP_SIZE, Box, Crop, Face
from musetalk_fast.video.colour_match import RIM, ColourMatch, by_matrix
from musetalk_fast.video.compositor import StillCompositor, planes_of

SIZE = 160
BOX = Box(22, 14, 110, 128)
INNER = Box(32, 70, 90, 70)
OFF = {
    "darker": ([0.9, 0.9, 0.9], [-6, -6, -6]),
    "warmer": ([1.1, 1.0, 0.88], [4, 0, -5]),
    "flatter": ([0.85, 0.85, 0.85], [40, 36, 32]),
}


def _portrait() -> NDArray[np.uint8]:
    """Skin under light from the side, with soft spots."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    light = 0.55 + 0.4 * x + 0.08 * np.sin(19 * y) * np.cos(23 * x)
    return (light[..., None] * [210, 160, 135]).clip(0, 255).astype(np.uint8)


def _soft_mask() -> NDArray[np.uint8]:
    y, x = np.mgrid[: INNER.height, : INNER.width]
    away = np.hypot((x - 44.5) / 45, (y - 34.5) / 35)
    return (255 * np.clip((1 - away) / 0.3, 0, 1)).astype(np.uint8)


FACE = Face(0, BOX, INNER, _soft_mask())
PORTRAIT = _portrait()


def _own_crop() -> Crop:
    """The avatar's own crop, with another mouth."""
    place = (BOX.x, BOX.y, BOX.x + BOX.width, BOX.y + BOX.height)
    size = (CROP_SIZE, CROP_SIZE)
    crop = np.array(Image.fromarray(PORTRAIT).resize(size, Image.Resampling.BILINEAR, place))
    crop[165:200, 100:156] = (60, 20, 20)
    return crop


def _off(gain: list[float], offset: list[float]) -> Crop:
    return np.clip(_own_crop() * np.array(gain) + np.array(offset) + 0.5, 0, 255).astype(np.uint8)


def _rim_of(crop: Crop, pix_fmt: str = "yuv444p", *, match: bool) -> NDArray[np.float64]:
    """The luma and chroma of the composed frame's rim, in levels of 8 bits."""
    planes = avatar_planes(PORTRAIT, pix_fmt)
    compositor = StillCompositor(planes, FACE, Fraction(25), BT709, match_colour=match)
    shown = planes_of(compositor.compose(frame_of(crop), 0))
    layout, weights = LAYOUTS[pix_fmt], FACE.mask
    values = []
    for component in range(3):
        x, y = (layout.chroma_x, layout.chroma_y) if component else (0, 0)
        rows, columns = np.nonzero((weights >= RIM[0]) & (weights <= 254))
        samples = shown.samples(component)[(rows + INNER.y) >> y, (columns + INNER.x) >> x]
        values.append((samples >> layout.shift) / 2 ** (layout.depth - 8))
    return np.stack(values)


@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p", "p010le"])
@pytest.mark.parametrize("error", OFF)
def test_a_known_error_of_colour_does_not_show_at_the_rim(error: str, pix_fmt: str) -> None:
    wanted = _rim_of(_own_crop(), pix_fmt, match=False)
    off = _off(*OFF[error])
    assert np.abs(_rim_of(off, pix_fmt, match=False) - wanted).mean() > 2
    assert np.abs(_rim_of(off, pix_fmt, match=True) - wanted).mean(axis=1).max() < 1


def test_a_crop_of_the_right_colours_keeps_them() -> None:
    crop = _own_crop()
    assert np.abs(_rim_of(crop, match=True) - _rim_of(crop, match=False)).max() <= 1


def test_what_has_moved_is_no_measure() -> None:
    """A chin over a collar: a fifth of the rim shows something else."""
    crop = _off(*OFF["warmer"])
    plain = _match(crop)
    crop[232:, 80:180] = 250
    assert np.allclose(_match(crop), plain, atol=[[0.03] * 3, [4] * 3])


def _match(crop: Crop) -> NDArray[np.float64]:
    match = ColourMatch(FACE, LAYOUTS["yuv444p"], by_matrix(coding_of(BT709), 8))
    avatar = match.avatar_levels(avatar_planes(PORTRAIT, "yuv444p"))
    return np.array(match.match(crop, 0, avatar))


def test_it_is_bounded() -> None:
    gain, offset = _match(np.zeros((CROP_SIZE, CROP_SIZE, 3), np.uint8))
    assert np.allclose(gain, 1)
    assert np.allclose(offset, 32)
    gain, _ = _match(_own_crop() // 3)
    assert gain.max() <= MAX_GAIN


def test_a_mask_without_a_rim_leaves_colours_alone() -> None:
    hard = Face(0, BOX, INNER, np.full((INNER.height, INNER.width), 255, np.uint8))
    match = ColourMatch(hard, LAYOUTS["yuv420p"], by_matrix(coding_of(BT709), 8))
    avatar = match.avatar_levels(avatar_planes(PORTRAIT, "yuv420p"))
    gain, offset = match.match(_off(*OFF["darker"]), 0, avatar)
    assert (gain == 1).all()
    assert (offset == 0).all()


def test_a_frame_does_not_depend_on_those_before() -> None:
    crops = [_off(*error) for error in OFF.values()]
    planes = avatar_planes(PORTRAIT, "yuv420p")

    def made(order: list[int]) -> dict[int, bytes]:
        compositor = StillCompositor(planes, FACE, Fraction(25), BT709, match_colour=True)
        shown = {}
        for index in order:
            frame = planes_of(compositor.compose(frame_of(crops[index]), index))
            shown[index] = b"".join(frame.samples(each).tobytes() for each in range(3))
        return shown

    assert made([0, 1, 2]) == made([2, 0, 1])
