"""The kind of a setting's value: parsing, formatting, bounds.

A kind is the one place that knows a setting's type and limits: flags, environment, file and the
Python API all go through it.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from fractions import Fraction
from typing import Any, TypeVar

_T = TypeVar("_T", int, float, Fraction)


_MAX_SHOWN = 60
_INVALID = (TypeError, ValueError, ZeroDivisionError, OverflowError)


class Kind(ABC):
    """What a value may be.

    Attributes:
        wanted: the values that are accepted, in words.
        choices: the accepted words, where they are few.
        textual: a file writes it as a string, in the form that flags use.
        keeps_spaces: those at the ends of a flag's, variable's or file's text are a part of it.
        secret: it comes from the environment or from Python, and is never shown.
    """

    wanted: str
    choices: tuple[str, ...] = ()
    textual = True
    keeps_spaces = False
    secret = False

    def parse(self, text: str) -> Any:
        """The value that a flag's, a variable's or a file's text means.

        Raises:
            ValueError: it means none; the message holds the limit and the text.
        """
        try:
            meant = text if self.keeps_spaces else text.strip()
            return self._checked(self._from_text(meant))
        except _INVALID:
            raise self._refusal(text) from None

    def check(self, value: object) -> Any:
        """The value in its own type.

        Raises:
            ValueError: of another type or beyond the bounds.
        """
        try:
            return self._checked(value)
        except _INVALID:
            raise self._refusal(value) from None

    def read(self, value: object) -> Any:
        """The value that a document gives: a text, as flags have it, where TOML has no type.

        Raises:
            ValueError: as `parse` and `check`.
        """
        return self.parse(value) if self.textual and isinstance(value, str) else self.check(value)

    def write(self, value: Any) -> str:
        """The text that `parse` reads."""
        return str(value)

    def toml(self, value: Any) -> str:
        """The value as a TOML file has it; `read` of what that means gives it back."""
        text = self.write(value)
        return toml_string(text) if self.textual else text

    @abstractmethod
    def _from_text(self, text: str) -> object:
        """The value a text means; ValueError if none."""

    @abstractmethod
    def _checked(self, value: object) -> object:
        """The value within its bounds; TypeError or ValueError if it is not."""

    def _refusal(self, value: object) -> ValueError:
        return ValueError(f"must be {self.wanted}, not {shown(value)}")


def toml_string(text: str) -> str:
    """A text without surrogates and DEL, which no setting takes, as a TOML string."""
    # As JSON has it: but no escapes of pairs of surrogates, which TOML forbids.
    return json.dumps(text, ensure_ascii=False)


def shown(value: object) -> str:
    """A value from outside as a message shows it."""
    try:
        text = repr(value)
    except ValueError:
        # A hexadecimal integer of TOML may be longer than what Python writes in decimals.
        return "an integer of that many digits"
    except RecursionError:
        return "lists nested that deeply"
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"


def between(value: _T, low: float | Fraction, high: float | Fraction) -> _T:
    """The value; ValueError beyond its bounds."""
    if not low <= value <= high:
        raise ValueError
    return value


def integers(value: object, count: int) -> tuple[int, ...]:
    """So many integers of a list; TypeError if it is none of them, or of other things."""
    if not isinstance(value, tuple | list) or len(value) != count:
        raise TypeError
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in value):
        raise TypeError
    return tuple(value)
