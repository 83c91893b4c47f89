"""Faces that a server found in a video's own pixels, in frames of another size."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from musetalk_fast.kernels.paste import Paste
from musetalk_fast.kernels.paste_rows import window
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.media.frame_size import Placement
from musetalk_fast.rendering.face_placement import placed
from musetalk_fast.types import CROP_SIZE, Box, Face, Mask

SOURCE = (160, 120)
BOX = Box(41, 13, 75, 81)
MASK_BOX = Box(50, 55, 57, 35)
YUV444 = LAYOUTS["yuv444p"]


def _soft(height: int, width: int) -> Mask:
    y, x = np.mgrid[0:height, 0:width]
    edge = np.minimum.reduce([y, x, height - 1 - y, width - 1 - x])
    return (edge * 32).clip(0, 255).astype(np.uint8)


FACE = Face(3, BOX, MASK_BOX, _soft(MASK_BOX.height, MASK_BOX.width))
CROP = np.asarray(
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize(
        (CROP_SIZE, CROP_SIZE), Image.Resampling.BICUBIC
    )
).copy()


def _pasted(face: Face, size: tuple[int, int]) -> np.ndarray:
    planes = Planes.allocate(YUV444, *size)
    for each in range(3):
        planes.samples(each)[...] = 90
    Paste(face, *size, YUV444, sharp=True).paste(CROP, 0, planes)
    return planes.samples(0).astype(np.float32)


@pytest.mark.parametrize(("across", "down"), [(1.37, 1.37), (0.53, 0.53), (2.0, 1.0), (1.0, 1.0)])
def test_a_face_is_pasted_where_the_scaled_frame_has_it(across: float, down: float) -> None:
    """As if the frame had been scaled after pasting."""
    size = (round(SOURCE[0] * across / 2) * 2 + 12, round(SOURCE[1] * down / 2) * 2 + 20)
    placement = Placement(across, down, 12.0, 20.0, SOURCE, size)
    found = _pasted(placed(FACE, placement), size)
    first = Image.fromarray(_pasted(FACE, SOURCE))
    inner = (size[0] - 14, size[1] - 22)
    box = (0, 0, inner[0] / across, inner[1] / down)
    wanted = np.full(size[::-1], 90, np.float32)
    scaled = first.resize(inner, Image.Resampling.BICUBIC, box=box)
    wanted[20 : 20 + inner[1], 12 : 12 + inner[0]] = np.asarray(scaled)
    difference = np.abs(found - wanted)
    assert difference.mean() < 0.6
    assert difference.max() < 14
    assert np.abs(wanted - 90).max() > 40
    if (across, down) == (1.0, 1.0):
        assert difference.max() == 0


def test_what_leaves_the_frame_is_cut_off() -> None:
    whole = Placement(1.0, 1.0, -70.0, -10.0, SOURCE, (60, 64))
    cut = placed(FACE, whole)
    assert cut.mask_box == Box(0, 45, 37, 19)
    assert np.array_equal(cut.mask, FACE.mask[:19, 20:57])
    assert cut.box == Box(-29, 3, 75, 81)
    gone = placed(FACE, whole._replace(left=-140.0))
    assert gone.mask.size == 0
    planes = Planes.allocate(YUV444, 60, 64)
    paste = Paste(gone, 60, 64, YUV444)
    paste.paste(CROP, 0, planes)
    assert all(planes.samples(each).max() == 0 for each in range(3))
    assert paste.rows.count == 0


def test_a_mask_that_ends_with_the_picture_ends_so_when_it_is_scaled() -> None:
    mask_box = Box(50, 85, 57, 35)
    face = Face(0, Box(41, 60, 75, 81), mask_box, np.full((35, 57), 255, np.uint8))
    for scale in (0.5, 2.0):
        size = round(SOURCE[0] * scale), round(SOURCE[1] * scale)
        found = placed(face, Placement(scale, scale, 0.0, 0.0, SOURCE, size))
        assert (found.mask[-1, 3:-3] == 255).all()
        assert found.mask_box.y + found.mask_box.height == size[1]


@pytest.mark.parametrize("sharp", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1.13, 2.4, 5.0])
def test_the_rows_that_a_server_sends_are_enough_where_the_frame_is_larger(
    scale: float, sharp: bool
) -> None:
    for height in (40, 81, 150, 400):
        box = Box(10, 10, 60, height)
        mask_box = Box(15, 10 + height // 2, 50, height // 2 - 6)
        face = Face(0, box, mask_box, np.full((mask_box.height, 50), 255, np.uint8))
        size = (round(80 * scale) + 4, round((height + 20) * scale) + 4)
        placement = Placement(scale, scale, 1.3, 2.7, (80, height + 20), size)
        sent = window(face)
        for layout in ("yuv420p", "yuv444p"):
            rows = Paste(placed(face, placement), *size, LAYOUTS[layout], sharp=sharp).rows
            assert sent.first <= rows.first
            assert rows.first + rows.count <= sent.first + sent.count
