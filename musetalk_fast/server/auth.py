"""Authenticates requests: by key, or where there are none by address."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable

from aiohttp import web

from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.host_names import is_loopback
from musetalk_fast.server.users import LOCAL, KeyRing, User

KEYS = web.AppKey("keys", KeyRing)
"""The server's keys; where the application has none, everybody may come in."""

USER = web.RequestKey("user", User)
"""Who sends a request; not there where it carries no key and the route needs none."""

OPEN_PATHS = web.AppKey("open_paths", frozenset[str])
"""Load balancers and browsers have no key; what is answered without one is up to the route."""


def has_access(request: web.Request) -> bool:
    """Whether a request carries a key of the server, or none is needed."""
    return USER in request


@web.middleware
async def check_access(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse requests without a key, before anything of their bodies is read."""
    keys = request.app.get(KEYS)
    user = _from_where(request) if keys is None else _by_key(request, keys)
    if user is not None:
        request[USER] = user
    elif request.path not in request.app[OPEN_PATHS]:
        raise RefusalError(
            401,
            "MTF-SERVER-AUTH",
            "the key is missing or wrong",
            "send Authorization: Bearer KEY",
            {"WWW-Authenticate": "Bearer"},
        )
    return await handler(request)


def _by_key(request: web.Request, keys: KeyRing) -> User | None:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    return keys.user(given.strip().encode("utf-8", "surrogateescape"))


def _from_where(request: web.Request) -> User:
    """By address, each its own user; this machine's own programs see all."""
    address = request.remote or ""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # a Unix socket: none, or the path that its client is bound to
        return User(LOCAL, is_admin=True)
    if is_loopback(address):
        return User(LOCAL, is_admin=True)
    return User(str(getattr(found, "ipv4_mapped", None) or found))
