"""Text from a peer and names of files, made safe to print."""

from __future__ import annotations

import re

_MAX_LENGTH = 500
_SURROGATE = re.compile("[\ud800-\udfff]")


def printable(text: str, longest: int = _MAX_LENGTH) -> str:
    """The text without control characters (a terminal would obey them), cut to `longest`."""
    clean = "".join(
        character if character.isprintable() else " "
        for character in escape_surrogates(text[: longest + 1])
    )
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def escape_surrogates(text: str) -> str:
    r"""The text as Unicode: a byte of a file name that is not UTF-8 becomes `\xe9` in letters."""
    return _SURROGATE.sub(lambda found: rf"\x{ord(found[0]) & 0xFF:02x}", text)
