"""Reads the bodies of requests, bounded in length and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
from aiohttp import web

from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.wire.printable import printable

_SILENCE_SECS = 60.0


async def read_json(request: web.Request, longest: int) -> object:
    """The JSON document of a request.

    Raises:
        RefusalError: 415 another content type, 413 too long, 408 too slow, 400 not JSON.
    """
    if request.content_type != "application/json":
        raise RefusalError(
            *(415, "MTF-REQUEST-TYPE", f"the body is {request.content_type}"),
            "send application/json",
        )
    body = bytearray()
    async for chunk in read_chunks(request):
        body += chunk
        if len(body) > longest:
            raise RefusalError(413, "MTF-REQUEST-SIZE", f"the body is longer than {longest} bytes")
    try:
        # A long document is parsed off the loop.
        return await asyncio.to_thread(orjson.loads, body)
    except orjson.JSONDecodeError as error:
        raise RefusalError(400, "MTF-REQUEST", f"the body is not JSON: {error}") from None


async def read_chunks(request: web.Request) -> AsyncIterator[bytes]:
    """The bytes of a body as they come.

    Raises:
        RefusalError: 408, the client fell silent; 400, packed, or not framed as it says.
    """
    packing = request.headers.get("Content-Encoding", "identity")
    if packing.strip().lower() != "identity":
        raise RefusalError(
            *(400, "MTF-REQUEST", f"the body's Content-Encoding is {printable(packing, 40)}"),
            "send the body as it is, without a Content-Encoding",
        )
    while True:
        try:
            async with asyncio.timeout(_SILENCE_SECS):
                chunk = await request.content.readany()
        except TimeoutError:
            raise RefusalError(408, "MTF-REQUEST-SLOW", "the body stopped in the middle") from None
        except web.RequestPayloadError:
            raise RefusalError(400, "MTF-REQUEST", "the body's chunks are damaged") from None
        if not chunk:
            return
        yield chunk
