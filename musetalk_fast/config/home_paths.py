"""Expands `~` and `~NAME` in paths."""

from __future__ import annotations

from pathlib import Path

from musetalk_fast.errors import InvalidSettingError


def expanded(text: str) -> Path:
    """The path that a setting names.

    Raises:
        errors.InvalidSettingError: it begins with the home of a user who has none.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise InvalidSettingError(
            "there is no such home folder", where=text, hint="write the path without ~"
        ) from None
