"""One server: its sockets, its documents, and what its failures mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, TypeVar

import aiohttp
import orjson

from musetalk_fast import errors
from musetalk_fast.client.address import Address
from musetalk_fast.client.refusals import raise_for_refusal
from musetalk_fast.wire.requests import Health, Info

T = TypeVar("T")

_LONGEST_DOCUMENT = 1 << 20
_READ_BUFFER = 1 << 20
"""Bytes read ahead of the parser: above it the socket is paused."""
_CONNECT_SECS = 10.0


class Connection:
    """HTTP to one server, for as long as the context is open.

    Args:
        address: where it listens.
        timeout_secs: longest silence before it counts as failed.
    """

    def __init__(self, address: Address, timeout_secs: float) -> None:
        self.address = address
        self._timeout_secs = timeout_secs
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Connection:
        connector = (
            aiohttp.UnixConnector(self.address.socket)
            if self.address.socket
            else aiohttp.TCPConnector(limit=16)
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_SECS, sock_read=self._timeout_secs
            ),
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
        self, method: str, path: str, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request and give its answer, whatever its status; redirects are not followed.

        Raises:
            errors.ServerUnreachableError: no connection, or silence beyond the time-out.
            errors.StreamCutError: the connection broke inside the body.
        """
        assert self._session is not None
        where = self.address.name
        try:
            async with self._session.request(
                method, self.address.base + path, allow_redirects=False, **options
            ) as response:
                yield response
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise errors.ServerUnreachableError(
                f"silent for {self._timeout_secs:g} s", where=where
            ) from error
        except aiohttp.ClientPayloadError as error:
            raise errors.StreamCutError("the answer ended early", where=where) from error
        except (aiohttp.ClientResponseError, aiohttp.InvalidURL) as error:
            raise errors.NotAServerError("what answers is not HTTP", where=where) from error
        except (aiohttp.ClientError, OSError) as error:
            raise errors.ServerUnreachableError(
                f"no connection ({_reason(error)})", where=where
            ) from error

    async def health(self) -> Health:
        """`GET /health`.

        Raises:
            errors.NotAServerError: what answers is no MuseTalk server of this protocol.
        """
        return await self._document("/health", Health.from_json)

    async def info(self) -> Info:
        """`GET /v1/info`.

        Raises:
            errors.NotAServerError: as `health`.
        """
        return await self._document("/v1/info", Info.from_json)

    async def _document(self, path: str, read: Callable[[object], T]) -> T:
        async with self.request("GET", path) as response:
            if response.status == 404 or 300 <= response.status < 400:
                raise errors.NotAServerError(
                    f"{path} answered {response.status}: another program listens there",
                    where=self.address.name,
                )
            await raise_for_refusal(response, self.address.name)
            document = _parse(await _bounded(response), self.address.name)
        try:
            return read(document)
        except errors.ProtocolError as error:
            raise errors.NotAServerError(error.message, where=self.address.name) from None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _LONGEST_DOCUMENT:
            raise errors.NotAServerError(
                f"an answer of more than {_LONGEST_DOCUMENT} bytes", where=str(response.url.host)
            )
    return bytes(body)


def _parse(body: bytes, where: str) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise errors.NotAServerError(
            "the answer is not JSON: another program listens there", where=where
        ) from None


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
