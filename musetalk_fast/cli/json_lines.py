"""The lines of `--json`."""

from __future__ import annotations

import json
from typing import Any

from musetalk_fast.wire.printable import escape_all_surrogates


def json_line(members: dict[str, Any]) -> str:
    """An object as a line that every parser takes.

    Many refuse what Python makes of a file name that is no UTF-8.
    """
    return json.dumps(escape_all_surrogates(members))
