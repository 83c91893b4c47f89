"""Composed streams: their band is that of the band alone, or the proof fails; the rest stands."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest
from band_streams import (
    BACKGROUNDS,
    BASE,
    NO_B,
    THREADING,
    WITH_B,
    Segment,
    compare,
    decode,
    encode,
    layout_of,
    noise,
    picture,
    ramp,
    running,
    settings,
    still_rows,
)

from musetalk_fast.kernels.h264_bits import UnsupportedStreamError
from musetalk_fast.video.band_encoder import StillRows

PLACES = (
    ((96, 224), 100, 24),
    ((98, 226), 0, 20),  # no rows above; seven units are cropped on both axes
    ((98, 226), 200, 26),  # no rows below
)
"""Size, and which pixel rows change."""

VARIANTS = list(product(("ultrafast", "veryfast", "medium", "slow"), (NO_B, WITH_B), (0, 1)))


def all_equal(still: StillRows, segments: Sequence[Segment]) -> bool:
    """Whether every picture of the segments joined is as it should be, however it is decoded."""
    stream = still.headers + b"".join(segment.data for segment in segments)
    frames = [decode(stream, *threading) for threading in THREADING]
    found = [compare(each, segments, still.layout) for each in frames]
    return all(not each.band and not each.still for each in found)


CASES = [(*variant, *PLACES[number % 3]) for number, variant in enumerate(VARIANTS)]


@pytest.mark.parametrize(("preset", "more", "cabac", "size", "top", "height"), CASES)
def test_every_threading_shows_the_same(
    preset: str, more: str, cabac: int, size: tuple[int, int], top: int, height: int
) -> None:
    avatar = picture(*size)
    layout = layout_of(avatar, top, height)
    encoder = settings(preset, f"{more}:cabac={cabac}")
    still = still_rows(encoder, avatar, layout)
    segment = encode(encoder, still, avatar, noise(layout, top, height), 7)
    assert len(segment.packets) == 7
    assert segment.unproven == []
    assert all_equal(still, [segment])
    assert [packet.pts for packet in segment.packets] != [*range(7)] or more == NO_B


@pytest.mark.parametrize("more", [NO_B, WITH_B])
def test_segments_of_any_length_and_try_are_joined(more: str) -> None:
    """One of one frame, one with a second IDR picture, and numbers that neighbours do not share."""
    top, height = 100, 24
    avatar = picture(96, 224)
    layout = layout_of(avatar, top, height)
    encoder, with_two = settings("veryfast", more), settings("veryfast", more, gop=4)
    still = still_rows(encoder, avatar, layout)
    assert still.headers == still_rows(with_two, avatar, layout).headers
    segments = [
        encode(each, still, avatar, noise(layout, top, height, seed), count, idr_pic_id=number)
        for seed, (each, count, number) in enumerate(
            ((encoder, 5, 0), (encoder, 1, 2), (encoder, 1, 1), (with_two, 6, 2), (encoder, 3, 1))
        )
    ]
    keys = [sum(packet.is_key for packet in segment.packets) for segment in segments]
    assert keys == [1, 1, 1, 2, 1]
    # The second one was not decoded before it was encoded.
    assert [segment.unproven for segment in segments] == [[], [], [], [4], []]
    assert all_equal(still, segments)


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize(("preset", "more"), [("veryfast", WITH_B), ("medium", NO_B)])
def test_no_motion_reaches_out_of_the_band(background: str, preset: str, more: str) -> None:
    top, height = 112, 40
    avatar = BACKGROUNDS[background](96, 256)
    layout = layout_of(avatar, top, height)
    encoder = settings(preset, more)
    still = still_rows(encoder, avatar, layout)
    for step in (8, 30, -30, 40):
        paint = running(layout, top, height, step)
        segment = encode(encoder, still, avatar, paint, 6)
        found = compare(decode(still.headers + segment.data), [segment], layout)
        assert (found.band, found.still) == ([], []), (step, segment.unproven)


@pytest.mark.parametrize(
    ("preset", "more", "crf", "margin", "decodes_first"),
    [
        ("medium", NO_B, "20", 4, False),  # refined with vectors, for the source is not as decoded
        ("veryfast", NO_B, "28", 4, False),
        ("medium", WITH_B, "28", 4, False),
        ("veryfast", NO_B, "23", 0, True),  # what changes begins at the band's edge
        ("medium", WITH_B, "23", 0, True),
    ],
)
def test_pictures_that_read_from_outside_are_not_proven(
    preset: str, more: str, crf: str, margin: int, decodes_first: bool
) -> None:
    top, height = 128, 32
    avatar = ramp(96, 288)
    layout = layout_of(avatar, top, height, margin)
    encoder = settings(preset, more, crf=crf)
    still = still_rows(encoder, avatar, layout)
    paint = noise(layout, top, height)
    segment = encode(encoder, still, avatar, paint, 10, decodes_first=decodes_first)
    found = compare(decode(still.headers + segment.data), [segment], layout)
    assert found.band, "nothing leaks: this says nothing"
    assert found.still == []
    order = [packet.pts for packet in segment.packets]
    first_wrong = min(order.index(number) for number in found.band)
    assert order[first_wrong] in segment.unproven
    assert first_wrong > 0


def test_one_guard_row_would_not_do() -> None:
    """A vector passes over it: all are as the proof wants them, and a picture is wrong."""
    top, height = 128, 32
    avatar = picture(96, 288)
    layout = layout_of(avatar, top, height, margin=1, guard=1)
    encoder = settings("veryfast", NO_B)
    still = still_rows(encoder, avatar, layout)
    segment = encode(encoder, still, avatar, noise(layout, top, height), 10)
    found = compare(decode(still.headers + segment.data), [segment], layout)
    assert segment.unproven == []
    assert found.band == [9]


def test_another_first_picture_than_the_decoded_is_not_proven() -> None:
    top, height = 100, 24
    avatar = picture(96, 224)
    layout = layout_of(avatar, top, height)
    encoder = settings("veryfast", f"{WITH_B}:mbtree=1:rc-lookahead=4:ipratio=1.1:qcomp=0.5")
    still = still_rows(encoder, avatar, layout)
    segment = encode(encoder, still, avatar, noise(layout, top, height), 6)
    assert 0 in segment.unproven, "the encoder looked at later frames"


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        (f"{BASE}:mvrange=64", r"vectors of 2\*\*8 quarter pixels; guard rows hold 2\*\*7"),
        (f"{BASE}:nal-hrd=vbr:vbv-maxrate=900:vbv-bufsize=900", "a hypothetical reference"),
    ],
)
def test_vectors_that_no_guard_row_holds_are_refused(params: str, reason: str) -> None:
    avatar = picture(96, 224)
    encoder = settings("veryfast", params.removeprefix(BASE))
    with pytest.raises(UnsupportedStreamError, match=reason):
        still_rows(encoder, avatar, layout_of(avatar, 100, 24))
