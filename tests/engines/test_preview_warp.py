"""Thin-plate splines, lip curves and the photo's crop."""

from __future__ import annotations

import numpy as np
import pytest

from musetalk_fast.engines.preview.crop import photo_crop, sampling
from musetalk_fast.engines.preview.mouth import MouthPose, pose_mouth
from musetalk_fast.engines.preview.spline import displacement
from musetalk_fast.engines.preview.warp import OPENINGS, WIDTHS
from musetalk_fast.types import Box


def test_a_spline_carries_its_knots() -> None:
    rng = np.random.default_rng(1)
    knots = rng.uniform(-1, 1, (30, 2))
    targets = knots + rng.normal(0, 0.03, knots.shape)
    moved = knots + displacement(knots, targets, knots)
    assert np.abs(moved - targets).max() < 0.02


def test_a_spline_keeps_a_plain_shift_and_scale_everywhere() -> None:
    rng = np.random.default_rng(2)
    knots, places = rng.uniform(-1, 1, (2, 40, 2))
    matrix, shift = np.array([[1.1, 0.1], [-0.05, 0.9]]), np.array([0.2, -0.1])
    moved = places + displacement(knots, knots @ matrix + shift, places)
    assert np.allclose(moved, places @ matrix + shift, atol=1e-6)


def test_a_spline_takes_two_knots_at_one_place() -> None:
    knots = np.array([[0, 0], [0, 0], [1, 0], [0, 1], [1, 1], [-1, 0.3]], float)
    moved = displacement(knots, knots + 0.1, knots)
    assert np.allclose(moved, 0.1, atol=1e-6)


def test_the_atlas_is_hit_exactly_at_its_poses(portrait) -> None:
    for row, column in ((0, 0), (3, 2), (6, 4)):
        pose = MouthPose(float(OPENINGS[row]), float(WIDTHS[column]), 0)
        posed = pose_mouth(portrait.mouth, pose)
        assert np.allclose(posed.maps, portrait.mouth.atlas.maps[row, column], atol=1e-5)


def test_lips_move_where_the_atlas_says_and_nothing_folds(portrait) -> None:
    maps = portrait.mouth.atlas.maps
    region = portrait.mouth.region
    step = (region.bottom - region.top) / (maps.shape[3] - 1)
    sources = maps[..., 1] + (np.arange(maps.shape[3]) * step)[:, None]
    for layer, rows in ((0, slice(0, 12)), (1, slice(20, None))):
        assert (np.diff(sources[:, :, layer, rows], axis=2) > -0.5).all()


@pytest.mark.parametrize(
    ("start", "length", "limit"), [(0, 256, 256), (-40, 300, 200), (90, 31, 400), (3, 2000, 1500)]
)
def test_sampling_weights_sum_to_one(start: int, length: int, limit: int) -> None:
    weights, first = sampling(start, length, limit, 256)
    assert np.allclose(weights.sum(axis=1), 1, atol=1e-5)
    assert first >= 0
    assert first + weights.shape[1] <= limit


def test_a_box_of_the_crops_size_is_taken_as_it_is() -> None:
    picture = np.random.default_rng(3).integers(0, 256, (300, 320, 3), np.uint8)
    crop = photo_crop(picture, Box(20, 30, 256, 256))
    assert np.array_equal(crop, picture[30:286, 20:276])


def test_a_box_twice_as_large_is_averaged() -> None:
    picture = np.random.default_rng(4).integers(0, 256, (512, 512, 3), np.uint8)
    mean = picture.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    assert np.abs(photo_crop(picture, Box(0, 0, 512, 512)) - mean).max() <= 0.51


def test_beyond_the_picture_its_border_repeats() -> None:
    picture = np.random.default_rng(5).integers(0, 256, (200, 100, 3), np.uint8)
    crop = photo_crop(picture, Box(-78, 0, 256, 256))
    assert np.array_equal(crop[:200, :79], np.repeat(picture[:, :1], 79, axis=1))
    assert np.array_equal(crop[199:, 78:178], np.repeat(picture[-1:], 57, axis=0))
