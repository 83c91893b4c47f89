"""API keys: their syntax, and reading one from a file."""

from __future__ import annotations

from pathlib import Path

from musetalk_fast.config.value_kind import Kind
from musetalk_fast.errors import InvalidSettingError

_MAX_LENGTH = 1024
_MAX_FILE = 4096


class Key(Kind):
    """A secret of visible ASCII characters; neither `write` nor a refusal shows it."""

    secret = True
    wanted = f"1 to {_MAX_LENGTH} visible ASCII characters without spaces"

    def write(self, value: str) -> str:  # noqa: ARG002 - never shown
        """Stars."""
        return "***"

    def _from_text(self, text: str) -> str:
        return text

    def _checked(self, value: object) -> str:
        if not isinstance(value, str):
            raise TypeError
        if not 0 < len(value) <= _MAX_LENGTH or not all("!" <= letter <= "~" for letter in value):
            raise ValueError
        return value

    def _refusal(self, value: object) -> ValueError:  # noqa: ARG002 - never shown
        return ValueError(f"must be {self.wanted}")


KEY = Key()


def read_key_file(path: Path) -> str:
    """The key that a file holds; white space around it is no part of it.

    Raises:
        errors.InvalidSettingError: no such file, unreadable, too long, empty, or not a key.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
    except OSError as error:
        raise InvalidSettingError(
            f"the key file cannot be read: {error.strerror}", where=str(path)
        ) from error
    if len(data) > _MAX_FILE:
        raise InvalidSettingError(f"the key file is longer than {_MAX_FILE} bytes", where=str(path))
    try:
        return KEY.parse(data.decode("ascii", "replace"))  # type: ignore[no-any-return]
    except ValueError as error:
        raise InvalidSettingError(f"the key {error}", where=str(path)) from None
