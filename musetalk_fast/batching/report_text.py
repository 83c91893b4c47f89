"""Formats figures, names and other texts for the report's page."""

from __future__ import annotations

from fractions import Fraction
from html import escape

from musetalk_fast.wire.printable import printable

_LONGEST = 2000


def text_html(text: str | None) -> str:
    """Whatever it holds, it is shown and not obeyed."""
    return escape(printable(text or "", _LONGEST))


def name_html(text: str) -> str:
    """Right to left, if it is: without changing the order of what is beside it."""
    return f"<bdi>{text_html(text)}</bdi>"


def rate_text(text: str) -> str:
    """A fraction of frames a second as `29.97`."""
    try:
        return f"{float(Fraction(text)):.3f}".rstrip("0").rstrip(".")
    except (ValueError, ZeroDivisionError):
        return text


def secs_text(secs: float) -> str:
    """`7.1 s`, `12:05 min`, `1:02:05 h`."""
    if secs < 59.95:
        return f"{secs:.1f} s"
    minutes, seconds = divmod(round(secs), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02} h" if hours else f"{minutes}:{seconds:02} min"


def size_text(count: int) -> str:
    """Bytes as `1.2 MB`."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"
