"""Composed pictures: decoded exactly, native as the reference, and nothing guessed."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest
from band_pictures import (
    END_ROW,
    FIRST_ROW,
    FRAMES,
    GUARD_ROWS,
    HEIGHT,
    BandPictures,
    band_pictures,
    decode,
)

from musetalk_fast.kernels import h264, native
from musetalk_fast.kernels.h264 import Composition, compose
from musetalk_fast.kernels.h264_bits import UnsupportedStreamError
from musetalk_fast.kernels.reference import h264 as reference
from musetalk_fast.kernels.reference.h264_skips import leading_skips, skips
from musetalk_fast.kernels.reference.h264_slice import B, P

VARIANTS = list(product(("ultrafast", "veryfast", "medium"), (False, True), (False, True)))
TOP, BOTTOM = FIRST_ROW * 16, END_ROW * 16


def both(packet: bytes, band: BandPictures, idr_pic_id: int = 0) -> Composition | str:
    """What the two forms agree on: a picture, or a reason why not."""
    arguments = (packet, band.sets.syntax, band.layout, band.still, idr_pic_id)
    made: list[Composition | str] = []
    for form in (compose, reference.compose):
        try:
            made.append(form(*arguments))
        except UnsupportedStreamError as error:
            made.append(str(error))
    assert made[0] == made[1]
    return made[0]


def composed(packet: bytes, band: BandPictures, idr_pic_id: int = 0) -> Composition:
    made = both(packet, band, idr_pic_id)
    assert isinstance(made, Composition), made
    return made


@pytest.mark.parametrize(("preset", "b_frames", "cabac"), VARIANTS)
def test_the_band_decodes_as_alone_and_the_rest_stands(
    preset: str, b_frames: bool, cabac: bool
) -> None:
    band = band_pictures(preset, b_frames, cabac)
    made = [composed(packet, band) for packet in band.packets]
    assert [each.is_idr for each in made] == [True] + [False] * (FRAMES - 1)
    pictures = decode(band.headers + b"".join(each.data for each in made))
    alone = decode(band.band_headers + b"".join(band.packets))
    assert len(pictures) == len(alone) == FRAMES
    for picture, of_band in zip(pictures, alone, strict=True):
        np.testing.assert_array_equal(picture[TOP:BOTTOM], of_band[: BOTTOM - TOP])
        np.testing.assert_array_equal(_still_rows(picture), _still_rows(pictures[0]))


def _still_rows(picture: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    chroma = picture[HEIGHT:].reshape(2, HEIGHT // 2, -1)
    outside = np.r_[0 : TOP // 2, BOTTOM // 2 : HEIGHT // 2]
    luma = np.r_[picture[:TOP].ravel(), picture[BOTTOM:HEIGHT].ravel()]
    return np.r_[luma, chroma[:, outside].ravel()]


def test_neighbouring_idr_pictures_differ_in_their_number() -> None:
    band = band_pictures("veryfast", False, True)
    idr = band.packets[0]
    both_ids = [composed(idr, band, number).data for number in (0, 1)]
    assert both_ids[0] != both_ids[1]
    first, second = decode(band.headers + b"".join(both_ids))
    np.testing.assert_array_equal(first, second)


def test_guard_rows_that_move_are_noticed() -> None:
    band = band_pictures("veryfast", False, True)
    assert all(composed(packet, band).is_proven for packet in band.packets)
    # So many guard rows that the patch lies in them.
    for rows in (GUARD_ROWS + 1, 6):
        more = BandPictures(
            *(band.headers, band.band_headers, band.packets, band.still),
            band.layout._replace(guard_rows=rows),
        )
        assert not any(composed(packet, more).is_proven for packet in more.packets[1:])


def test_a_damaged_picture_is_refused_or_composed_alike() -> None:
    """Each bit of the headers, and what a random choice of the others does to both forms."""
    rng = random.Random(1)
    for variant in ((False, True), (True, False)):
        band = band_pictures("veryfast", *variant)
        for packet in band.packets[:3]:
            places = [*range(8 * 24), *(rng.randrange(8 * len(packet)) for _ in range(60))]
            for place in places:
                damaged = bytearray(packet)
                damaged[place // 8] ^= 1 << place % 8
                both(bytes(damaged), band)
            for size in (*range(24), *(rng.randrange(len(packet)) for _ in range(20))):
                both(packet[:size], band)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"", "the band's first slice is missing"),
        (b"\x00\x00\x01\x65", "a header is cut off"),
        (b"\x00\x00\x01\x06\x05", "the band's first slice is missing"),
        (b"\x00\x00\x01\x41\x00\x00\x03\x00\x00\x03\x00", "not an Exp-Golomb code"),
    ],
)
def test_what_is_no_picture_is_refused(packet: bytes, reason: str) -> None:
    band = band_pictures("veryfast", False, True)
    if reason == "not an Exp-Golomb code":
        packet += bytes(8) + b"\x01"
        packet = packet.replace(bytes(8), b"\x00\x00\x03" * 4)
    assert both(packet, band) == reason


def test_pictures_out_of_place_are_refused() -> None:
    band = band_pictures("veryfast", False, True)
    one, other = band.packets[1:3]
    assert both(one + other, band) == "slices are not in order"
    assert both(band.packets[0] * 130, band) == "too many slices"


@pytest.mark.parametrize("kind", [P, B])
@pytest.mark.parametrize("count", [1, 2, 5, 99, 8160])
def test_skips_are_read_as_they_are_written(kind: int, count: int) -> None:
    for qp, init in ((0, 0), (26, 1), (51, 2)):
        data = skips(count, qp, init, kind)
        assert leading_skips(data, 0, count, qp, init, kind) == count
        assert leading_skips(data, 0, count + 5, qp, init, kind) == count, "the slice ends"
        assert leading_skips(data, 0, max(1, count // 2), qp, init, kind) == max(1, count // 2)


def test_the_native_form_is_there() -> None:
    assert native.load("h264") is not None
    assert h264.Syntax is reference.Syntax
