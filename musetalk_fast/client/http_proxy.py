"""The proxy of HTTP that the environment names, as curl and other clients read it."""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from musetalk_fast.client.address import Address
from musetalk_fast.errors import InvalidSettingError

_HINT = "name an HTTP proxy as http://HOST:PORT, or the server's host in NO_PROXY"


@dataclass(frozen=True, slots=True)
class HttpProxy:
    """What requests to a server go through.

    Attributes:
        url: without name and password.
        authorization: those as a value of `Proxy-Authorization`, or None.
        variable: which names it, for messages.
    """

    url: str
    authorization: str | None = field(repr=False)
    variable: str

    def __str__(self) -> str:
        return f"the proxy {self.url} of {self.variable}"

    @property
    def headers(self) -> dict[str, str]:
        """What a request to it carries."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def proxy_for(address: Address) -> HttpProxy | None:
    """The proxy for a server: `HTTP_PROXY`, `HTTPS_PROXY` or `ALL_PROXY`, unless in `NO_PROXY`.

    The names may be in lower case. None for a Unix socket and for loopback, whatever they say.

    Raises:
        errors.InvalidSettingError: a variable that names no HTTP proxy.
    """
    if address.is_local:
        return None
    proxies = getproxies()
    server = urlsplit(address.base)
    kind = server.scheme if proxies.get(server.scheme) else "all"
    named = proxies.get(kind)
    if not named or proxy_bypass(server.netloc):
        return None
    return _parsed(named, f"{kind.upper()}_PROXY")


def _parsed(named: str, variable: str) -> HttpProxy:
    try:
        parts = urlsplit(named if "://" in named else f"http://{named}")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        # The value is not repeated: it may hold a password.
        raise InvalidSettingError("not an HTTP proxy", where=variable, hint=_HINT)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    url = f"{parts.scheme}://{host}" + (f":{port}" if port else "")
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        authorization = f"Basic {binascii.b2a_base64(pair, newline=False).decode()}"
    return HttpProxy(url, authorization, variable)
