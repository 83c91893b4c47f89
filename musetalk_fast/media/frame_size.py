"""Fits pictures of any size into one frame size: scaled, with bars, or cropped.

Arithmetic alone, for stills and videos alike. A size is (width, height) in pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from musetalk_fast.errors import UsageError
from musetalk_fast.media.picture.picture_file import MAX_SIDE, MIN_SIDE
from musetalk_fast.media.picture.proportions import NOTICEABLE
from musetalk_fast.types import AUTO_SIDE, SOURCE_SIZE, Box, Fit

Size: TypeAlias = tuple[int, int]
"""(width, height)."""

Largest: TypeAlias = Callable[[int, int, Fraction | None], Size]
"""The largest size of the same proportions, at the rate of an avatar that moves, that is played."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """Which size the video shall have.

    Attributes:
        size: even sides; one may be `AUTO_SIDE`. None: the avatar's own.
        fit: what a picture of other proportions does.
        max_side: the most pixels of a side: what is larger is scaled down.
        largest: bounds the avatar's own size.
    """

    size: Size | None = None
    fit: Fit = Fit.PAD
    max_side: int | None = None
    largest: Largest | None = None


class Geometry(NamedTuple):
    """Where a picture goes in frames of some size.

    Attributes:
        source: size of the picture, upright and in square pixels.
        size: of the frames: even.
        place: the whole picture, scaled, in pixels of the frame, from an even column and row on.
            Beside it are bars; what leaves the frame is cut off.
    """

    source: Size
    size: Size
    place: Box

    @property
    def is_scaled(self) -> bool:
        """Whether samples change."""
        return self.source != (self.place.width, self.place.height)

    @property
    def has_bars(self) -> bool:
        """Whether something of the frame is beside the picture."""
        return self.shown != Box(0, 0, *self.size)

    @property
    def shown(self) -> Box:
        """The part of the frame that the picture covers."""
        left, top = max(0, self.place.x), max(0, self.place.y)
        right = min(self.size[0], self.place.x + self.place.width)
        bottom = min(self.size[1], self.place.y + self.place.height)
        return Box(left, top, right - left, bottom - top)

    @property
    def window(self) -> tuple[float, float, float, float]:
        """The part of the picture that is shown: left, top, right, bottom in its own pixels."""
        place, shown = self.place, self.shown
        across, down = self.source[0] / place.width, self.source[1] / place.height
        left, top = (shown.x - place.x) * across, (shown.y - place.y) * down
        return left, top, left + shown.width * across, top + shown.height * down


class Placement(NamedTuple):
    """Where the points of a picture are in frames: scaled, then moved.

    Attributes:
        across, down: pixels of a frame to one of the picture.
        left, top: where the picture's upper left corner comes to lie, in pixels of the frame.
        source: size of the picture.
        size: of the frames.
    """

    across: float
    down: float
    left: float
    top: float
    source: Size
    size: Size

    @property
    def shrinks(self) -> bool:
        """Whether pixels are lost on the way."""
        return min(self.across, self.down) < 1


def output_size(source: Size, wanted: Resolution, rate: Fraction | None = None) -> Size:
    """The size of the frames: even, and within what is wanted.

    Args:
        source: of the avatar, upright and in square pixels.
        rate: of its frames; None if it does not move.

    Raises:
        errors.UsageError: a side would be outside 64..8192 pixels.
    """
    size = _bounded(_completed(wanted.size, source), wanted.max_side)
    if wanted.size is None and wanted.largest is not None:
        size = wanted.largest(*size, rate)
    width, height = _even_sides(size)
    if not MIN_SIDE <= min(width, height) <= max(width, height) <= MAX_SIDE:
        raise UsageError(
            f"a picture of {source[0]}x{source[1]} would become {width}x{height}, which cannot be "
            "encoded",
            hint=f"give a --resolution of sides from {MIN_SIDE} to {MAX_SIDE}, such as 1280x720",
        )
    return width, height


def fit_size(source: Size, size: Size, fit: Fit) -> Geometry:
    """Where a picture goes in frames of a size.

    A picture that is a column or a row larger keeps its pixels, and loses that line. Proportions
    that differ by no more than `NOTICEABLE` are the frame's: no bar is so thin. Of rows, a quarter
    of what is cropped is above: faces are in the upper half.

    Args:
        source: of the picture, upright and in square pixels.
        size: of the frames: even.
    """
    if all(0 <= own - side <= 1 for own, side in zip(source, size, strict=True)):
        return Geometry(source, size, Box(0, 0, *source))
    across, down = (Fraction(side, own) for own, side in zip(source, size, strict=True))
    if fit is Fit.STRETCH or max(across / down, down / across) <= NOTICEABLE:
        return Geometry(source, size, Box(0, 0, *size))
    scale = min(across, down) if fit is Fit.PAD else max(across, down)
    width, height = (own if scale == 1 else max(2, _even(own * scale)) for own in source)
    # A frame's chroma samples cover two columns and rows: the picture begins with one.
    x = (size[0] - width) // 4 * 2
    y = (size[1] - height) // (8 if fit is Fit.CROP else 4) * 2
    return Geometry(source, size, Box(x, y, width, height))


def geometry_of(source: Size, wanted: Resolution, rate: Fraction | None = None) -> Geometry:
    """`fit_size` of the `output_size`."""
    return fit_size(source, output_size(source, wanted, rate), wanted.fit)


def size_note(geometry: Geometry, wanted: Resolution, what: str = "picture") -> str | None:
    """What to say of a picture that is not shown as it is; None: nothing.

    A size, a crop or a stretch that was asked for is no news.

    Args:
        what: it is, in a word.
    """
    (width, height), size, place = geometry.source, geometry.size, geometry.place
    whole, became = f"the {what} of {width}x{height}", f"{size[0]}x{size[1]}"
    if geometry.has_bars:
        where = "left and right" if place.width < size[0] else "above and below"
        return f"{whole} gets bars {where}, to become {became}: --fit crop fills the frame"
    if not geometry.is_scaled and (place.x, place.y) == (0, 0) and size != (width, height):
        return f"{whole} loses its last column or row, to become {became}: a video has even sides"
    if wanted.size is None and size != _even_sides(_bounded(geometry.source, wanted.max_side)):
        return (
            f"{whole} is scaled down to {became}: phones and many televisions play no larger "
            f"video; --resolution {SOURCE_SIZE} keeps its size"
        )
    return None


def _completed(size: Size | None, source: Size) -> Size:
    """The size without `AUTO_SIDE`."""
    if size is None:
        return source
    width, height = size
    if width == AUTO_SIDE:
        width = _even(Fraction(height * source[0], source[1]))
    elif height == AUTO_SIDE:
        height = _even(Fraction(width * source[1], source[0]))
    return width, height


def _bounded(size: Size, max_side: int | None) -> Size:
    """The size, or a smaller one of the same proportions."""
    longest = max(size)
    if max_side is None or longest <= max_side:
        return size
    most = max_side - max_side % 2
    width, height = (_even(Fraction(side * most, longest)) for side in size)
    return width, height


def _even_sides(size: Size) -> Size:
    """Without a last column or row that is odd."""
    width, height = size
    return width - width % 2, height - height % 2


def _even(side: Fraction) -> int:
    """The nearest even number."""
    return round(side / 2) * 2
