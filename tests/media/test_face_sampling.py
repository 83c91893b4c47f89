from __future__ import annotations

import math

import numpy as np
import pytest

from musetalk_fast.media.face.sampling import Region, bilinear, reduce, sample


@pytest.fixture
def ramp() -> np.ndarray:
    """Red is x, green is y, blue is constant."""
    y, x = np.mgrid[0:100, 0:120]
    return np.stack([x * 2, y * 2, np.full_like(x, 7)], axis=-1).astype(np.uint8)


def test_reduce_is_the_mean_of_blocks() -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (37, 50, 3), np.uint8)
    expected = picture[:36, :48].reshape(9, 4, 12, 4, 3).mean(axis=(1, 3))
    assert np.abs(reduce(picture, 4) - expected).max() <= 0.5


def test_reduce_in_strips_equals_reduce_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (64, 48, 3), np.uint8)
    full = reduce(picture, 3)
    monkeypatch.setattr("musetalk_fast.media.face.sampling._STRIP_BYTES", 1)
    np.testing.assert_array_equal(reduce(picture, 3), full)


def test_reduce_by_one_is_the_picture_itself() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    assert reduce(picture, 1) is picture


def test_upright_region_of_its_own_size_is_the_picture(ramp: np.ndarray) -> None:
    patch = bilinear(ramp, Region(60, 50, 40), 40)
    np.testing.assert_allclose(patch, ramp[30:70, 40:80], atol=1e-3)


@pytest.mark.parametrize("size", [30.0, 64.0, 90.0])
@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2])
def test_a_sampled_ramp_shows_where_it_was_taken(
    ramp: np.ndarray, size: float, angle: float
) -> None:
    side = 32
    region = Region(60.0, 50.0, size, angle)
    patch = sample(ramp, region, side)
    at = np.array([[10.5, 10.5], [20.5, 12.5], [16.0, 16.0]], np.float32)
    places = region.to_picture(at, side)
    for (u, v), (x, y) in zip(at[:2], places[:2], strict=True):
        red, green, blue = patch[int(v), int(u)]
        assert abs(red / 2 + 0.5 - x) < 0.3
        assert abs(green / 2 + 0.5 - y) < 0.3
        assert blue == pytest.approx(7)
    np.testing.assert_allclose(places[2], (60, 50), atol=1e-4)


def test_to_picture_scales_depth_and_turns_clockwise() -> None:
    region = Region(10, 20, 200, math.pi / 2)
    points = np.array([[60.0, 50.0, 3.0]], np.float32)
    np.testing.assert_allclose(region.to_picture(points, 100), [[10, 40, 6]], atol=1e-4)


@pytest.mark.parametrize(
    "region",
    [Region(-50, -50, 40), Region(500, 20, 900, 1.0), Region(119.9, 99.9, 2), Region(60, 50, 1e-3)],
)
def test_outside_the_border_repeats(ramp: np.ndarray, region: Region) -> None:
    patch = sample(ramp, region, 16)
    assert patch.shape == (16, 16, 3)
    np.testing.assert_allclose(patch[..., 2], 7, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_thin_pictures_are_sampled(shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), 9, np.uint8)
    np.testing.assert_allclose(sample(picture, Region(0.5, 0.5, 64), 8), 9)
