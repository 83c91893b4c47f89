"""`GET /health` and `GET /v1/info`."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

from musetalk_fast._version import __version__
from musetalk_fast.engines.base import EngineInfo, WorkerCount
from musetalk_fast.server.auth import has_access
from musetalk_fast.server.error_responses import RETRY_SECS
from musetalk_fast.server.services import SERVICES
from musetalk_fast.types import CROP_SIZE, CropEncoding
from musetalk_fast.wire.media_types import STREAM_MEDIA_TYPES
from musetalk_fast.wire.requests import HEALTHY, Health, Info

ROUTES = web.RouteTableDef()

PATHS = frozenset(("/health",))
"""What needs no key."""

_NOT_YET = EngineInfo(name="", model="", is_preview=False)
_NO_WORKERS = WorkerCount(0, 0, 0)


@ROUTES.get("/health")
async def get_health(request: web.Request) -> web.Response:
    """Whether the server can work: 200, else 503. Without a key it says nothing else."""
    services = request.app[SERVICES]
    loaded = services.is_loaded
    known = has_access(request)
    info = services.ready.result().info if loaded and known else _NOT_YET
    workers = (services.workers if known else None) or _NO_WORKERS
    health = Health(
        status=services.status,
        version=__version__ if known else "",
        model_loaded=loaded,
        gpu_available=info.gpu_name is not None,
        gpu_name=info.gpu_name,
        engine=info.name,
        workers_ready=workers.ready,
        workers=workers.total,
    )
    if health.status == HEALTHY:
        return _json(health.to_json())
    response = _json(health.to_json())
    response.set_status(503)
    response.headers["Retry-After"] = str(RETRY_SECS)
    return response


@ROUTES.get("/v1/info")
async def get_info(request: web.Request) -> web.Response:
    """What the engine and the server can do."""
    services = request.app[SERVICES]
    engine, limits = services.loaded.info, services.limits
    info = Info(
        engine=engine.name,
        model=engine.model,
        is_preview=engine.is_preview,
        crop_size=CROP_SIZE,
        encodings=tuple(CropEncoding),
        wires=STREAM_MEDIA_TYPES,
        max_fps=limits.max_fps,
        max_size=limits.max_size,
        max_streams=limits.max_streams,
        max_asset_bytes=limits.max_asset_bytes,
        max_source_frames=limits.max_source_frames if engine.takes_videos else 1,
    )
    return _json(info.to_json())


def _json(document: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(document), content_type="application/json")
