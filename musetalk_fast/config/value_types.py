"""The kinds of values that settings have: how each is written as text, and its bounds.

A kind is the one place that knows a setting's type and limits: flags, environment, file and the
Python API all go through it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any, TypeVar

from musetalk_fast.types import AUTO_SIDE, SOURCE_SIZE, Box

_T = TypeVar("_T", int, float, Fraction)

_MAX_SHOWN = 60
_MAX_TERM = (1 << 31) - 1
"""Of a rate: FFmpeg keeps its terms in 32 bits."""

_SWITCHES = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


class Kind(ABC):
    """What a value may be.

    Attributes:
        wanted: the values that are accepted, in words.
        choices: the accepted words, where they are few.
        textual: a file writes it as a string, in the form that flags use.
        secret: it comes from the environment or from Python, and is never shown.
    """

    wanted: str
    choices: tuple[str, ...] = ()
    textual = True
    secret = False

    def parse(self, text: str) -> Any:
        """The value that a flag's, a variable's or a file's text means.

        Raises:
            ValueError: it means none; the message holds the limit and the text.
        """
        try:
            return self._checked(self._from_text(text.strip()))
        except (TypeError, ValueError, ZeroDivisionError):
            raise self._refusal(text) from None

    def check(self, value: object) -> Any:
        """The value in its own type.

        Raises:
            ValueError: of another type or beyond the bounds.
        """
        try:
            return self._checked(value)
        except (TypeError, ValueError, ZeroDivisionError):
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

    @abstractmethod
    def _from_text(self, text: str) -> object:
        """The value a text means; ValueError if none."""

    @abstractmethod
    def _checked(self, value: object) -> object:
        """The value within its bounds; TypeError or ValueError if it is not."""

    def _refusal(self, value: object) -> ValueError:
        shown = repr(value)
        if len(shown) > _MAX_SHOWN:
            shown = shown[:_MAX_SHOWN] + "…"
        return ValueError(f"must be {self.wanted}, not {shown}")


class Integer(Kind):
    """An integer from `low` to `high`."""

    textual = False

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high
        self.wanted = f"an integer from {low} to {high}"

    def _from_text(self, text: str) -> int:
        return int(text)

    def _checked(self, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError
        return _between(value, self._low, self._high)


class Number(Kind):
    """A float from `low` to `high`, which are its bounds."""

    textual = False

    def __init__(self, low: float, high: float, unit: str) -> None:
        self.low, self.high = low, high
        self.wanted = f"{low:g} to {high:g} {unit}".rstrip()

    def _from_text(self, text: str) -> float:
        return float(text)

    def _checked(self, value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise TypeError
        return _between(float(value), self.low, self.high)

    def write(self, value: float) -> str:
        """The text that `parse` reads, without trailing zeros."""
        return f"{value:g}"


class Rate(Kind):
    """Frames a second as an exact fraction; 29.97 and its kin mean the rates of NTSC."""

    _FORM = re.compile(r"\d{1,6}(\.\d{1,6})?|\d{1,9}/\d{1,9}")
    _NTSC = (24, 30, 48, 60, 120)

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high
        self.wanted = f"{low} to {high} frames a second (25, 29.97 or 30000/1001)"

    def _from_text(self, text: str) -> Fraction:
        if not self._FORM.fullmatch(text):
            raise ValueError
        rate = Fraction(text)
        if "." in text:
            for nominal in self._NTSC:
                exact = Fraction(nominal * 1000, 1001)
                # 23.98 is 0.004 away from 24000/1001, and every whole rate at least 0.02.
                if abs(rate - exact) < Fraction(5, 1000):
                    return exact
        return rate

    def _checked(self, value: object) -> Fraction:
        if isinstance(value, float):
            value = self._from_text(repr(value))
        if not isinstance(value, int | Fraction) or isinstance(value, bool):
            raise TypeError
        rate = _between(Fraction(value), self._low, self._high)
        if max(rate.numerator, rate.denominator) > _MAX_TERM:
            raise ValueError
        return rate


class Seconds(Kind):
    """A time as an exact fraction of seconds: `90`, `1.5`, `1:30`, `1:02:03.5`."""

    _FORM = re.compile(r"(?:(?:(\d{1,3}):)?(\d{1,4}):)?(\d{1,9}(?:\.\d{1,9})?)")

    def __init__(self, low: Fraction | int, high: int) -> None:
        self._low, self._high = Fraction(low), Fraction(high)
        least = f"{float(self._low):g}"
        self.wanted = f"{least} to {high} seconds (90, 1:30 or 0:01:30.5)"

    def _from_text(self, text: str) -> Fraction:
        match = self._FORM.fullmatch(text)
        if match is None:
            raise ValueError
        hours, minutes, secs = (Fraction(each or 0) for each in match.groups())
        if (match[2] and secs >= 60) or (match[1] and minutes >= 60):
            raise ValueError
        return hours * 3600 + minutes * 60 + secs

    def _checked(self, value: object) -> Fraction:
        if isinstance(value, float):
            value = Fraction(repr(value))
        if not isinstance(value, int | Fraction) or isinstance(value, bool):
            raise TypeError
        secs = _between(Fraction(value), self._low, self._high)
        if secs.denominator > _MAX_TERM:
            raise ValueError
        return secs

    def write(self, value: Fraction) -> str:
        """Decimal seconds."""
        return str(value.numerator) if value.denominator == 1 else f"{float(value):.9g}"


class Track(Kind):
    """A sound track: its number from 1, or a language."""

    _FORM = re.compile(r"[1-9]\d{0,2}|[a-zA-Z]{2,3}(-[0-9a-zA-Z]{1,8})*")
    wanted = "a track's number from 1, or a language (en, eng)"

    def _from_text(self, text: str) -> str:
        return text

    def _checked(self, value: object) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise TypeError
        if not self._FORM.fullmatch(value):
            raise ValueError
        return value


class Size(Kind):
    """(width, height), even, each from `low` to `high` pixels; one may be `AUTO_SIDE`.

    Or `SOURCE_SIZE`.
    """

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high
        self.wanted = (
            f"WIDTHxHEIGHT, both even and from {low} to {high}, {AUTO_SIDE} for one that follows "
            f"from the other; or {SOURCE_SIZE}"
        )

    def _from_text(self, text: str) -> str | tuple[int, ...]:
        text = text.lower()
        return text if text == SOURCE_SIZE else tuple(int(side) for side in text.split("x"))

    def _checked(self, value: object) -> tuple[int, int] | str:
        if value == SOURCE_SIZE:
            return SOURCE_SIZE
        width, height = _integers(value, 2)
        given = [side for side in (width, height) if side != AUTO_SIDE]
        if not given or any(_between(side, self._low, self._high) % 2 for side in given):
            raise ValueError
        return width, height

    def write(self, value: tuple[int, int] | str) -> str:
        """`1280x720`, `1280x-2`, `source`."""
        return value if isinstance(value, str) else "x".join(map(str, value))


class Numbers(Kind):
    """Integers between commas, as many as `names` has letters.

    Args:
        names: how messages call them: `X,Y`.
        make: what they become.
        positive: indices that must be above zero.
    """

    _FAR = 100_000

    def __init__(self, names: str, make: Callable[..., Any], positive: Sequence[int] = ()) -> None:
        self._count = names.count(",") + 1
        self._make = make
        self._positive = positive
        above = " and ".join(names.split(",")[index] for index in positive)
        self.wanted = f"{names} in pixels" + (f", {above} above 0" if above else "")

    def _from_text(self, text: str) -> tuple[int, ...]:
        return tuple(int(number) for number in text.split(","))

    def _checked(self, value: object) -> object:
        numbers = _integers(value, self._count)
        for index, number in enumerate(numbers):
            _between(number, 1 if index in self._positive else -self._FAR, self._FAR)
        return self._make(*numbers)

    def write(self, value: tuple[int, ...]) -> str:
        """`10,20`."""
        return ",".join(map(str, value))


class Switch(Kind):
    """True or false."""

    textual = False
    wanted = "true or false"

    def _from_text(self, text: str) -> bool:
        if text.lower() not in _SWITCHES:
            raise ValueError
        return _SWITCHES[text.lower()]

    def _checked(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise TypeError
        return value

    def write(self, value: bool) -> str:
        """`true` or `false`."""
        return str(value).lower()


class Word(Kind):
    """One of a few words.

    Args:
        choices: the words.
        make: what a word becomes; an enumeration for example.
        counted: an integer from 0 is accepted too, and kept as text.
    """

    def __init__(
        self, *choices: str, make: Callable[[str], Any] = str, counted: bool = False
    ) -> None:
        self.choices = tuple(map(str, choices))
        self._make = make
        self._counted = counted
        self.wanted = "one of " + ", ".join(choices) + (", or a number from 0" if counted else "")

    def _from_text(self, text: str) -> str:
        return text

    def _checked(self, value: object) -> object:
        word = getattr(value, "value", value)
        if not isinstance(word, str):
            raise TypeError
        if word not in self.choices and not (self._counted and re.fullmatch(r"\d{1,4}", word)):
            raise ValueError
        return self._make(word)

    def write(self, value: Any) -> str:
        """The word."""
        return str(getattr(value, "value", value))


class Text(Kind):
    """One line of at most `longest` characters, not empty; `what` says what it is."""

    def __init__(self, what: str, longest: int) -> None:
        self._longest = longest
        self.wanted = f"{what}, of at most {longest} characters"

    def _from_text(self, text: str) -> str:
        return text

    def _checked(self, value: object) -> str:
        if not isinstance(value, str):
            raise TypeError
        if not (0 < len(value) <= self._longest and value.isprintable()):
            raise ValueError
        return value


class Pattern(Kind):
    """A text of one form; `what` says which."""

    def __init__(self, what: str, form: str) -> None:
        self._form = re.compile(form)
        self.wanted = what

    def _from_text(self, text: str) -> str:
        return text

    def _checked(self, value: object) -> str:
        if not isinstance(value, str):
            raise TypeError
        if not self._form.fullmatch(value):
            raise ValueError
        return value


class BitRate(Kind):
    """Bits a second from `low` to `high`, as an integer; in texts `k` and `M` stand for zeros."""

    _FORM = re.compile(r"(\d{1,10}(?:\.\d{1,3})?)([kM]?)", re.ASCII)
    _UNITS = MappingProxyType({"": 1, "k": 1000, "M": 1_000_000})

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high
        self.wanted = f"{self.write(low)} to {self.write(high)} bits a second (800k, 2.5M)"

    def _from_text(self, text: str) -> int:
        found = self._FORM.fullmatch(text)
        if found is None:
            raise ValueError
        return round(Fraction(found[1]) * self._UNITS[found[2]])

    def _checked(self, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError
        return _between(value, self._low, self._high)

    def write(self, value: int) -> str:
        """The text that `parse` reads."""
        for unit in ("M", "k"):
            if value % self._UNITS[unit] == 0:
                return f"{value // self._UNITS[unit]}{unit}"
        return str(value)


class Texts(Kind):
    """One or several texts of the kind `one`, in a list or with commas between; no text twice."""

    def __init__(self, one: Text, most: int) -> None:
        self._one, self._most = one, most
        self.wanted = f"{one.wanted}; or a list of at most {most} of them"

    def write(self, value: Sequence[str]) -> str:
        """The text that `parse` reads."""
        return ",".join(value)

    def _from_text(self, text: str) -> list[str]:
        return [each.strip() for each in text.split(",")]

    def _checked(self, value: object) -> tuple[str, ...]:
        if isinstance(value, str):
            value = self._from_text(value)
        if not isinstance(value, list | tuple):
            raise TypeError
        texts = tuple(dict.fromkeys(self._one.check(each) for each in value))
        if not 0 < len(texts) <= self._most:
            raise ValueError
        return texts


FACE_BOX = Numbers("X,Y,W,H", Box, positive=(2, 3))
POINT = Numbers("X,Y", lambda x, y: (x, y))


def _between(value: _T, low: float | Fraction, high: float | Fraction) -> _T:
    if not low <= value <= high:
        raise ValueError
    return value


def _integers(value: object, count: int) -> tuple[int, ...]:
    if not isinstance(value, tuple | list) or len(value) != count:
        raise TypeError
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in value):
        raise TypeError
    return tuple(value)
