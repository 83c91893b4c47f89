"""Colours as users write them."""

from __future__ import annotations

import re

from musetalk_fast.errors import UsageError

_NAMES = {
    "aqua": (0, 255, 255),
    "black": (0, 0, 0),
    "blue": (0, 0, 255),
    "cyan": (0, 255, 255),
    "fuchsia": (255, 0, 255),
    "gray": (128, 128, 128),
    "green": (0, 128, 0),
    "grey": (128, 128, 128),
    "lime": (0, 255, 0),
    "magenta": (255, 0, 255),
    "maroon": (128, 0, 0),
    "navy": (0, 0, 128),
    "olive": (128, 128, 0),
    "orange": (255, 165, 0),
    "purple": (128, 0, 128),
    "red": (255, 0, 0),
    "silver": (192, 192, 192),
    "teal": (0, 128, 128),
    "white": (255, 255, 255),
    "yellow": (255, 255, 0),
}
_HEX = re.compile(r"#[0-9a-f]{6}")


def parse_colour(text: str) -> tuple[int, int, int]:
    """A CSS name or `#RRGGBB`, in either case -> (red, green, blue), 0..255.

    Raises:
        errors.UsageError: neither.
    """
    word = text.strip().lower()
    if word in _NAMES:
        return _NAMES[word]
    if _HEX.fullmatch(word):
        return int(word[1:3], 16), int(word[3:5], 16), int(word[5:7], 16)
    raise UsageError(
        f"{text[:40]!r} is no colour", hint="use #RRGGBB or one of: " + ", ".join(sorted(_NAMES))
    )
