"""Host names that a server answers to.

A web page of a foreign site may give that site's name our loopback address (DNS rebinding) and
then talk to us from the user's own browser; the `Host` header shows the name.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

from musetalk_fast.errors import UsageError
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.wire.printable import printable

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[0-9a-z._-]+)(?::[0-9]*)?|([0-9a-f:]+)", re.IGNORECASE)
"""The last form is what aiohttp makes of an IPv6 address in the request line."""
_NAME = re.compile(r"[0-9a-z_]([0-9a-z._-]{0,252}[0-9a-z_])?", re.IGNORECASE)


class Hosts:
    """The names of loopback, and others.

    Args:
        names: host names and addresses, without a port.

    Raises:
        UsageError: a name is none.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(map(_checked, names))

    def has(self, host: str) -> bool:
        """Whether a `Host` header, with or without a port, is one of them."""
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = (match[1] or match[2]).lower().strip("[]").removesuffix(".")
        is_localhost = name == "localhost" or name.endswith(".localhost")
        return is_localhost or is_loopback(name) or _plain(name) in self._names


HOSTS = web.AppKey("hosts", Hosts)
"""Where the application has none, it answers to every name."""


@web.middleware
async def check_host(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse requests for other names; those of HTTP/1.0 without one are no browser's."""
    hosts = request.app.get(HOSTS)
    if hosts is not None:
        asked = request.headers.getall("Host", [])
        if len(asked) != 1 and request.version >= (1, 1):
            raise RefusalError(400, "MTF-REQUEST", "there must be one Host header")
        for name in (*asked, request.host) if asked else ():
            if not hosts.has(name):
                raise RefusalError(
                    421,
                    "MTF-REQUEST-HOST",
                    f"this server does not answer to {printable(name, 100)}",
                    "use the name localhost, or start the server with --allow-host NAME",
                )
    return await handler(request)


def is_loopback(address: str) -> bool:
    """Whether an IP address is of the loopback interface; False for names."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _checked(name: str) -> str:
    plain = _plain(name.strip("[]"))
    if not (_NAME.fullmatch(plain) or (":" in plain and _is_address(plain))):
        raise UsageError(
            f"{printable(name, 100)!r} is no host name",
            where="--allow-host",
            hint="give a name or an address without scheme, port and path",
        )
    return plain


def _plain(name: str) -> str:
    """A name or an address in its one form."""
    name = name.lower().removesuffix(".")
    return str(ipaddress.ip_address(name)) if _is_address(name) else name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
