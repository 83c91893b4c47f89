"""Parses the TOML that users write, with the line of what is wrong in it."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

from musetalk_fast.errors import MuseTalkError


def toml_tables(text: str, path: Path, fault: type[MuseTalkError]) -> dict[str, Any]:
    """The content of a file.

    Args:
        fault: what is raised.

    Raises:
        errors.MuseTalkError: not TOML, nested too deeply, or with an integer of too many digits.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        where = f"{path}:{found[1]}" if found else str(path)
        raise fault(f"not valid TOML: {error}", where=where) from None
    except RecursionError:
        raise fault("not valid TOML: nested too deeply", where=str(path)) from None
    except ValueError:
        raise _of_long_integer(text, path, fault) from None


def _of_long_integer(text: str, path: Path, fault: type[MuseTalkError]) -> MuseTalkError:
    """The parser does not say where it met an integer that Python refuses to convert."""
    most = sys.get_int_max_str_digits()
    found = re.search(rf"(\d_?){{{most + 1}}}", text)
    where = f"{path}:{text.count(chr(10), 0, found.start()) + 1}" if found else str(path)
    return fault("an integer of too many digits", where=where)
