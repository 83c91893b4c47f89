"""Numbers, rates and times as values of settings."""

from __future__ import annotations

import re
from fractions import Fraction
from types import MappingProxyType

from musetalk_fast.config.value_kind import Kind, between

_MAX_TERM = (1 << 31) - 1
"""Of a rate: FFmpeg keeps its terms in 32 bits."""


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
        return between(value, self._low, self._high)


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
        return between(float(value), self.low, self.high)

    def write(self, value: float) -> str:
        """The text that `parse` reads, exact, without the zero of a whole number."""
        return repr(value).removesuffix(".0")


class Rate(Kind):
    """Frames a second as an exact fraction; 29.97 and its kin mean the rates of NTSC."""

    _FORM = re.compile(r"\d{1,6}(\.\d{1,6})?|\d{1,10}/\d{1,10}")
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
        rate = between(Fraction(value), self._low, self._high)
        if max(rate.numerator, rate.denominator) > _MAX_TERM:
            raise ValueError
        return rate


class Seconds(Kind):
    """A time as an exact fraction of seconds: `90`, `1.5`, `1:30`, `1:02:03.5`, `1/3`."""

    _FORM = re.compile(r"(?:(?:(\d{1,3}):)?(\d{1,4}):)?(\d{1,9}(?:\.\d{1,9})?)")
    _RATIO = re.compile(r"\d{1,15}/\d{1,10}")
    _UNIT = 10**9
    """Of what `_FORM` reads, in a second."""

    def __init__(self, low: Fraction | int, high: int) -> None:
        self._low, self._high = Fraction(low), Fraction(high)
        least = f"{float(self._low):g}"
        self.wanted = f"{least} to {high} seconds (90, 1:30 or 0:01:30.5)"

    def _from_text(self, text: str) -> Fraction:
        if self._RATIO.fullmatch(text):
            return Fraction(text)
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
        secs = between(Fraction(value), self._low, self._high)
        if secs.denominator > _MAX_TERM:
            raise ValueError
        return secs

    def write(self, value: Fraction) -> str:
        """Decimal seconds, or the fraction if so many digits do not say it exactly."""
        units, rest = divmod(value * self._UNIT, 1)
        if rest:
            return str(value)
        secs, decimals = divmod(units, self._UNIT)
        return f"{secs}.{decimals:09}".rstrip("0").rstrip(".")


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
        return between(value, self._low, self._high)

    def write(self, value: int) -> str:
        """The text that `parse` reads."""
        for unit in ("M", "k"):
            if value % self._UNITS[unit] == 0:
                return f"{value // self._UNITS[unit]}{unit}"
        return str(value)
