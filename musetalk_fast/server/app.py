"""The HTTP application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from musetalk_fast.engines.base import MakeEngine
from musetalk_fast.server.auth import KEY, check_access
from musetalk_fast.server.error_responses import answer_refusals
from musetalk_fast.server.limits import Limits
from musetalk_fast.server.routes import assets, avatars, frames, health, infer
from musetalk_fast.server.services import SERVICES, open_services


def create_app(
    make_engine: MakeEngine,
    store_dir: Path,
    limits: Limits | None = None,
    api_key: str | None = None,
) -> web.Application:
    """Everything between a socket and an engine.

    Run it with `web.AppRunner(app, handler_cancellation=True, auto_decompress=False)`: work stops
    where a client goes, and a packed body is refused, not unpacked.

    Args:
        make_engine: called once, in a worker thread; until it returns `/health` says `loading`.
        store_dir: folder of the assets, of this server alone.
        api_key: what requests must carry; None: everybody may come in.
    """

    async def services(app: web.Application) -> AsyncIterator[None]:
        async with open_services(make_engine, store_dir, limits or Limits()) as opened:
            app[SERVICES] = opened
            yield

    async def hide_versions(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Server"] = "musetalk-fast"

    app = web.Application(middlewares=[answer_refusals, check_access])
    if api_key is not None:
        app[KEY] = api_key
    app.on_response_prepare.append(hide_versions)
    app.cleanup_ctx.append(services)
    for resource in (health, assets, avatars, frames, infer):
        app.add_routes(resource.ROUTES)
    return app
