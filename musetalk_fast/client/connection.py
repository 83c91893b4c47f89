"""The connection to one server: its sockets, its documents, its failures as errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, TypeVar

import aiohttp
import orjson

from musetalk_fast import errors
from musetalk_fast.client import connection_errors
from musetalk_fast.client.address import Address
from musetalk_fast.client.connection_errors import connection_error, has_hung_up
from musetalk_fast.client.credentials import NOTHING, Credentials
from musetalk_fast.client.disconnects import failing_if_disconnected
from musetalk_fast.client.http_errors import first_line, raise_for_refusal
from musetalk_fast.client.http_proxy import HttpProxy, proxy_for
from musetalk_fast.client.request_deadlines import RequestDeadlines
from musetalk_fast.threads import thread_errors, wait_until_ended
from musetalk_fast.wire.requests import Health

T = TypeVar("T")

_MAX_DOCUMENT = 1 << 20
_READ_BUFFER = 1 << 20
"""Bytes read ahead of the parser: above it the socket is paused."""
_NO_LIMIT = 0
"""Of concurrent connections: the caller decides how many streams there should be."""


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
        self._sessions: tuple[aiohttp.ClientSession, ...] = ()
        self._proxy: HttpProxy | None = None

    async def __aenter__(self) -> Connection:
        self._proxy = proxy_for(self.address)
        self._sessions = self._session(), self._session(force_close=True)
        return self

    def _session(self, *, force_close: bool = False) -> aiohttp.ClientSession:
        socket, tls = self.address.socket, self._credentials.tls or True
        connector = (
            aiohttp.UnixConnector(socket, limit=_NO_LIMIT, force_close=force_close)
            if socket
            else aiohttp.TCPConnector(limit=_NO_LIMIT, ssl=tls, force_close=force_close)
        )
        return aiohttp.ClientSession(
            connector=connector,
            headers={"Accept-Encoding": "identity"},
            timeout=_timeout(self.timeout_secs),
            trace_configs=[_tracing()],
            read_bufsize=_READ_BUFFER,
            auto_decompress=False,
        )

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # All of them, even if we are cancelled while one closes.
        await wait_until_ended([asyncio.ensure_future(each.close()) for each in self._sessions])

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Callable[[], AsyncIterator[bytes]] | None = None,
        silence_secs: float | None = None,
        **options: Any,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and yield its response, whatever its status; redirects are not followed.

        An error that leaves the context does not repeat the key.

        Args:
            body: makes the body's pieces, again if it must be sent again; the time-out applies to
                each piece, not to all of it.
            silence_secs: longest silence, if not the connection's.

        Raises:
            errors.ServerUnreachableError: no connection, or silence beyond the time-out.
            errors.StreamCutError: the connection broke inside the body.
        """
        silence_secs = silence_secs or self.timeout_secs
        try:
            async with await self._response(method, path, body, silence_secs, options) as response:
                with failing_if_disconnected(response):
                    yield response
        except errors.MuseTalkError as error:
            self._credentials.redact(error)
            raise
        except (aiohttp.ClientError, OSError) as error:
            raise connection_error(error, self.address, self._proxy, silence_secs) from error

    async def _response(
        self,
        method: str,
        path: str,
        body: Callable[[], AsyncIterator[bytes]] | None,
        silence_secs: float,
        options: dict[str, Any],
    ) -> aiohttp.ClientResponse:
        """Ask; where a connection that was kept from before breaks first, once more on a new one.

        A peer may close what it has kept at any time, and some do so after every response.
        """
        options |= {"allow_redirects": False, "timeout": _timeout(silence_secs)}
        # Not the session's, which aiohttp sends to proxies as well.
        options["headers"] = {**options.get("headers", {}), **self._credentials.headers()}
        if self._proxy is not None:
            options |= self._through(self._proxy, options["headers"])
        keeping, fresh = self._sessions
        for session in (keeping, fresh):
            deadlines = RequestDeadlines(self.timeout_secs, silence_secs)
            if body is not None:
                options["data"] = deadlines.pieces(body())
            asking = session.request(
                method, self.address.base + path, trace_request_ctx=deadlines, **options
            )
            try:
                with thread_errors():  # names are looked up in one
                    return await deadlines.answer(asking, self.address.name)
            except aiohttp.ClientConnectionError as error:
                if session is fresh or not deadlines.is_reused or not has_hung_up(error):
                    raise
        raise AssertionError  # the second time it returns or raises

    def _through(self, proxy: HttpProxy, headers: Mapping[str, str]) -> dict[str, Any]:
        """The options of a request through a proxy: only `CONNECT` has headers of its own."""
        if self.address.base.startswith("https:"):
            return {"proxy": proxy.url, "proxy_headers": proxy.headers}
        return {"proxy": proxy.url, "headers": {**headers, **proxy.headers}}

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
            return _parse(await _bounded(response, self.address.name), self.address.name)

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


def _timeout(silence_secs: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=None, connect=connection_errors.CONNECT_SECS, sock_read=silence_secs
    )


def _tracing() -> aiohttp.TraceConfig:
    """Notifies a `RequestDeadlines` of the connection that its request has."""

    async def connected(_session: aiohttp.ClientSession, context: Any, _params: object) -> None:
        context.trace_request_ctx.connected()

    async def reused(_session: aiohttp.ClientSession, context: Any, _params: object) -> None:
        context.trace_request_ctx.is_reused = True

    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(connected)
    tracing.on_connection_reuseconn.append(reused)
    return tracing


async def _bounded(response: aiohttp.ClientResponse, where: str) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MAX_DOCUMENT:
            raise errors.NotAServerError(
                f"an answer of more than {_MAX_DOCUMENT} bytes", where=where
            )
    return bytes(body)


def _parse(body: bytes, where: str) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        words = first_line(body)
        raise errors.NotAServerError(
            "the response is not JSON: another program listens there"
            + (f" and says: {words}" if words else ""),
            where=where,
        ) from None
