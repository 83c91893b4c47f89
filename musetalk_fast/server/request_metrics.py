"""Counts requests by what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from musetalk_fast.server.error_responses import refusal_of
from musetalk_fast.server.gone_client import GoneClientError
from musetalk_fast.server.services import SERVICES

_METHODS = frozenset(("GET", "HEAD", "PUT", "POST", "DELETE"))
_GONE = "gone"
"""In place of a status: the client went away."""


@web.middleware
async def count_requests(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Count a request once it is answered; what it is refused with goes on."""
    metrics = request.app[SERVICES].metrics
    resource = request.match_info.route.resource
    # Only what the application knows: anybody can send other words, each a line for ever.
    method = request.method if request.method in _METHODS else "other"
    route = resource.canonical if resource is not None else "other"
    try:
        response = await handler(request)
    except (GoneClientError, asyncio.CancelledError):
        metrics.answered(method, route, _GONE)
        raise
    except Exception as error:
        refusal = refusal_of(error)
        metrics.answered(method, route, str(refusal.status))
        metrics.refused(refusal.code)
        raise refusal from error
    metrics.answered(method, route, str(response.status))
    return response
