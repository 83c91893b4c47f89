"""Man pages of the commands, as their help has them (man(7))."""

from __future__ import annotations

import re
from collections.abc import Iterable

from build_steps.described_commands import PROGRAM, DescribedCommand
from musetalk_fast._version import __version__

SECTION = 1


def man_page(command: DescribedCommand, others: Iterable[DescribedCommand]) -> str:
    """The page of a command.

    Args:
        others: all commands, for the pages that stand beside it.
    """
    name = " ".join(command.path)
    lines = [
        f'.TH {_text(command.page.upper())} {SECTION} "" "{PROGRAM} {__version__}"',
        ".SH NAME",
        f"{_text(command.page)} \\- {_text(command.summary)}",
        ".SH SYNOPSIS",
        f"\\fB{_text(name)}\\fR {_text(command.arguments)}",
        ".SH DESCRIPTION",
        *_paragraphs(command.text),
    ]
    for heading, records in command.groups.items():
        lines += [f".SH {_text(heading.upper())}", *_records(records)]
    if command.commands:
        lines += [".SH COMMANDS", *_records(command.commands)]
    if command.examples:
        lines += [".SH EXAMPLES", ".nf", *map(_line, command.examples.splitlines()), ".fi"]
    beside = [other.page for other in others if other.page != command.page]
    lines += [".SH SEE ALSO", ", ".join(f"\\fB{_text(page)}\\fR({SECTION})" for page in beside)]
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> list[str]:
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("\b\n"):
            lines += [".PP", ".nf", *map(_line, paragraph[2:].splitlines()), ".fi"]
        else:
            lines += [".PP", _line(" ".join(paragraph.split()))]
    return lines[1:]


def _records(records: Iterable[tuple[str, str]]) -> list[str]:
    lines: list[str] = []
    for term, text in records:
        # In a line of its own with a macro, `.` and `'` would be requests.
        lines += [".TP", f"\\fB{_text(term)}\\fR", _line(" ".join(text.split()))]
    return lines


def _line(text: str) -> str:
    """A line of text; one that begins with a control character would be a request."""
    escaped = _text(text)
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def _text(text: str) -> str:
    """Backslashes, and what a page is searched for and copied by: a real hyphen and quotes."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"['`^~]", lambda found: _SYMBOLS[found[0]], escaped)


_SYMBOLS = {"'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}
