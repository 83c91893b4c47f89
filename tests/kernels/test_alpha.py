"""Straight colours and alpha in planes, against a computation pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_frames import equal_planes, make_planes

from musetalk_fast.kernels.alpha import rgba_to_planes
from musetalk_fast.kernels.planes import ALPHA, LAYOUTS, Planes
from musetalk_fast.kernels.yuv import rgb_to_planes

LAYOUT = LAYOUTS["yuva420p"]
CHROMA = ((-0.2126, -0.7152, 0.9278), (0.7874, -0.7152, -0.0722))
"""B - Y and R - Y of BT.709, by R, G, B."""
SPANS = (1.8556, 1.5748)


@pytest.mark.parametrize("size", [(16, 12), (15, 11), (1, 1)])
def test_seen_pixels_weigh_in_the_chroma(size: tuple[int, int]) -> None:
    width, height = size
    noise = np.random.default_rng(width)
    rgb = noise.integers(0, 256, (height, width, 3), dtype=np.uint8)
    alpha = noise.choice([0, 0, 3, 128, 255], (height, width)).astype(np.uint8)
    planes, plain = (make_planes(LAYOUT, width, height, seed=1, slack=3) for _ in range(2))
    rgba_to_planes(rgb, alpha, planes)
    rgb_to_planes(rgb, plain)
    assert (planes.samples(0) == plain.samples(0)).all()
    assert (planes.samples(ALPHA) == alpha).all()
    for number, (weights, span) in enumerate(zip(CHROMA, SPANS, strict=True), 1):
        got = planes.samples(number)
        for row, column in np.ndindex(*got.shape):
            block = np.s_[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            down = rgb[block].reshape(-1, 3) @ np.array(weights) / span / 255 * 224 + 128
            seen = alpha[block].ravel().astype(float)
            if seen.min() == seen.max():
                assert got[row, column] == plain.samples(number)[row, column]
            else:
                assert abs(got[row, column] - np.average(down, weights=seen)) <= 0.6


def test_what_is_hidden_does_not_tint_what_is_seen() -> None:
    rgb = np.zeros((64, 64, 3), np.uint8)
    rgb[:] = (0, 255, 0)
    alpha = np.zeros((64, 64), np.uint8)
    rgb[:, :33], alpha[:, :33] = (200, 140, 120), 255
    planes, skin = (Planes.allocate(LAYOUT, 64, 64) for _ in range(2))
    rgba_to_planes(rgb, alpha, planes)
    rgb_to_planes(np.full((64, 64, 3), (200, 140, 120), np.uint8), skin)
    for number in (1, 2):
        assert (planes.samples(number)[:, :17] == skin.samples(number)[:, :17]).all()


@pytest.mark.parametrize("alpha", [0, 77, 255])
def test_the_same_alpha_everywhere_changes_no_colour(alpha: int) -> None:
    rgb = np.random.default_rng(2).integers(0, 256, (9, 14, 3), dtype=np.uint8)
    planes, plain = (make_planes(LAYOUT, 14, 9, seed=1) for _ in range(2))
    rgba_to_planes(rgb, np.full((9, 14), alpha, np.uint8), planes)
    rgb_to_planes(rgb, plain)
    plain.samples(ALPHA)[...] = alpha
    assert equal_planes(planes, plain)


def test_refuses_alpha_by_its_shape() -> None:
    rgb, planes = np.zeros((6, 8, 3), np.uint8), make_planes(LAYOUT, 8, 6, seed=1)
    with pytest.raises(ValueError, match=r"alpha is uint8 \(8, 6\) for yuva420p \(6, 8, 3\)"):
        rgba_to_planes(rgb, np.zeros((8, 6), np.uint8), planes)
    with pytest.raises(ValueError, match="alpha is float64"):
        rgba_to_planes(rgb, np.zeros((6, 8)), planes)  # type: ignore[arg-type]
    opaque = make_planes(LAYOUTS["yuv420p"], 8, 6, seed=1)
    with pytest.raises(ValueError, match="for yuv420p"):
        rgba_to_planes(rgb, np.zeros((6, 8), np.uint8), opaque)
