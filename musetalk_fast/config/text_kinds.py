"""Words and texts as values of settings."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from musetalk_fast.config.value_kind import Kind, toml_string

_SWITCHES = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}


_BREAKING = frozenset(("Cc", "Cs", "Zl", "Zp"))
"""Categories of Unicode: control characters, surrogates, separators of lines and paragraphs."""


def _is_one_line(text: str) -> bool:
    """Whether a text has a form in UTF-8, and neither line breaks nor control characters."""
    return _BREAKING.isdisjoint(map(unicodedata.category, text))


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
        if not (0 < len(value) <= self._longest and self._is_valid(value)):
            raise ValueError
        return value

    def _is_valid(self, text: str) -> bool:
        return text.isprintable()


class FileName(Text):
    """The name of a file, or a text that may be one, with all spaces that there are.

    Names have spaces of many kinds: U+202F in those that macOS gives screenshots, U+3000.
    """

    keeps_spaces = True

    def __init__(self, what: str, longest: int) -> None:
        super().__init__(what, longest)
        self.wanted += " of UTF-8, none a line break or control character"

    def _is_valid(self, text: str) -> bool:
        return _is_one_line(text)


class Texts(Kind):
    """One or several texts of the kind `one`, in a list or with commas between; no text twice."""

    def __init__(self, one: Text, most: int) -> None:
        self._one, self._most = one, most
        self.wanted = f"{one.wanted}; or a list of at most {most} of them"

    def write(self, value: Sequence[str]) -> str:
        """The texts with commas between, as flags have them."""
        return ",".join(value)

    def toml(self, value: Sequence[str]) -> str:
        """An array: a text may have commas of its own."""
        return f"[{', '.join(map(toml_string, value))}]"

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
