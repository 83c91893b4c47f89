"""The lines of `--json`."""

from __future__ import annotations

import json
from typing import Any

from musetalk_fast.wire.printable import escape_surrogates


def json_line(members: dict[str, Any]) -> str:
    """An object as a line that every parser takes.

    Many refuse what Python makes of a file name that is no UTF-8.
    """
    return json.dumps(_escaped(members))


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _escaped(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(each) for each in value]
    return escape_surrogates(value) if isinstance(value, str) else value
