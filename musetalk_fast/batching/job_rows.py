"""The rows of a job list as its file has them: JSON lines, CSV or TOML, with line numbers."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musetalk_fast.config.toml_text import toml_tables
from musetalk_fast.errors import InputNotFoundError, InputUnreadableError, JobListError

_MAX_BYTES = 64 << 20
_MAX_JOBS = 100_000
_TABLE = "job"
_HEADER = re.compile(rf"\s*\[\[\s*[\"']?{_TABLE}[\"']?\s*\]\]")


@dataclass(frozen=True, slots=True)
class Row:
    """One job as it is written.

    Attributes:
        line: where it begins, from 1; None where that is not known.
        is_text: whether its values are texts, whatever they mean.
        error: why it cannot be read; then it has no members.
    """

    line: int | None
    members: dict[str, Any] = field(default_factory=dict)
    is_text: bool = False
    error: str | None = None


def is_job_list(path: Path) -> bool:
    """Whether a file's name says that it is a list of jobs."""
    return path.suffix.lower() in _READERS


def read_rows(path: Path) -> list[Row]:
    """The rows of a list, those with an error included.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
        errors.JobListError: it is too long, no UTF-8, or nothing that can be parsed.
    """
    text = _text(path)
    rows = list(_READERS[path.suffix.lower()](text, path))
    if len(rows) > _MAX_JOBS:
        raise JobListError(f"{len(rows)} jobs, more than {_MAX_JOBS}", where=str(path))
    return rows


def _text(path: Path) -> str:
    try:
        if not path.is_file():
            raise InputNotFoundError("no such file", where=str(path))
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputUnreadableError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if len(data) > _MAX_BYTES:
        raise JobListError(f"longer than {_MAX_BYTES} bytes", where=str(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise JobListError("not UTF-8 text", where=f"{path}:{line}") from None


def _json_lines(text: str, _path: Path) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            members = json.loads(line, object_pairs_hook=_once, parse_int=_integer)
        except json.JSONDecodeError as error:
            yield Row(number, error=f"not JSON: {error.msg} at column {error.colno}")
        except (ValueError, RecursionError) as error:
            yield Row(number, error=str(error))
        else:
            is_object = isinstance(members, dict)
            yield Row(number, members) if is_object else Row(number, error="not a JSON object")


def _integer(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:
        raise ValueError("an integer of too many digits") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return members


def _comma_separated(text: str, path: Path) -> Iterator[Row]:
    """Rows below a row of names; spreadsheets of some countries write semicolons."""
    first = text.split("\n", 1)[0]
    delimiter = ";" if ";" in first and "," not in first else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            here, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if names is None:
                names = _column_names(cells, path)
            else:
                yield _csv_row(here, names, cells)
    except csv.Error as error:
        yield Row(line, error=f"not CSV: {error}")


def _column_names(cells: list[str], path: Path) -> list[str]:
    names = [cell.strip() for cell in cells]
    twice = {name for name in names if names.count(name) > 1}
    if twice or "" in names:
        message = (
            f"two columns are named {min(twice)!r}" if twice - {""} else "a column has no name"
        )
        raise JobListError(message, where=f"{path}:1")
    return names


def _csv_row(line: int, names: list[str], cells: list[str]) -> Row:
    if len(cells) > len(names):
        message = f"{len(cells)} cells below {len(names)} names"
        return Row(line, error=f"{message}: quote what holds the separator")
    given = zip(names, (cell.strip() for cell in cells), strict=False)
    return Row(line, {name: cell for name, cell in given if cell}, is_text=True)


def _toml(text: str, path: Path) -> Iterator[Row]:
    content = toml_tables(text, path, JobListError)
    tables = content.pop(_TABLE, [])
    if content or not isinstance(tables, list):
        named = next(iter(content), _TABLE)
        raise JobListError(
            f"{named!r} is no job: begin each with [[{_TABLE}]] on a line of its own",
            where=str(path),
        )
    lines = [at for at, line in enumerate(text.splitlines(), 1) if _HEADER.match(line)]
    known = lines if len(lines) == len(tables) else [None] * len(tables)
    for at, table in zip(known, tables, strict=True):
        yield Row(at, table) if isinstance(table, dict) else Row(at, error="not a table")


_READERS: dict[str, Callable[[str, Path], Iterator[Row]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".csv": _comma_separated,
    ".toml": _toml,
}
