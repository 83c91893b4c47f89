"""The excerpt of a recording that is used: start and duration."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of one of a file's sound tracks; without arguments all of the first one.

    Attributes:
        track: its number from 1, or a language; None: the first that can be decoded.
        start: seconds of it that are left out.
        secs: length of what follows; None: to its end.
    """

    track: str | None = None
    start: Fraction = Fraction(0)
    secs: Fraction | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the track is left out."""
        return not self.start and self.secs is None


WHOLE = Excerpt()
"""All of the first track that can be decoded."""
