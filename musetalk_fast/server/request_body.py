"""Reads the bodies of requests, bounded in length and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from aiohttp import web

from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.gone_client import from_client
from musetalk_fast.server.services import SERVICES
from musetalk_fast.server.upload_rate import UploadRate
from musetalk_fast.wire.printable import printable

_MAX_VALUES = 50_000
"""Of a JSON document, commas in texts included; the longest `sources` have 40,000."""
_UNREAD_BYTES = 1 << 18
_UNREAD_SECS = 2.0
"""What is still taken of a body that nobody reads, so that its client can read the response."""


@asynccontextmanager
async def open_json(request: web.Request, longest: int) -> AsyncIterator[bytearray]:
    """The text of a JSON body; it counts as held in memory while the context is open.

    Raises:
        RefusalError: 415 another content type, 413 too long, 408 too slow, 429 no memory for it.
    """
    if request.content_type != "application/json":
        raise RefusalError(
            *(415, "MTF-REQUEST-TYPE", f"the body is {request.content_type}"),
            "send application/json",
        )
    _check_length(request.content_length or 0, longest)
    body = bytearray()
    with request.app[SERVICES].bodies.open() as add:
        async for chunk in read_chunks(request):
            add(len(chunk))
            body += chunk
            _check_length(len(body), longest)
        yield body


async def read_json(request: web.Request, longest: int) -> object:
    """The JSON document of a request that is short: nothing else runs while it is parsed.

    Raises:
        RefusalError: as `open_json`; 400 not JSON.
    """
    async with open_json(request, longest) as body:
        if sum(map(body.count, (b",", b"[", b"{"))) > _MAX_VALUES:
            raise RefusalError(
                413, "MTF-REQUEST-SIZE", f"the body has more than {_MAX_VALUES} values"
            )
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise RefusalError(400, "MTF-REQUEST", f"the body is not JSON: {error}") from None


async def read_chunks(request: web.Request) -> AsyncIterator[bytes]:
    """The bytes of a body as they come.

    Raises:
        RefusalError: 408, it takes too long; 400, packed, or not framed as it says.
        GoneClientError: the client has disconnected.
    """
    packing = request.headers.get("Content-Encoding", "identity")
    if packing.strip().lower() != "identity":
        raise RefusalError(
            *(400, "MTF-REQUEST", f"the body's Content-Encoding is {printable(packing, 40)}"),
            "send the body as it is, without a Content-Encoding",
        )
    await _continue(request)
    rate, clock = UploadRate(request.app[SERVICES].limits), asyncio.get_running_loop().time
    while not request.content.at_eof():
        since, chunk = clock(), b""
        try:
            async with asyncio.timeout(rate.patience):
                with from_client():
                    chunk = await request.content.readany()
        except TimeoutError:
            pass  # too long or not: `add` decides
        except web.RequestPayloadError:
            raise RefusalError(400, "MTF-REQUEST", "the body's chunks are damaged") from None
        rate.add(clock() - since, len(chunk))
        if chunk:
            request.app[SERVICES].metrics.received(len(chunk))
            yield chunk


async def expect_later(_request: web.Request) -> None:
    """Leave `Expect: 100-continue` to who reads the body: what is refused is never sent."""


async def leave_unread(request: web.Request) -> None:
    """Let the client of an unread body read its response, which has been sent.

    To close at once would reset the connection, and the response with it.
    """
    left = _UNREAD_BYTES
    try:
        async with asyncio.timeout(_UNREAD_SECS):
            while left > 0 and (chunk := await request.content.readany()):
                left -= len(chunk)
            if left <= 0:
                await asyncio.sleep(_UNREAD_SECS)
    except (TimeoutError, ConnectionError, web.RequestPayloadError):
        return


async def _continue(request: web.Request) -> None:
    is_asked = request.headers.get("Expect", "").lower() == "100-continue"
    if is_asked and request.version >= (1, 1) and not request.content.total_bytes:
        with from_client():
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the response has not begun


def _check_length(length: int, longest: int) -> None:
    if length > longest:
        raise RefusalError(413, "MTF-REQUEST-SIZE", f"the body is longer than {longest} bytes")
