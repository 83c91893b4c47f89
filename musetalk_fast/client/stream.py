"""A streamed answer as messages of either wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import aiohttp
import orjson

from musetalk_fast import errors
from musetalk_fast.client.connection import Connection
from musetalk_fast.client.refusals import from_code, raise_for_refusal
from musetalk_fast.wire import binary, ndjson
from musetalk_fast.wire.messages import BINARY, NDJSON, ErrorMessage, Message

_DECODERS: dict[str, Callable[[], binary.Decoder | ndjson.Decoder]] = {
    BINARY: binary.Decoder,
    NDJSON: ndjson.Decoder,
}


@asynccontextmanager
async def post_for_messages(
    connection: Connection, path: str, body: Mapping[str, Any], wire: str
) -> AsyncIterator[AsyncIterator[list[Message]]]:
    """POST a JSON body; give its answer's messages in lists, one per chunk of bytes received.

    Raises:
        errors.ServerError: the answer is a refusal, is not the wire, or an `error` message.
    """
    async with connection.request(
        "POST",
        path,
        data=orjson.dumps(body),
        headers={"Content-Type": "application/json", "Accept": wire},
    ) as response:
        await raise_for_refusal(response, connection.address.name)
        messages = _messages(response, connection.timeout_secs, connection.address.name)
        async with aclosing(messages):
            yield messages


async def _messages(
    response: aiohttp.ClientResponse, silence_secs: float, where: str
) -> AsyncGenerator[list[Message], None]:
    make_decoder = _DECODERS.get(response.content_type)
    if make_decoder is None:
        raise errors.ProtocolError(f"answers with {response.content_type}", where=where)
    decoder = make_decoder()
    clock = asyncio.get_running_loop().time
    spoke = clock()
    try:
        while chunk := await response.content.readany():
            messages = decoder.feed(chunk)
            if messages:
                _raise_error_message(messages[-1], where)
                yield messages
                spoke = clock()  # what we did meanwhile is not the server's silence
            elif clock() - spoke > silence_secs:
                # Bytes in drops: no read was long, yet nothing was said.
                raise errors.ServerSlowError(f"no whole message in {silence_secs:g} s", where=where)
        decoder.close()
    except errors.ProtocolError as error:
        error.where = error.where or where
        raise


def _raise_error_message(last: Message, where: str) -> None:
    """Raise what an `error` message says; it is always the last of a stream."""
    if not isinstance(last, ErrorMessage):
        return
    known = from_code(last.code, last.message, last.hint, where)
    raise known or errors.ServerFailedError(last.message, where=where, hint=last.hint)
