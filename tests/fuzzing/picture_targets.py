"""Kernels of whole pictures: masks of polygons, tables of tones; each equals its reference."""

from __future__ import annotations

import random

import numpy as np
from kernel_targets import (
    PlanesError,
    any_planes,
    equal_planes,
    forms,
    random_samples,
    seed_of,
)
from target import Target

from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.kernels.reference import soft_mask as mask_reference
from musetalk_fast.kernels.reference import tone_map as tone_reference
from musetalk_fast.kernels.soft_mask import soft_mask
from musetalk_fast.kernels.tone_map import CropTable, ToneTable

_DEEP, _SHALLOW = ("yuv420p10le", "p010le"), ("yuv420p", "nv12", "yuva420p")


class _MaskError(Exception):
    """Sizes, corners or taps that do not fit were refused."""


def _feed_mask(data: bytes) -> bool:
    rng = random.Random(data)
    corners = [
        np.array([[rng.uniform(-20, 80), rng.uniform(-20, 80)] for _ in range(rng.randint(1, 9))])
        for _ in ("outline", "hole")
    ]
    width, height = (rng.choice((rng.randint(1, 4), rng.randint(1, 70))) for _ in "xy")
    columns, rows = (side + rng.choice((0, 1, rng.randint(0, 90))) for side in (width, height))
    columns -= rng.random() < 0.05
    taps = np.array([rng.random() for _ in range(rng.choice((1, 3, 31, 151, 2)))], np.float32)
    taps, first = taps / taps.sum(), rng.randint(0, height)
    sizes = {"size": (width, height), "first": first, "wanted": (columns, rows)}
    try:
        made = soft_mask(*corners, taps=taps, **sizes)
    except ValueError as error:
        raise _MaskError(str(error)) from None
    expected = np.empty((rows, columns), np.uint8)
    mask_reference.soft_mask(*corners, width, height, first, taps, columns, rows, expected)
    assert np.array_equal(made, expected)
    for kernel in forms("soft_mask"):
        made = np.empty((rows, columns), np.uint8)
        kernel.soft_mask(*corners, width, height, first, taps, columns, rows, made)
        assert np.array_equal(made, expected), kernel.used()
    return True


def _tone_table(rng: random.Random) -> ToneTable:
    draw = np.random.default_rng(rng.getrandbits(32)).integers
    side = rng.randint(1, 3)
    axis = draw(0, 32 * side, 1024, dtype=np.uint16)
    luma = draw(0, 255 << 6, (side * side, 1024, 4), dtype=np.int16)
    return ToneTable(side, axis, luma, draw(0, 255 << 6, (side * side, 256, 2, 4), dtype=np.int16))


def _feed_tones(data: bytes) -> bool:
    rng = random.Random(data)
    width, height = 2 * rng.randint(1, 40), 2 * rng.randint(1, 6)
    table = _tone_table(rng)
    source = any_planes(rng, LAYOUTS[rng.choice(_DEEP)], width, height)
    before = any_planes(rng, LAYOUTS[rng.choice(_SHALLOW)], width, height)
    expected = before.copy()
    tone_reference.tone_map(table.side, table.axis, table.luma, table.colour, source, expected)
    for kernel in forms("tone_map"):
        made = before.copy()
        kernel.ToneMap(table).map(source, made)
        assert equal_planes(made, expected), kernel.used()
    return _crops_are_equal(rng)


def any_crop_table(rng: random.Random) -> CropTable:
    draw = np.random.default_rng(rng.getrandbits(32)).integers
    axis = (draw(0, 32, 256) << 6 | draw(0, 33, 256)).astype(np.uint16)
    return CropTable(axis, draw(0, 255 << 6, (33, 33, 33, 4), dtype=np.int16))


def _crops_are_equal(rng: random.Random) -> bool:
    table = any_crop_table(rng)
    pixels = random_samples(rng, 3 * rng.randint(1, 70)).reshape(-1, 3)
    expected = np.empty((3, len(pixels)), np.int16)
    tone_reference.crop_map(table.axis, table.nodes, pixels, expected)
    for kernel in forms("tone_map"):
        made = np.empty_like(expected)
        kernel.CropMap(table).map(pixels, made)
        assert np.array_equal(made, expected), kernel.used()
    return np.array_equal(table.components(pixels), expected)


TARGETS = (
    Target("masks", seed_of, _feed_mask, (_MaskError,)),
    Target("tones", seed_of, _feed_tones, (PlanesError,)),
)
