"""Exif data of a picture (Exif 2.32)."""

from __future__ import annotations

import struct
from typing import Any

from musetalk_fast.media.picture.picture_file import quiet

_DAMAGE = (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error)
TURNED_BY_A_QUARTER = frozenset((5, 6, 7, 8))
"""Orientations that exchange width and height."""
_INDEX = 1
"""InteroperabilityIndex."""


def orientation(exif: bytes) -> int:
    """Orientation, 1 to 8; 1 (as stored) if the block has none or is damaged."""
    from PIL import ExifTags

    found = _tag(exif, None, ExifTags.Base.Orientation)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def is_adobe_rgb(exif: bytes) -> bool:
    """Whether a camera was set to Adobe RGB, which it says by the rule R03 (DCF 2.0) only."""
    from PIL import ExifTags

    return bool(_tag(exif, ExifTags.IFD.Interop, _INDEX) == "R03")


def _tag(exif: bytes, inner: int | None, tag: int) -> Any:
    """A tag of a block, or of one inside it; None if it is not there or damaged."""
    from PIL import Image

    block = Image.Exif()
    try:
        with quiet():
            block.load(exif)
            return (block if inner is None else block.get_ifd(inner)).get(tag)
    except _DAMAGE:
        return None
