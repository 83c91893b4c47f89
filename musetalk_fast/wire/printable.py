"""Text from a peer, made safe to print."""

from __future__ import annotations

_MAX_LENGTH = 500


def printable(text: str, longest: int = _MAX_LENGTH) -> str:
    """The text without control characters (a terminal would obey them), cut to `longest`."""
    clean = "".join(
        character if character.isprintable() else " " for character in text[: longest + 1]
    )
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
