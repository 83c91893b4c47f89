"""What an engine does not see of an avatar, given back to crops that are like what it sees."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_frames import equal_planes, make_planes

from musetalk_fast.kernels.paste import Paste
from musetalk_fast.kernels.paste_tables import seen_samples, tables
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.kernels.reference import paste as reference
from musetalk_fast.kernels.tone_map import CropTable
from musetalk_fast.kernels.yuv_matrix import conversion
from musetalk_fast.types import Box, Face

SIZE = (120, 90)
FACE = Face(0, Box(-5, 10, 100, 130), Box(11, 21, 70, 60), np.full((60, 70), 180, np.uint8))
SQUARE = Box(0, 0, 64, 64)
WHOLE = Face(0, SQUARE, SQUARE, np.full((64, 64), 255, np.uint8))
BLACK = np.zeros((256, 256, 3), np.uint8)


def _table(low: int, high: int) -> CropTable:
    """Makes components from `low` to `high`."""
    rng = np.random.default_rng(2)
    nodes = rng.integers(low, high, (33, 33, 33, 4), dtype=np.int16, endpoint=True)
    node, place = rng.integers(0, 32, 256), rng.integers(0, 33, 256)
    return CropTable(axis=(node << 6 | place).astype(np.uint16), nodes=nodes)


@pytest.mark.parametrize("name", ["yuv420p10le", "p010le", "yuv422p10le", "yuv444p10le"])
@pytest.mark.parametrize("share", [1.0, 0.4])
def test_the_kernel_equals_the_reference(name: str, share: float) -> None:
    layout, table, rng = LAYOUTS[name], _table(7000, 9000), np.random.default_rng(3)
    crop = rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    avatar = make_planes(layout, *SIZE, seed=4)
    paste, plain = (Paste(FACE, *SIZE, layout, table=table) for _ in range(2))
    place = paste.reach
    assert place is not None
    seen = rng.integers(6700, 9300, (3, place.height, place.width), dtype=np.int16)
    paste.give_back(seen)
    prepared = tables(FACE, SIZE, layout, conversion("bt709", 10, full_range=False), sharp=False)
    got, expected, without = avatar.copy(), avatar.copy(), avatar.copy()
    paste.paste(crop, 0, got, avatar, weight=share)
    plain.paste(crop, 0, without, avatar, weight=share)
    weight, own = round(share * reference.WHOLE), seen_samples(prepared, seen)
    components = table.components(crop)
    reference.paste_components(prepared, components, 0, avatar, expected, weight, own)
    assert equal_planes(got, expected)
    assert not equal_planes(got, without)


def test_what_was_seen_lies_on_the_samples_that_are_written() -> None:
    """Of a picture that rises evenly, a chroma sample is the middle of its pixels."""
    y, x = np.mgrid[0:90, 0:120]
    whole = (40 * x + 60 * y).astype(np.int16)
    for name, middle in (("yuv420p10le", 50), ("yuv422p10le", 20), ("yuv444p10le", 0)):
        layout = LAYOUTS[name]
        colours = conversion("bt709", 10, full_range=False)
        prepared = tables(FACE, SIZE, layout, colours, sharp=False)
        place = Paste(FACE, *SIZE, layout).reach
        assert place is not None
        part = whole[place.y : place.y + place.height, place.x : place.x + place.width]
        luma, blue, red = seen_samples(prepared, np.stack([part, part, part]))
        assert np.array_equal(luma, whole[21:81, 11:81])
        first = 40 * (prepared.chroma.x << layout.chroma_x)
        first += 60 * (prepared.chroma.y << layout.chroma_y)
        assert blue[0, 0] == red[0, 0] == first + middle
        across, down = np.diff(blue, axis=1), np.diff(red, axis=0)
        assert (across == 40 << layout.chroma_x).all()
        assert (down == 60 << layout.chroma_y).all()


@pytest.mark.parametrize("name", ["yuv420p10le", "p010le"])
def test_a_crop_is_given_the_less_the_less_it_is_like_what_was_seen(name: str) -> None:
    """Without a step: a level more in a crop is at most two codes more in what is made of it."""
    layout = LAYOUTS[name]
    avatar = Planes.allocate(layout, 64, 64)
    avatar.samples(0)[...] = 530 << layout.shift  # 20 codes above what was seen
    for number in (1, 2):
        avatar.samples(number)[...] = 500 << layout.shift
    found, levels = [], np.arange(420, 600, 2)
    for level in levels.tolist():
        paste = Paste(WHOLE, 64, 64, layout, table=_table(level << 4, level << 4))
        paste.give_back(np.full((3, 64, 64), 510 << 4, np.int16))
        planes = avatar.copy()
        paste.paste(BLACK, 0, planes, avatar)
        assert level != 510 or equal_planes(planes, avatar)
        found.append([int(planes.samples(number)[9, 9]) >> layout.shift for number in range(3)])
    luma, blue, red = np.array(found).T
    assert np.array_equal(blue, red)
    alike, unlike = np.abs(levels - 510) <= 8, np.abs(levels - 510) >= 72
    for made, beyond in ((luma, 20), (blue, -10)):
        assert ((made - levels)[alike] == beyond).all()
        assert np.array_equal(made[unlike], levels[unlike])
        assert 0 <= np.diff(made).min() <= np.diff(made).max() <= 4


def test_nothing_is_given_back_without_a_table() -> None:
    paste = Paste(WHOLE, 64, 64, LAYOUTS["yuv420p"])
    with pytest.raises(ValueError, match="nothing is converted by a table"):
        paste.give_back(np.zeros((3, 64, 64), np.int16))
