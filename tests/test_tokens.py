"""Every token that the program says is explained, with the exit code that goes with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import musetalk_fast
from musetalk_fast.errors import MuseTalkError

PACKAGE = Path(musetalk_fast.__file__).parent
DOCS = Path(__file__).parents[1] / "docs"
TOKEN = re.compile(r"MTF-[A-Z0-9]+(?:-[A-Z0-9]+)*(?![-\w{.])")
PAGE = (DOCS / "tokens.md").read_text()
SERVER = ("server",)
"""What only a server says stands in the protocol's page."""


def _said(folder: Path) -> set[str]:
    return {token for path in folder.rglob("*.py") for token in TOKEN.findall(path.read_text())}


def _errors(kind: type[MuseTalkError]) -> Iterator[type[MuseTalkError]]:
    for each in kind.__subclasses__():
        if each.__module__.startswith("musetalk_fast.errors"):
            yield each
            yield from _errors(each)


def test_every_token_is_explained() -> None:
    page = set(TOKEN.findall(PAGE))
    client = {
        token
        for path in PACKAGE.iterdir()
        if path.name not in SERVER
        for token in (_said(path) if path.is_dir() else TOKEN.findall(path.read_text()))
    }
    assert sorted(client - page) == []
    assert sorted(page - client) == [], "nothing says these any more"
    protocol = set(TOKEN.findall((DOCS / "protocol.md").read_text()))
    assert sorted(_said(PACKAGE / "server") - protocol - page) == []


def test_every_error_has_the_exit_code_that_the_page_gives_it() -> None:
    rows = re.findall(r"^\| `(MTF-[A-Z-]+)` \| (\d+) \|", PAGE, re.MULTILINE)
    assert {(each.token, str(each.exit_code)) for each in _errors(MuseTalkError)} <= set(rows)
    assert len(dict(rows)) == len(rows)


def test_no_exit_code_is_one_that_opencue_takes_for_a_lack_of_memory() -> None:
    assert not {33, 137} & {each.exit_code for each in _errors(MuseTalkError)}
