"""Decodes a streamed response into messages, on either wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp
import orjson

from musetalk_fast import errors
from musetalk_fast.client.connection import Connection
from musetalk_fast.client.http_errors import first_line, from_code, raise_for_refusal
from musetalk_fast.wire.media_types import StreamDecoder, StreamWire
from musetalk_fast.wire.messages import ErrorMessage, Message

_MAX_CHUNKS = 16
"""Handed on at a time: half of what may wait for an encoder."""
_MAX_QUOTED = 1024
"""Bytes of a page that came instead, in which its words are looked for."""


@asynccontextmanager
async def post_for_messages(
    connection: Connection,
    path: str,
    body: Mapping[str, Any],
    wire: StreamWire,
    picture: tuple[int, int] | None = None,
) -> AsyncIterator[AsyncIterator[list[Message]]]:
    """POST a JSON body; return its answer's messages in lists, as many as have come.

    Args:
        picture: (width, height) of the avatar in pixels, where faces are expected.

    Raises:
        errors.ServerError: the response is a refusal, is not the wire, or an `error` message.
    """
    async with connection.request(
        "POST",
        path,
        data=orjson.dumps(body),
        headers={"Content-Type": "application/json", "Accept": wire.media_type},
    ) as response:
        where, silence_secs = connection.address.name, connection.timeout_secs
        await raise_for_refusal(response, where, silence_secs)
        decoder = wire.codec().Decoder(picture=picture)
        messages = _messages(response, wire, decoder, silence_secs, where)
        async with aclosing(messages):
            yield messages


async def _messages(
    response: aiohttp.ClientResponse,
    wire: StreamWire,
    decoder: StreamDecoder,
    silence_secs: float,
    where: str,
) -> AsyncGenerator[list[Message], None]:
    if response.content_type != wire.media_type:
        words = first_line(await response.content.read(_MAX_QUOTED))
        raise errors.ProtocolError(
            f"answers with {response.content_type}, not {wire.media_type}"
            + (f": {words}" if words else ""),
            where=where,
        )
    clock = asyncio.get_running_loop().time
    spoke = clock()
    try:
        async for chunks in _chunks(response.content):
            messages: list[Message] = []
            for chunk in chunks:
                messages += decoder.feed(chunk)
            if messages:
                _raise_error_message(messages[-1], where)
                yield messages
                spoke = clock()  # what we did meanwhile is not the server's silence
            elif clock() - spoke > silence_secs:
                # Bytes trickle in: no read took long, yet no message came.
                raise errors.ServerSlowError(
                    f"no complete message in {silence_secs:g} s", where=where
                )
        decoder.close()
    except errors.ProtocolError as error:
        error.where = error.where or where
        raise


async def _chunks(content: aiohttp.StreamReader) -> AsyncGenerator[list[bytes], None]:
    """The body as it was received, what has come meanwhile in one list.

    Not `readany`, which copies all of that into one piece first: servers send a message a chunk.
    """
    taken = 0
    while True:
        chunks: list[bytes] = []
        while not chunks or (_is_waiting(content, taken) and len(chunks) < _MAX_CHUNKS):
            chunk, is_complete = await content.readchunk()
            if not chunk and not is_complete:
                break
            taken += len(chunk)
            chunks.append(chunk)
        if not chunks:
            return
        yield chunks


def _is_waiting(content: aiohttp.StreamReader, taken: int) -> bool:
    """Whether more has come; what came before a failure is handed on before it is raised."""
    return taken < content.total_bytes and content.exception() is None


def _raise_error_message(last: Message, where: str) -> None:
    """Raise what an `error` message says; it is always the last of a stream."""
    if not isinstance(last, ErrorMessage):
        return
    known = from_code(last.code, last.message, last.hint, where)
    raise known or errors.ServerFailedError(last.message, where=where, hint=last.hint)
