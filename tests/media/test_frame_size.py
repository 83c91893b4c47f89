"""Where a picture of any size goes in frames of any size."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from musetalk_fast.errors import UsageError
from musetalk_fast.media.frame_size import (
    Resolution,
    fit_size,
    geometry_of,
    output_size,
    size_note,
)
from musetalk_fast.types import AUTO_SIDE, Box, Fit

sides = st.integers(64, 8192)
sizes = st.tuples(sides, sides)
even = st.integers(32, 4096).map(lambda half: 2 * half)
fits = st.sampled_from(Fit)

PHOTO = (4000, 3000)


@settings(max_examples=80)
@given(sizes, st.tuples(even, even), fits)
@example((8192, 64), (64, 8192), Fit.CROP)
@example((8192, 64), (64, 8192), Fit.PAD)
@example((301, 200), (400, 200), Fit.PAD)
def test_a_picture_in_a_frame(source: tuple[int, int], size: tuple[int, int], fit: Fit) -> None:
    found = fit_size(source, size, fit)
    place, shown = found.place, found.shown
    assert (found.source, found.size) == (source, size)
    assert place.x % 2 == place.y % 2 == 0
    assert shown.width > 0 < shown.height
    # All of the frame, or all of the picture.
    bars = (size[0] - shown.width, size[1] - shown.height)
    cut = (place.width - shown.width, place.height - shown.height)
    assert found.has_bars == any(bars)
    assert not any(bars) or (fit is Fit.PAD and not any(cut) and 0 in bars)
    assert max(cut) <= 1 or (fit is Fit.CROP and 0 in cut)
    # In the middle, and with its proportions but for a rounding, or for what nobody sees.
    for start, spare in ((place.x, bars[0]), (place.y, bars[1])):
        assert start <= 0 or abs(2 * start - spare) <= 3
    stretch = Fraction(place.width * source[1], place.height * source[0])
    scales = [Fraction(side, own) for side, own in zip(size, source, strict=True)]
    scale = max(scales) if fit is Fit.CROP else min(scales)
    exact = (abs(side - own * scale) for side, own in zip(place[2:], source, strict=True))
    is_rounded = max(exact) <= 1 or min(place.width, place.height) == 2
    assert fit is Fit.STRETCH or is_rounded or max(stretch, 1 / stretch) <= Fraction(51, 50)
    # The window that is shown lies in the picture.
    left, top, right, bottom = found.window
    assert 0 <= left < right <= source[0] * (1 + 1e-9)
    assert 0 <= top < bottom <= source[1] * (1 + 1e-9)


@settings(max_examples=40)
@given(sizes, st.none() | sizes, st.none() | sides, fits)
def test_the_size_that_was_found_makes_the_same_picture_again(
    source: tuple[int, int], asked: tuple[int, int] | None, most: int | None, fit: Fit
) -> None:
    """As where a plan is followed, which knows no more than size and fit."""
    size = None if asked is None else (asked[0] // 2 * 2, asked[1] // 2 * 2)
    try:
        found = geometry_of(source, Resolution(size, fit, most))
    except UsageError:
        return
    assert found.size[0] % 2 == found.size[1] % 2 == 0
    assert most is None or max(found.size) <= most
    assert geometry_of(source, Resolution(found.size, fit)) == found


@pytest.mark.parametrize(
    ("source", "size", "most", "expected"),
    [
        (PHOTO, None, None, (4000, 3000)),
        ((4001, 3001), None, None, (4000, 3000)),
        (PHOTO, (1920, AUTO_SIDE), None, (1920, 1440)),
        (PHOTO, (AUTO_SIDE, 1080), None, (1440, 1080)),
        ((1000, 667), (500, AUTO_SIDE), None, (500, 334)),
        (PHOTO, None, 1920, (1920, 1440)),
        (PHOTO, None, 1921, (1920, 1440)),
        (PHOTO, (3000, AUTO_SIDE), 1920, (1920, 1440)),
        (PHOTO, (3840, 2160), 1920, (1920, 1080)),
        (PHOTO, (640, 480), 1920, (640, 480)),
    ],
)
def test_sizes(
    source: tuple[int, int], size: tuple[int, int] | None, most: int | None, expected: object
) -> None:
    assert output_size(source, Resolution(size, max_side=most)) == expected


@pytest.mark.parametrize("wanted", [Resolution((8192, AUTO_SIDE)), Resolution(max_side=64)])
def test_a_side_that_no_encoder_takes(wanted: Resolution) -> None:
    with pytest.raises(UsageError, match=r"of 8192x64 would become|of 64x8192 would become"):
        output_size((8192, 64) if wanted.size is None else (64, 8192), wanted)


def test_only_the_avatars_own_size_is_bounded_by_what_is_played() -> None:
    rates = []

    def half(width: int, height: int, rate: Fraction | None) -> tuple[int, int]:
        rates.append(rate)
        return width // 2, height // 2

    wanted = Resolution(max_side=2000, largest=half)
    assert output_size(PHOTO, wanted, Fraction(50)) == (1000, 750)
    assert rates == [50]
    assert output_size(PHOTO, Resolution((2000, AUTO_SIDE), largest=half)) == (2000, 1500)
    note = size_note(geometry_of(PHOTO, wanted), wanted)
    assert note is not None
    assert "4000x3000 is scaled down to 1000x750" in note
    assert "--resolution source keeps" in note


@pytest.mark.parametrize(
    ("source", "size", "fit", "place", "note"),
    [
        ((300, 200), (300, 200), Fit.PAD, Box(0, 0, 300, 200), None),
        ((300, 200), (600, 400), Fit.PAD, Box(0, 0, 600, 400), None),
        ((300, 200), (302, 200), Fit.PAD, Box(0, 0, 302, 200), None),  # a bar of a pixel
        ((301, 201), (300, 200), Fit.STRETCH, Box(0, 0, 301, 201), "loses its last column or row"),
        ((300, 200), (400, 200), Fit.PAD, Box(50, 0, 300, 200), "gets bars left and right, to"),
        ((300, 200), (402, 200), Fit.PAD, Box(50, 0, 300, 200), "gets bars left and right, to"),
        ((300, 200), (300, 400), Fit.PAD, Box(0, 100, 300, 200), "gets bars above and below, to"),
        ((300, 200), (200, 200), Fit.CROP, Box(-50, 0, 300, 200), None),
        ((300, 200), (300, 100), Fit.CROP, Box(0, -26, 300, 200), None),
        ((300, 200), (150, 200), Fit.STRETCH, Box(0, 0, 150, 200), None),
    ],
)
def test_places_and_what_is_said_of_them(
    source: tuple[int, int], size: tuple[int, int], fit: Fit, place: Box, note: str | None
) -> None:
    wanted = Resolution(size, fit)
    found = geometry_of(source, wanted)
    assert found.place == place
    said = size_note(found, wanted)
    assert said is None if note is None else note in str(said)
