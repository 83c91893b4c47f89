from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_frames import Guarded, random_bytes
from PIL import Image

from musetalk_fast.kernels import affine
from musetalk_fast.kernels.reference import affine as reference


def turned(x: float, y: float, scale: float, angle: float, side: int) -> tuple[float, ...]:
    """Coefficients of a square around a place."""
    cos, sin = math.cos(angle) * scale, math.sin(angle) * scale
    return (cos, -sin, x - (cos - sin) * side / 2, sin, cos, y - (sin + cos) * side / 2)


@settings(max_examples=40)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.floats(-30, 60), st.floats(-30, 60)),
    st.floats(0, 3),
    st.floats(-4, 4),
    st.integers(1, 33),
)
def test_it_equals_the_reference_and_pillow(
    size: tuple[int, int], middle: tuple[float, float], scale: float, angle: float, side: int
) -> None:
    width, height = size
    pixels = random_bytes(height * width * 3, width)
    memory = Guarded(pixels.size)
    coefficients = turned(*middle, scale, angle, side)
    for place in (memory.at_end, memory.at_start):
        picture = place(pixels.reshape(height, width, 3))
        expected = np.empty((side, side, 3), np.float32)
        reference.sample(picture, coefficients, side, expected)
        got = affine.sample(picture, coefficients, side)
        assert np.array_equal(got, expected)
    with_pillow = Image.fromarray(np.array(picture)).transform(
        (side, side), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR
    )
    assert np.array_equal(got, np.asarray(with_pillow))


def test_a_part_of_a_picture_is_taken_where_it_lies() -> None:
    whole = random_bytes(30 * 40 * 3, 1).reshape(30, 40, 3)
    part, coefficients = whole[5:25, 8:31], turned(11, 10, 0.7, 0.3, 16)
    expected = affine.sample(np.ascontiguousarray(part), coefficients, 16)
    assert np.array_equal(affine.sample(part, coefficients, 16), expected)


@pytest.mark.parametrize(
    ("picture", "coefficients", "reason"),
    [
        (np.zeros((4, 4, 4), np.uint8), turned(2, 2, 1, 0, 8), "packed pixels"),
        (np.zeros((4, 8, 3), np.uint8)[:, ::2], turned(2, 2, 1, 0, 8), "packed pixels"),
        (np.zeros((4, 4, 3), np.uint8), turned(math.nan, 2, 1, 0, 8), "six finite"),
        (np.zeros((4, 4, 3), np.uint8), (1.0, 0.0), "six finite"),
    ],
)
def test_refuses_what_it_cannot_sample(
    picture: np.ndarray, coefficients: tuple[float, ...], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        affine.sample(picture, coefficients, 8)
