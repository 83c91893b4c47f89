"""Authorises requests by the server's key."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web

from musetalk_fast.server.error_responses import RefusalError

KEY = web.AppKey("key", str)
"""The server's key; where the application has none, everybody may come in."""

_OPEN = frozenset(("/health",))
"""Load balancers have no key; what is answered without one is up to the route."""


def has_access(request: web.Request) -> bool:
    """Whether a request carries the server's key, or none is needed."""
    key = request.app.get(KEY)
    if key is None:
        return True
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    # In constant time: how long it takes reveals nothing about the key.
    right = hmac.compare_digest(given.strip().encode("utf-8", "surrogateescape"), key.encode())
    return right and scheme.lower() == "bearer"


@web.middleware
async def check_access(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse requests without the key, before anything of their bodies is read."""
    if request.path not in _OPEN and not has_access(request):
        raise RefusalError(
            401,
            "MTF-SERVER-AUTH",
            "the key is missing or wrong",
            "send Authorization: Bearer KEY",
            {"WWW-Authenticate": "Bearer"},
        )
    return await handler(request)
