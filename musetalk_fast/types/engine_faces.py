"""Faces as engines are asked for them and report them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from musetalk_fast.types.arrays import CROP_SIZE, Mask

__all__ = [
    "ALL_ROWS",
    "AvatarOptions",
    "Box",
    "EngineIdentity",
    "Face",
    "Rows",
]


class Box(NamedTuple):
    """A rectangle in pixels of the source frame; `x`, `y` may be negative."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Rows:
    """A window of a crop: its first row and how many follow."""

    first: int
    count: int


ALL_ROWS = Rows(0, CROP_SIZE)


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """Who makes the crops of a render: all of them come from one engine and model.

    Attributes:
        is_preview: its mouths are a preview, not MuseTalk.
    """

    name: str
    model: str
    is_preview: bool


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """What an engine found in one source frame.

    Attributes:
        source: index of the source frame.
        box: where the 256 x 256 crop goes; may reach beyond the frame.
        mask_box: where the mask is not zero, inside both `box` and the frame.
        mask: (mask_box.height, mask_box.width) weights of that rectangle.
        place: left, top, width and height of the box where they are no whole pixels, as in a frame
            that was scaled; `box` is then what covers it. None: `box` is exact.
    """

    source: int
    box: Box
    mask_box: Box
    mask: Mask
    place: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AvatarOptions:
    """How an engine shall look at an avatar; part of its cache key.

    Attributes:
        face: `largest`, `left`, `right`, or an index counted from the left.
        face_box: the face is here: skip detection of where, not of landmarks.
        face_center: take the face nearest to this point.
        bbox_shift: pixels added to the nose bridge before the box is computed.
        extra_margin: pixels added below the chin (MuseTalk 1.5: 10).
        smooth: even out what the box trembles through a video; off, as in MuseTalk.
    """

    face: str = "largest"
    face_box: Box | None = None
    face_center: tuple[int, int] | None = None
    bbox_shift: int = 0
    extra_margin: int = 10
    smooth: bool = False
