"""`HEAD` and `PUT /v1/assets/{sha256}`."""

from __future__ import annotations

import orjson
from aiohttp import web

from musetalk_fast.server.auth import USER
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.request_body import expect_later, read_chunks
from musetalk_fast.server.services import SERVICES

ROUTES = web.RouteTableDef()

_PATH = "/v1/assets/{name}"
_DIGITS = frozenset("0123456789abcdef")


@ROUTES.head(_PATH)
async def head_asset(request: web.Request) -> web.Response:
    """200 if the asset is here, else 404."""
    name, store = _name(request), request.app[SERVICES].store
    await store.holds(name)
    with store.lease(name):
        store.claim(name, request[USER])
        return web.Response()


@ROUTES.put(_PATH, expect_handler=expect_later)
async def put_asset(request: web.Request) -> web.Response:
    """Store the body: 201, or 200 if it was here already."""
    services, user = request.app[SERVICES], request[USER]
    if services.draining:
        raise RefusalError(503, "MTF-DRAINING", "the server is draining", "try again later")
    name = _name(request)
    if await services.store.holds(name):
        with services.store.lease(name):  # used last now
            services.store.claim(name, user)
            return await _kept(request, name)
    chunks = read_chunks(request)
    length = await services.store.receive(name, chunks, request.content_length, user)
    document = {"sha256": name, "bytes": length}
    return web.Response(status=201, body=orjson.dumps(document), content_type="application/json")


async def _kept(request: web.Request, name: str) -> web.Response:
    """The asset is here already. A client that sends it anyway reads the response after that."""
    if "Expect" not in request.headers:
        async for _ in read_chunks(request):
            pass
    return web.Response(body=orjson.dumps({"sha256": name}), content_type="application/json")


def _name(request: web.Request) -> str:
    name = request.match_info["name"]
    if len(name) != 64 or not set(name) <= _DIGITS:
        raise RefusalError(
            400, "MTF-REQUEST", "an asset is named by 64 lower-case hexadecimal digits",
            "its SHA-256",
        )  # fmt: skip
    return name
