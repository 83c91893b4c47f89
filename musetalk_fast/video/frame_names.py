"""How the files of a sequence are named: a pattern with a number, such as `%06d.png`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PATTERN = re.compile(r"(?P<before>[^%/]*)%(?:0(?P<width>\d{1,2}))?d(?P<after>[^%/]*)")
_MAX_WIDTH = 20


@dataclass(frozen=True, slots=True)
class FrameNames:
    """The names of the files of a sequence.

    Attributes:
        pattern: with one number in it: `%06d`, filled with zeros, or `%d`.
    """

    pattern: str
    before: str
    after: str
    width: int

    @classmethod
    def parse(cls, pattern: str) -> FrameNames | None:
        """The names that a pattern stands for; None if it is no pattern."""
        found = _PATTERN.fullmatch(pattern)
        width = int(found["width"] or 1) if found else _MAX_WIDTH + 1
        if found is None or not 1 <= width <= _MAX_WIDTH or not pattern.isprintable():
            return None
        return cls(pattern, found["before"], found["after"], width)

    def name(self, frame: int) -> str:
        """The name of a frame's file."""
        return f"{self.before}{frame:0{self.width}d}{self.after}"

    def frame(self, name: str) -> int | None:
        """The frame whose file has a name; None if no frame's has."""
        inner = name[len(self.before) : len(name) - len(self.after)]
        if not re.fullmatch("[0-9]{1,20}", inner):
            return None
        return int(inner) if self.name(int(inner)) == name else None
