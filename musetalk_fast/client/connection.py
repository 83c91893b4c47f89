"""One server: its sockets, its documents, and what its failures mean."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, TypeVar

import aiohttp
import orjson

from musetalk_fast import errors
from musetalk_fast.client.address import Address
from musetalk_fast.client.credentials import NOTHING, Credentials
from musetalk_fast.client.disconnects import failing_if_disconnected
from musetalk_fast.client.http_errors import raise_for_refusal
from musetalk_fast.client.request_deadlines import RequestDeadlines
from musetalk_fast.client.tls_errors import tls_error
from musetalk_fast.wire.requests import Health

T = TypeVar("T")

_MAX_DOCUMENT = 1 << 20
_READ_BUFFER = 1 << 20
"""Bytes read ahead of the parser: above it the socket is paused."""
_CONNECT_SECS = 10.0
"""For name, socket and TLS together."""
_NO_LIMIT = 0
"""Of concurrent connections: the caller decides how many streams there should be."""
_HUNG_UP = "look at its log; if it asks for a certificate of ours, add --cert and --key"
"""Many servers close without the alert that would say so."""


class Connection:
    """HTTP to one server, for as long as the context is open.

    Args:
        address: where it listens.
        timeout_secs: longest silence before it counts as failed.
        credentials: what it is shown.
        frame_timeout_secs: longest time without progress, even if keep-alives come.
    """

    def __init__(
        self,
        address: Address,
        timeout_secs: float,
        credentials: Credentials = NOTHING,
        *,
        frame_timeout_secs: float = 300.0,
    ) -> None:
        self.address = address
        self.timeout_secs = timeout_secs
        self.frame_timeout_secs = frame_timeout_secs
        self._credentials = credentials
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Connection:
        connector = (
            aiohttp.UnixConnector(self.address.socket, limit=_NO_LIMIT)
            if self.address.socket
            else aiohttp.TCPConnector(limit=_NO_LIMIT, ssl=self._credentials.tls or True)
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"Accept-Encoding": "identity", **self._credentials.headers()},
            timeout=_timeout(self.timeout_secs),
            trace_configs=[_tracing()],
            read_bufsize=_READ_BUFFER,
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        body: AsyncIterator[bytes] | None = None,
        silence_secs: float | None = None,
        **options: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and yield its response, whatever its status; redirects are not followed.

        An error that leaves the context does not repeat the key.

        Args:
            body: the time-out applies to each piece, not to all of it.
            silence_secs: longest silence, if not the connection's.

        Raises:
            errors.ServerUnreachableError: no connection, or silence beyond the time-out.
            errors.StreamCutError: the connection broke inside the body.
        """
        assert self._session is not None
        silence_secs = silence_secs or self.timeout_secs
        deadlines = RequestDeadlines(self.timeout_secs, silence_secs)
        options |= {"allow_redirects": False, "timeout": _timeout(silence_secs)}
        if body is not None:
            options["data"] = deadlines.pieces(body)
        asking = self._session.request(
            method, self.address.base + path, trace_request_ctx=deadlines, **options
        )
        try:
            async with await deadlines.answer(asking, self.address.name) as response:
                with failing_if_disconnected(response):
                    yield response
        except errors.MuseTalkError as error:
            self._credentials.redact(error)
            raise
        except (aiohttp.ClientError, OSError) as error:
            raise self._meaning(error, silence_secs) from error

    async def health(self) -> Health:
        """`GET /health`.

        Raises:
            errors.NotAServerError: what answers is no MuseTalk server of this protocol.
        """
        return self.read("/health", await self.document("/health"), Health.from_json)

    async def document(self, path: str) -> object:
        """`GET` a short JSON document; None where the server does not know the path.

        Raises:
            errors.NotAServerError: what answers is no MuseTalk server.
        """
        # A short response that trickles in is never silent: it has a deadline of its own.
        secs = 2 * self.timeout_secs
        try:
            async with asyncio.timeout(secs):
                return await self._document(path)
        except TimeoutError:
            raise errors.ServerUnreachableError(
                f"no complete response to {path} in {secs:g} s", where=self.address.name
            ) from None

    async def _document(self, path: str) -> object:
        async with self.request("GET", path) as response:
            if response.status == 404:
                return None
            await raise_for_refusal(response, self.address.name, self.timeout_secs)
            return _parse(await _bounded(response), self.address.name)

    def read(self, path: str, document: object, read: Callable[[object], T]) -> T:
        """The document of `path` as a value.

        Raises:
            errors.NotAServerError: there is none, or it is not such a document.
        """
        where = self.address.name
        if document is None:
            raise errors.NotAServerError(
                f"{path} answered 404: another program listens there", where=where
            )
        try:
            return read(document)
        except errors.ProtocolError as error:
            raise errors.NotAServerError(error.message, where=where) from None

    def _meaning(self, error: BaseException, silence_secs: float) -> errors.ServerError:
        """A failure of sockets or of HTTP as a leaf of `errors`."""
        where = self.address.name
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return errors.ServerUnreachableError(
                f"no connection within {_CONNECT_SECS:g} s", where=where
            )
        if isinstance(error, TimeoutError):
            return errors.ServerUnreachableError(f"silent for {silence_secs:g} s", where=where)
        if (of_tls := tls_error(error, where)) is not None:
            return of_tls
        if isinstance(error, aiohttp.ClientPayloadError):
            return errors.StreamCutError("the response ended early", where=where)
        if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL):
            return errors.NotAServerError("the response is not HTTP", where=where)
        hung_up = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
        refused = isinstance(error, aiohttp.ClientConnectorError)
        return errors.ServerUnreachableError(
            f"no connection ({_reason(error)})",
            where=where,
            hint=_HUNG_UP if hung_up and where.startswith("https:") and not refused else None,
        )


def _timeout(silence_secs: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=_CONNECT_SECS, sock_read=silence_secs)


def _tracing() -> aiohttp.TraceConfig:
    """Notifies a `RequestDeadlines` when its request has a connection."""

    async def connected(_session: aiohttp.ClientSession, context: Any, _params: object) -> None:
        context.trace_request_ctx.connected()

    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(connected)
    return tracing


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MAX_DOCUMENT:
            raise errors.NotAServerError(
                f"an answer of more than {_MAX_DOCUMENT} bytes", where=str(response.url.host)
            )
    return bytes(body)


def _parse(body: bytes, where: str) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise errors.NotAServerError(
            "the response is not JSON: another program listens there", where=where
        ) from None


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)  # asyncio's own text names the call, not the reason
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
