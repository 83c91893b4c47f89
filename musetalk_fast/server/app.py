"""The HTTP application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from musetalk_fast.engines.base import MakeEngine
from musetalk_fast.server.auth import KEYS, OPEN_PATHS, check_access
from musetalk_fast.server.error_responses import answer_refusals
from musetalk_fast.server.host_names import HOSTS, Hosts, check_host
from musetalk_fast.server.http_connection import HEADERS, close_unread
from musetalk_fast.server.limits import Limits
from musetalk_fast.server.request_metrics import count_requests
from musetalk_fast.server.routes import assets, avatars, frames, health, infer, jobs, metrics, page
from musetalk_fast.server.services import SERVICES, open_services
from musetalk_fast.server.users import KeyRing

MIDDLEWARES = (close_unread, answer_refusals, count_requests, check_host, check_access)


def create_app(
    make_engine: MakeEngine,
    store_dir: Path,
    limits: Limits | None = None,
    keys: KeyRing | None = None,
    hosts: Hosts | None = None,
    *,
    has_page: bool = False,
) -> web.Application:
    """Everything between a socket and an engine.

    Run it with `handler_cancellation=True`, so that work stops where a client goes, and with
    `http_connection.Connection` for its sockets.

    Args:
        make_engine: called once, in a worker thread; until it returns `/health` says `loading`.
        store_dir: folder of the assets, of this server alone.
        keys: requests must carry one of them; None: everybody may come in.
        hosts: the names that it answers to; None: all.
        has_page: show the page for browsers at `/`.
    """

    async def services(app: web.Application) -> AsyncIterator[None]:
        async with open_services(
            make_engine, store_dir, limits or Limits(), names_users=keys is not None
        ) as opened:
            app[SERVICES] = opened
            yield

    async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
        own = {"Cache-Control": response.headers.get("Cache-Control", HEADERS["Cache-Control"])}
        response.headers.update(HEADERS | own)

    app = web.Application(middlewares=MIDDLEWARES)
    if keys is not None:
        app[KEYS] = keys
    if hosts is not None:
        app[HOSTS] = hosts
    app.on_response_prepare.append(add_headers)
    app.cleanup_ctx.append(services)
    app[OPEN_PATHS] = health.PATHS | (page.PATHS if has_page else frozenset())
    if has_page:
        app.add_routes(page.ROUTES)
    for resource in (health, assets, avatars, frames, infer, jobs, metrics):
        app.add_routes(resource.ROUTES)
    return app
