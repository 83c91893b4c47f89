"""Files that settings name, by paths that mean the same in every folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from musetalk_fast.config.home_paths import expanded
from musetalk_fast.config.settings import BACKGROUND, FILE
from musetalk_fast.config.value_kind import Kind
from musetalk_fast.errors import InvalidSettingError
from musetalk_fast.media.background import background_file


def names_file(kind: Kind) -> bool:
    """Whether settings of this kind name files."""
    return kind in (FILE, BACKGROUND)


def placed(kind: Kind, value: Any, folder: Path) -> Any:
    """A setting's value, if it names a file by its absolute path; `~` is expanded.

    Args:
        folder: in which a relative path begins.

    Raises:
        errors.InvalidSettingError: the path begins with the home of a user who has none, or its
            absolute form is nothing that the setting takes.
        errors.UsageError: a background that means nothing.
    """
    if value is None or not names_file(kind):
        return value
    path = folder / expanded(value) if kind is FILE else background_file(value, folder)
    return value if path is None else _accepted(kind, path.absolute())


def _accepted(kind: Kind, path: Path) -> Any:
    """With its folder a name may be too long."""
    try:
        return kind.check(str(path))
    except ValueError as error:
        raise InvalidSettingError(str(error), where=str(path)) from None
