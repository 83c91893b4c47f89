"""The file of a server with several keys: a TOML table for each, with its limits."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from musetalk_fast.config.api_key import KEY
from musetalk_fast.config.byte_size import BYTE_SIZE
from musetalk_fast.config.number_kinds import Integer
from musetalk_fast.config.text_kinds import Switch
from musetalk_fast.config.value_kind import Kind
from musetalk_fast.errors import InvalidSettingError
from musetalk_fast.server.users import KeyRing, Quota, User
from musetalk_fast.wire.printable import printable

_MAX_BYTES = 1 << 20
_MAX_KEYS = 1000
"""Each has figures of its own in `/metrics`."""
_NAME = re.compile(r"[0-9A-Za-z_][0-9A-Za-z._-]{0,63}")

_MEMBERS: dict[str, Kind] = {
    "key": KEY,
    "streams": Integer(1, 1024),
    "frames_per_minute": Integer(1, 1 << 31),
    "stored_bytes": BYTE_SIZE,
    "admin": Switch(),
}


def read_keys(path: Path) -> KeyRing:
    """The keys and limits that a file holds. No message shows a key.

    Raises:
        errors.InvalidSettingError: no such file, unreadable, too long, no TOML, or of
            another form.
    """
    tables = _tables(path)
    users: dict[str, User] = {}
    for name, table in tables.items():
        where = f"{path}, [{printable(name, 64)}]"
        if not _NAME.fullmatch(name):
            raise InvalidSettingError(
                "a key's name has 1 to 64 letters, digits, `_`, `-` and `.`", where=where
            )
        key, user = _user(name, table, where)
        if key in users:
            raise InvalidSettingError(
                f"it has the same key as [{users[key].name}]", where=where,
                hint="give each user a key of its own",
            )  # fmt: skip
        users[key] = user
    if not users:
        raise InvalidSettingError("there is no key in it", where=str(path))
    return KeyRing(users)


def _tables(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InvalidSettingError(
            f"the file of keys cannot be read: {error.strerror}", where=str(path),
            hint="name one that the server may read with --keys-file",
        ) from error  # fmt: skip
    if len(data) > _MAX_BYTES:
        raise InvalidSettingError(f"it is longer than {_MAX_BYTES} bytes", where=str(path))
    try:
        tables = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        # Only where: what the parser says may repeat a key.
        place = re.search(r"at line \d+, column \d+", str(error))
        raise InvalidSettingError(
            f"it is no TOML{f' ({place[0]})' if place else ''}", where=str(path),
            hint="each user is a table: [NAME], then key = \"...\" and its limits",
        ) from None  # fmt: skip
    if len(tables) > _MAX_KEYS:
        raise InvalidSettingError(f"it has more than {_MAX_KEYS} keys", where=str(path))
    return tables


def _user(name: str, table: object, where: str) -> tuple[str, User]:
    if not isinstance(table, dict) or "key" not in table:
        raise InvalidSettingError("there is no key in this table", where=where)
    values: dict[str, Any] = {}
    for member, value in table.items():
        kind = _MEMBERS.get(member)
        if kind is None:
            raise InvalidSettingError(
                f"there is no member {printable(member, 64)!r}", where=where,
                hint=f"the members are {', '.join(_MEMBERS)}",
            )  # fmt: skip
        try:
            values[member] = kind.read(value)
        except ValueError as error:
            raise InvalidSettingError(f"{member} {error}", where=where) from None
    key, is_admin = values.pop("key"), values.pop("admin", False)
    return key, User(name, Quota(**values), is_admin)
