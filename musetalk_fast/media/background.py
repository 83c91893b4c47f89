"""Parses and loads `--background`: a colour, a picture, or transparent."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from musetalk_fast.config.home_paths import expanded
from musetalk_fast.errors import InputError, UsageError
from musetalk_fast.media.image import Background, Still, load_still
from musetalk_fast.media.picture.colours import parse_colour
from musetalk_fast.media.picture.transparency import BLUR, TRANSPARENT, WHITE

DEFAULT_BACKGROUND = WHITE

_SUFFIX = re.compile(r"\.\w{1,5}$", re.ASCII)


def background_file(text: str | None, folder: Path = Path()) -> Path | None:
    """The file of a background that is a picture; None of a colour, `BLUR` or `TRANSPARENT`.

    A colour comes before a file of its name.

    Args:
        folder: in which a relative path begins.

    Raises:
        errors.InvalidSettingError: as `config.home_paths.expanded`.
        errors.UsageError: it is neither, and does not look like a file either.
    """
    if text is None or text in (BLUR, TRANSPARENT):
        return None
    try:
        parse_colour(text)
    except UsageError as error:
        if os.sep in text or _SUFFIX.search(text) or os.path.lexists(folder / text):
            return folder / expanded(text)
        error.hint = (
            "use #RRGGBB, a CSS name such as white, the file of a picture, blur or transparent"
        )
        raise
    return None


def load_background(text: str) -> Background:
    """The background that a text means, a picture loaded.

    Raises:
        errors.UsageError: as `background_file`.
        errors.InputError: as `load_background_file`.
    """
    path = background_file(text)
    return text if path is None else load_background_file(path)


def load_background_file(path: Path) -> Still:
    """A still picture as background; its own transparent parts become white.

    Raises:
        errors.InputError: as `image.load_still`.
    """
    try:
        still = load_still(path, background=DEFAULT_BACKGROUND, resolution=None)
    except InputError as error:
        error.where = f"--background {path}"
        raise
    return replace(still, notes=tuple(f"{path.name}: {note}" for note in still.notes))
