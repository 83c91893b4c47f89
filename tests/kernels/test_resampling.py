from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musetalk_fast.kernels.resampling import BITS, Band, exact_weights, means, quantise

SIZE = 256


def dense(band: Band) -> np.ndarray:
    matrix = np.zeros((len(band.first), SIZE))
    columns = band.first[:, None] + np.arange(band.weights.shape[1])
    matrix[np.arange(len(matrix))[:, None], columns] = band.weights
    return matrix


def weights(length: int, *, sharp: bool) -> np.ndarray:
    return dense(exact_weights(SIZE, length, np.arange(length), sharp=sharp))


@pytest.mark.parametrize("length", [16, 17, 100, 255, 256, 257, 430, 511, 1000, 2048])
def test_bilinear_is_opencvs(length: int) -> None:
    signal = np.random.default_rng(length).integers(0, 256, (1, SIZE), dtype=np.uint8)
    theirs = cv2.resize(signal, (length, 1), interpolation=cv2.INTER_LINEAR)[0]
    taps = quantise(SIZE, exact_weights(SIZE, length, np.arange(length), sharp=False))
    reached = signal[0].astype(np.int64)[taps.first[:, None] + np.arange(taps.weights.shape[1])]
    ours = ((reached * taps.weights).sum(axis=1) + (1 << (BITS - 1))) >> BITS
    assert np.abs(ours - theirs.astype(int)).max() <= 1


@pytest.mark.parametrize("sharp", [False, True])
def test_a_crop_of_the_boxs_size_is_kept(sharp: bool) -> None:
    np.testing.assert_allclose(weights(SIZE, sharp=sharp), np.eye(SIZE), atol=1e-12)


def test_lanczos_keeps_a_ramp_and_sharpens_an_edge() -> None:
    ramp, edge = np.arange(SIZE) * 1.0, (np.arange(SIZE) >= 128) * 1.0
    sharp, soft = weights(512, sharp=True), weights(512, sharp=False)
    np.testing.assert_allclose((sharp @ ramp)[8:-8], (soft @ ramp)[8:-8], atol=0.05)
    assert (sharp @ edge).max() > 1.02
    assert np.abs(np.diff(sharp @ edge)).max() > np.abs(np.diff(soft @ edge)).max()


def test_lanczos_does_not_alias_when_it_shrinks() -> None:
    stripes = np.arange(SIZE) % 2 * 1.0
    assert np.abs((weights(64, sharp=True) @ stripes)[4:-4] - 0.5).max() < 0.01


@given(st.integers(1, 2048), st.integers(-300, 300), st.integers(1, 300), st.booleans())
def test_taps_stay_inside_and_sum_to_one(length: int, start: int, count: int, sharp: bool) -> None:
    exact = exact_weights(SIZE, length, np.arange(start, start + count), sharp=sharp)
    taps = quantise(SIZE, exact)
    assert (taps.weights.sum(axis=1, dtype=np.int64) == 1 << BITS).all()
    assert taps.weights.shape[1] % 2 == 0
    first, stop = taps.span
    assert 0 <= first < stop <= SIZE
    back = dense(Band(taps.first.astype(np.int64), taps.weights / (1 << BITS)))
    assert np.abs(back - dense(exact)).max() < exact.weights.shape[1] * 2.0**-BITS


@pytest.mark.parametrize("count", [8, 9])
@pytest.mark.parametrize("length", [16, 250, 430])
def test_means_are_means_of_what_is_there(count: int, length: int) -> None:
    exact = exact_weights(SIZE, length, np.arange(-3, count - 3), sharp=True)
    single = dense(exact)
    paired = dense(means(SIZE, exact, np.arange(0, count, 2)))
    expected = [single[first : first + 2].mean(axis=0) for first in range(0, count, 2)]
    np.testing.assert_allclose(paired, expected, atol=1e-12)
