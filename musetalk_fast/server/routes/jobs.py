"""`GET /v1/jobs` and `DELETE /v1/jobs/{id}`."""

from __future__ import annotations

import orjson
from aiohttp import web

from musetalk_fast.server.auth import USER
from musetalk_fast.server.services import SERVICES
from musetalk_fast.wire.job_state import jobs_to_json

ROUTES = web.RouteTableDef()


@ROUTES.get("/v1/jobs")
async def get_jobs(request: web.Request) -> web.Response:
    """The streams and preparations that the user may see."""
    jobs = request.app[SERVICES].jobs.seen_by(request[USER])
    document = jobs_to_json([job.state for job in jobs])
    return web.Response(body=orjson.dumps(document), content_type="application/json")


@ROUTES.delete("/v1/jobs/{id}")
async def delete_job(request: web.Request) -> web.Response:
    """Cancel one of them: 204."""
    request.app[SERVICES].jobs.cancel(request.match_info["id"], request[USER])
    return web.Response(status=204)
