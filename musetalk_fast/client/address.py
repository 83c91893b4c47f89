"""What `-s/--server` may say."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from musetalk_fast.errors import InvalidSettingError

_HINT = "use http://HOST:PORT, https://HOST:PORT, unix:/PATH or builtin"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens.

    Attributes:
        name: how messages call it.
        base: what request paths are appended to.
        socket: path of a Unix socket, or None.
    """

    name: str
    base: str
    socket: str | None = None

    @property
    def host(self) -> str:
        """The name or number of the machine."""
        return urlsplit(self.base).hostname or ""


def parse_address(text: str) -> Address:
    """Read an address.

    Raises:
        InvalidSettingError: it is none; the forms are named.
    """
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path:
            raise InvalidSettingError("unix: needs a path", where="server url", hint=_HINT)
        return Address(text, "http://localhost", path)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidSettingError(
            f"{text!r} is not an address ({error})", where="server url", hint=_HINT
        ) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise InvalidSettingError(f"{text!r} is not an address", where="server url", hint=_HINT)
    if parts.username or parts.password:
        # The text is not repeated: it holds a secret.
        raise InvalidSettingError("a URL must not hold a password", where="server url", hint=_HINT)
    return Address(text.rstrip("/"), text.rstrip("/"))
