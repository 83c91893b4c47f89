"""`GET /metrics`."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from musetalk_fast.engines.base import ReportsFigures
from musetalk_fast.server.auth import KEYS, USER
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.gauges import gauges
from musetalk_fast.server.services import SERVICES
from musetalk_fast.threads import run_in_thread

ROUTES = web.RouteTableDef()


@ROUTES.get("/metrics")
async def get_metrics(request: web.Request) -> web.Response:
    """What the server counts, for Prometheus."""
    services = request.app[SERVICES]
    if KEYS in request.app and not request[USER].is_admin:
        raise RefusalError(
            403, "MTF-SERVER-AUTH", "this key may not see the figures of all users",
            "use a key with admin = true",
        )  # fmt: skip
    engine = services.ready.result().engine if services.is_loaded else None
    figures = None
    if isinstance(engine, ReportsFigures):
        figures = await run_in_thread(engine.figures)
    return web.Response(
        body=services.metrics.text(gauges(services, figures)),
        headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4},
    )
