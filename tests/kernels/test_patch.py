from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_frames import Guarded, random_bytes
from PIL import Image

from musetalk_fast.kernels.patch import sample
from musetalk_fast.kernels.reference import patch as reference


def square(side: int, scale: float, angle: float) -> tuple[np.ndarray, np.ndarray]:
    steps = np.arange(side, dtype=np.float32) + np.float32(0.5 - side / 2)
    return steps * np.float32(scale * np.cos(angle)), steps * np.float32(scale * np.sin(angle))


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 40),
    st.floats(0.01, 4),
    st.floats(-4, 4),
    st.tuples(st.floats(-60, 90), st.floats(-60, 90)),
)
def test_it_equals_the_reference(
    size: tuple[int, int],
    side: int,
    scale: float,
    angle: float,
    corner: tuple[float, float],
) -> None:
    wide = random_bytes((size[0] + 5) * size[1] * 3, side).reshape(size[1], size[0] + 5, 3)
    picture = wide[:, 2 : 2 + size[0]]
    cos, sin = square(side, scale, angle)
    expected = np.empty((side, side, 3), np.float32)
    reference.sample(picture, cos, sin, *corner, expected)
    assert np.array_equal(sample(picture, cos, sin, corner), expected)


def test_is_a_bilinear_transformation() -> None:
    """Against Pillow's, which rounds to levels."""
    picture = random_bytes(60 * 60 * 3, 1).reshape(60, 60, 3)
    cos, sin = square(24, 0.9, 0.4)
    across, down = np.cos(0.4) * 0.9, np.sin(0.4) * 0.9
    corner = [29.0 - 12 * (across - down) + 0.5, 31.0 - 12 * (down + across) + 0.5]
    moved = Image.fromarray(picture).transform(
        (24, 24),
        Image.Transform.AFFINE,
        (across, -down, corner[0], down, across, corner[1]),
        Image.Resampling.BILINEAR,
    )
    made = sample(picture, cos, sin, (29.0, 31.0))
    assert np.abs(made - np.asarray(moved)).max() < 1.01


def test_stays_between_guards() -> None:
    picture = random_bytes(7 * 5 * 3, 1).reshape(5, 7, 3)
    memory = Guarded(picture.size)
    cos, sin = square(30, 1.0, 0.6)
    for place in (memory.at_end, memory.at_start):
        sample(place(picture), cos, sin, (3.0, 2.0))
        sample(place(picture)[1:4, 2:], cos, sin, (3.0, 2.0))


@pytest.mark.parametrize(
    ("picture", "places", "words"),
    [
        (np.zeros((4, 4), np.uint8), np.ones(3), "not of packed pixels"),
        (np.zeros((4, 4, 3)), np.ones(3), "not of packed pixels"),
        (np.zeros((4, 8, 3), np.uint8)[:, ::2], np.ones(3), "not of packed pixels"),
        (np.zeros((0, 4, 3), np.uint8), np.ones(3), r"a picture of \(0, 4\)"),
        (np.zeros((4, 4, 3), np.uint8), np.ones(0), "a square of 0"),
        (np.zeros((4, 4, 3), np.uint8), np.full(3, np.nan), "not finite"),
    ],
)
def test_refuses_what_is_no_picture_or_no_place(
    picture: np.ndarray, places: np.ndarray, words: str
) -> None:
    steps = places.astype(np.float32)
    with pytest.raises(ValueError, match=words):
        sample(picture, steps, steps, (0.0, 0.0))
