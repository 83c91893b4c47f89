"""Parses the addresses of `-s/--server`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from musetalk_fast.errors import InvalidSettingError

_HINT = (
    "use http://HOST:PORT, https://HOST:PORT, unix:/PATH or builtin; of several give each its own "
    "-s, or put commas between them in file and variable"
)
_KEY_HINT = "give a server's key with --api-key-file FILE or in MUSETALK_API_KEY"


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

    @property
    def is_local(self) -> bool:
        """Whether what is sent there stays on this machine."""
        try:
            return self.socket is not None or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


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
    _check_secrets(text)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidSettingError(
            f"{text!r} is not an address ({error})", where="server url", hint=_HINT
        ) from None
    is_clean = text.isprintable() and " " not in text  # urlsplit drops line breaks and tabs
    if not is_clean or parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise InvalidSettingError(f"{text!r} is not an address", where="server url", hint=_HINT)
    base = f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
    return Address(base, base)


def _check_secrets(text: str) -> None:
    """Refuse what may hold a secret; the text is not repeated."""
    if "?" in text or "#" in text:
        raise InvalidSettingError(
            "a server's URL must not hold a ? or a #: paths are appended to it",
            where="server url",
            hint=_KEY_HINT,
        )
    if "@" in text.split("//", 1)[-1].split("/", 1)[0]:
        raise InvalidSettingError(
            "a URL must not hold a name or a password", where="server url", hint=_KEY_HINT
        )
