"""Makes text from a peer and file names safe to print."""

from __future__ import annotations

import re
from typing import Any

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


def escape_all_surrogates(value: Any) -> Any:
    """A JSON document whose texts are Unicode: many parsers refuse what is not."""
    if isinstance(value, dict):
        return {name: escape_all_surrogates(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [escape_all_surrogates(each) for each in value]
    return escape_surrogates(value) if isinstance(value, str) else value
