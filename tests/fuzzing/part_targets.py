"""Kernels of a picture's part: its RGB, turned squares of it, what is given back to a crop."""

from __future__ import annotations

import random

import numpy as np
from kernel_targets import (
    PlanesError,
    any_face,
    any_planes,
    equal_planes,
    forms,
    random_samples,
    seed_of,
)
from numpy.typing import NDArray
from picture_targets import any_crop_table
from target import Target

from musetalk_fast.errors import ProtocolError
from musetalk_fast.kernels.paste import Paste
from musetalk_fast.kernels.paste_tables import seen_samples, tables
from musetalk_fast.kernels.patch import sample
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.kernels.reference import paste as paste_reference
from musetalk_fast.kernels.reference import patch as patch_reference
from musetalk_fast.kernels.reference import rgb as rgb_reference
from musetalk_fast.kernels.rgb import inverse, to_rgb
from musetalk_fast.kernels.yuv_matrix import LUMA_WEIGHTS, conversion
from musetalk_fast.types import CROP_SIZE, Box, Picture

_DEEP = ("yuv420p10le", "p010le", "yuv422p10le", "yuv444p10le")


class _PartError(Exception):
    """A part beside the picture, a picture of another kind, or sizes that differ, were refused."""


def _feed_rgb(data: bytes) -> bool:
    rng = random.Random(data)
    width, height = 2 * rng.randint(1, 40), 2 * rng.randint(1, 12)
    planes = any_planes(rng, LAYOUTS["yuv420p"], width, height)
    left, top = rng.randrange(width), rng.randrange(height)
    part = Box(left, top, rng.randint(1, width - left), rng.randint(1, height - top))
    if rng.random() < 0.1:
        part = part._replace(x=rng.randint(-3, width), y=rng.randint(-3, height))
    matrix, full = rng.choice(sorted(LUMA_WEIGHTS)), rng.random() < 0.5
    try:
        made = to_rgb(planes, part, matrix=matrix, full_range=full)
    except ValueError as error:
        _rgb_is_refused(planes, part)
        raise _PartError(str(error)) from None
    samples = [planes.samples(number) for number in range(3)]
    arguments = *samples, part.x, part.y, inverse(matrix, full_range=full)
    expected = np.empty_like(made)
    rgb_reference.to_rgb(*arguments, expected)  # type: ignore[arg-type]
    assert np.array_equal(made, expected)
    for kernel in forms("rgb"):
        made = np.empty_like(expected)
        kernel.to_rgb(*arguments, made)
        assert np.array_equal(made, expected), kernel.used()
    return True


def _rgb_is_refused(planes: Planes, part: Box) -> None:
    """By the kernels, too: they trust nobody with memory."""
    samples = [planes.samples(number) for number in range(3)]
    to = inverse("bt709", full_range=False)
    for kernel in forms("rgb"):
        try:
            kernel.to_rgb(*samples, part.x, part.y, to, np.empty((part.height, part.width, 3), "B"))
        except ValueError:
            continue
        raise AssertionError(f"{part} was taken by {kernel.used()}")


def _feed_patch(data: bytes) -> bool:
    rng = random.Random(data)
    picture = _any_picture(rng)
    side, reach = rng.choice((1, 2, 17, rng.randint(1, 60))), rng.choice((2.0, 80.0, 1e6))
    cos, sin = (np.array([rng.uniform(-reach, reach) for _ in range(side)], "f") for _ in "xy")
    corner = rng.uniform(-reach, reach), rng.uniform(-reach, reach)
    if rng.random() < 0.05:
        cos[rng.randrange(side)] = rng.choice((np.nan, np.inf))
    try:
        made = sample(picture, cos, sin, corner)
    except ValueError as error:
        raise _PartError(str(error)) from None
    expected = np.empty_like(made)
    patch_reference.sample(picture, cos, sin, *corner, expected)
    assert np.array_equal(made, expected)
    for kernel in forms("patch"):
        made = np.empty_like(expected)
        kernel.sample(picture, cos, sin, *corner, made)
        assert np.array_equal(made, expected), kernel.used()
    return True


def _any_picture(rng: random.Random) -> Picture:
    """In memory of exactly its size: some is a part of a larger one, or lies upside down."""
    width, height = (rng.choice((1, 2, rng.randint(1, 50))) for _ in "xy")
    left, top = rng.randrange(width), rng.randrange(height)
    whole = random_samples(rng, width * height * 3).reshape(height, width, 3)
    picture: Picture = whole[top:, left:] if rng.random() < 0.5 else whole[: top + 1, : left + 1]
    if rng.random() < 0.1:
        return picture[::-1]
    return picture[:, ::-1] if rng.random() < 0.1 else picture


def _feed_given(data: bytes) -> bool:
    rng = random.Random(data)
    layout, table = LAYOUTS[rng.choice(_DEEP)], any_crop_table(rng)
    width, height = 2 * rng.randint(1, 80), 2 * rng.randint(1, 60)
    face, before = any_face(rng, width, height), any_planes(rng, layout, width, height)
    place = Paste(face, width, height, layout, table=table).reach
    if place is None:
        return True
    seen = _any_seen(rng, place)
    share = rng.choice((1.0, rng.random()))
    crop = random_samples(rng, CROP_SIZE * CROP_SIZE * 3).reshape(CROP_SIZE, CROP_SIZE, 3)
    colours = conversion("bt709", layout.depth, full_range=False)
    prepared = tables(face, (width, height), layout, colours, sharp=False)
    own, weight = seen_samples(prepared, seen), round(share * paste_reference.WHOLE)
    components, expected = table.components(crop), before.copy()
    paste_reference.paste_components(prepared, components, 0, before, expected, weight, own)
    for kernel in forms("paste"):
        paste = Paste(face, width, height, layout, table=table)
        paste.give_back(seen)
        in_place, onto_another = before.copy(), before.copy()
        paste.paste(crop, 0, in_place, weight=share)
        paste.paste(crop, 0, onto_another, before, weight=share)
        assert equal_planes(in_place, expected), kernel.used()
        assert equal_planes(onto_another, expected), kernel.used()
    return True


def _any_seen(rng: random.Random, place: Box) -> NDArray[np.int16]:
    draw = np.random.default_rng(rng.getrandbits(32)).integers
    ends = rng.choice(((-(1 << 15), (1 << 15) - 1), (0, 255 << 6), (8000, 8300)))
    return draw(*ends, (3, place.height, place.width), dtype=np.int16, endpoint=True)


TARGETS = (
    Target("rgb", seed_of, _feed_rgb, (PlanesError, _PartError)),
    Target("patch", seed_of, _feed_patch, (_PartError,)),
    Target("given", seed_of, _feed_given, (PlanesError, ProtocolError)),
)
