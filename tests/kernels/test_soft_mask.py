from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from musetalk_fast.kernels.reference import soft_mask as reference
from musetalk_fast.kernels.soft_mask import soft_mask

TRIANGLE = np.array([[2.2, 1.3], [28.4, 6.1], [9.9, 23.7]])
HOLE = np.array([[9.0, 6.0], [14.0, 7.0], [11.0, 12.0]])


_BILINEAR = Image.Resampling.BILINEAR


def gaussian(reach: int) -> np.ndarray:
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(reach / 2, 0.5)) ** 2)
    return (taps / taps.sum()).astype(np.float32)


@settings(max_examples=40)
@given(
    st.integers(0, 9999),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(0, 50), st.integers(0, 50)),
    st.integers(0, 9),
    st.floats(0, 1),
)
def test_it_equals_the_reference(
    seed: int, size: tuple[int, int], more: tuple[int, int], reach: int, start: float
) -> None:
    random = np.random.default_rng(seed)
    outline, hole = (
        random.uniform(-10, 50, (random.integers(1, 12), 2)),
        random.uniform(0, 40, (4, 2)),
    )
    outline = outline.round() if seed % 2 else outline  # corners on pixels' edges
    wanted = (size[0] + more[0], size[1] + more[1])
    first, taps = int(start * size[1]), gaussian(reach)
    expected = np.empty(wanted[::-1], np.uint8)
    reference.soft_mask(outline, hole, *size, first, taps, *wanted, expected)
    got = soft_mask(outline, hole, size=size, first=first, taps=taps, wanted=wanted)
    assert np.array_equal(got, expected)


def test_the_polygon_is_filled_and_what_lies_above_is_not() -> None:
    """Against another program's polygon of 16 times the size: centres count."""
    drawn = Image.new("L", (32 * 16, 32 * 16))
    pen = ImageDraw.Draw(drawn)
    pen.polygon([tuple(corner * 16) for corner in TRIANGLE], fill=255)
    pen.polygon([tuple(corner * 16) for corner in HOLE], fill=0)
    expected = np.asarray(drawn)[8::16, 8::16]
    one = np.ones(1, np.float32)
    made = soft_mask(TRIANGLE, HOLE, size=(32, 32), first=0, taps=one, wanted=(32, 32))
    assert (made != expected).sum() <= 3  # centres on an edge
    lower = soft_mask(TRIANGLE, HOLE, size=(32, 32), first=9, taps=one, wanted=(32, 32))
    assert not lower[:9].any()
    assert np.array_equal(lower[9:], made[9:])


def test_the_blur_keeps_sums_and_enlarging_levels() -> None:
    sizes = {"size": (48, 48), "first": 0, "wanted": (48, 48)}
    sharp = soft_mask(TRIANGLE + 8, HOLE + 8, taps=np.ones(1, np.float32), **sizes)
    soft = soft_mask(TRIANGLE + 8, HOLE + 8, taps=gaussian(3), **sizes)
    assert soft.sum() == pytest.approx(sharp.sum(), rel=0.005)
    assert np.abs(np.diff(soft.astype(int), axis=1)).max() < 120
    larger = soft_mask(TRIANGLE + 8, HOLE + 8, taps=gaussian(3), **{**sizes, "wanted": (90, 140)})
    with_pillow = Image.fromarray(soft.astype(np.float32)).resize(larger.shape[::-1], _BILINEAR)
    assert np.abs(larger - np.asarray(with_pillow)).max() < 1.01  # both are rounded


@pytest.mark.parametrize(
    "wrong",
    [
        {"wanted": (31, 40)},
        {"first": 33},
        {"size": (0, 32)},
        {"taps": np.ones(2, np.float32)},
        {"outline": np.empty((0, 2))},
        {"wanted": (1 << 16, 40)},
    ],
)
def test_refuses_sizes_that_do_not_fit(wrong: dict[str, object]) -> None:
    right = {"size": (32, 32), "first": 0, "taps": gaussian(1), "wanted": (40, 40)}
    call = {"outline": TRIANGLE, "hole": HOLE, **right, **wrong}
    with pytest.raises(ValueError, match=r"sizes do not fit|corners or taps"):
        soft_mask(**call)  # type: ignore[arg-type]
