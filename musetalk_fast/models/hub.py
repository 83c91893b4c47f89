"""The hub over HTTP: what it says of a file, and the file's bytes from any place on.

Not huggingface_hub (2.4): of what plain HTTP has brought it compares the length and no digest, it
replaces a file that is there and differs, and its log repeats signed addresses.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from musetalk_fast.client.address import Address
from musetalk_fast.client.connection_errors import CONNECT_SECS, connection_error
from musetalk_fast.client.http_proxy import HttpProxy, proxy_for
from musetalk_fast.errors import (
    HubError,
    HubUnreachableError,
    MuseTalkError,
    ServerError,
)
from musetalk_fast.models.digest import GIT_DIGITS, SHA256_DIGITS, ContentName
from musetalk_fast.models.hub_access import HubAccess
from musetalk_fast.models.hub_answers import (
    has_all_facts,
    note_facts,
    raise_for_status,
    redirect_target,
)
from musetalk_fast.models.published_files import PublishedFile
from musetalk_fast.threads import thread_errors

SILENCE_SECS = 60.0
_MAX_REDIRECTS = 8
_READ_BUFFER = 1 << 20
_HEX = re.compile(f"[0-9a-f]{{{SHA256_DIGITS}}}|[0-9a-f]{{{GIT_DIGITS}}}")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class Hub:
    """The hub, for as long as the context is open."""

    def __init__(self, access: HubAccess, silence_secs: float = SILENCE_SECS) -> None:
        self._access = access
        self._silence_secs = silence_secs
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Hub:
        self._session = aiohttp.ClientSession(
            headers={"Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(
                total=None, connect=CONNECT_SECS, sock_read=self._silence_secs
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

    async def content_name(self, file: PublishedFile) -> ContentName:
        """What the hub says of a file at its revision.

        Raises:
            errors.HubError: the leaf that says what went wrong; what it says cannot be.
        """
        known: dict[str, str] = {}
        async with self._response("HEAD", file, known=known):
            pass
        where = self._url(file)
        if known.get("X-Repo-Commit") != file.revision:
            said = "no commit" if "X-Repo-Commit" not in known else "another commit"
            raise HubError(f"{said} where {file.revision[:12]} was asked for", where=where)
        etag = known.get("X-Linked-ETag") or known.get("ETag", "")
        etag = etag.removeprefix("W/").strip('"').lower()
        size = known.get("X-Linked-Size") or known.get("Content-Length", "")
        if not _HEX.fullmatch(etag):
            raise HubError("it says no digest of the file", where=where)
        if not (size.isascii() and size.isdigit()) or not 0 < int(size[:20]) <= file.most_bytes:
            raise HubError(
                f"the file is said to have {size[:20] or 'no'} bytes, not about {file.about_bytes}",
                where=where,
            )
        return ContentName(etag, int(size))

    @asynccontextmanager
    async def content(
        self, file: PublishedFile, name: ContentName, start: int
    ) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """The bytes of a file: from where on they come, 0 if it knows no ranges, and they.

        Raises:
            errors.HubError: the leaf that says what went wrong.
        """
        headers = {"Range": f"bytes={start}-"} if start else {}
        async with self._response("GET", file, headers) as response:
            if response.status == 206:
                found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
                if found is None or (int(found[1]), int(found[3])) != (start, name.size):
                    raise HubUnreachableError("another range than asked for", where=self._url(file))
            else:
                start = 0
            yield start, response.content.iter_any()

    @asynccontextmanager
    async def _response(
        self,
        method: str,
        file: PublishedFile,
        headers: Mapping[str, str] | None = None,
        known: dict[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer of 2xx behind all redirects; what each one says of the file goes to `known`.

        With `known`, a redirect is an answer as soon as all is known.
        """
        url, where = self._url(file), self._url(file)
        for _ in range(_MAX_REDIRECTS):
            async with self._ask(method, url, headers or {}, where) as response:
                if known is not None:
                    note_facts(response, known)
                target = redirect_target(
                    response.status, response.headers.get("Location"), url, where
                )
                if target is None or (known is not None and has_all_facts(known)):
                    if target is None:
                        raise_for_status(response, where)
                    yield response
                    return
                url = target
        raise HubError(f"more than {_MAX_REDIRECTS} redirects", where=where)

    @asynccontextmanager
    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str], where: str
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request, shown the token only where it goes to the endpoint itself."""
        assert self._session is not None
        address = Address(where, _origin(url))
        proxy = proxy_for(address)
        sent = {**headers, **self._authorization(url)}
        try:
            with thread_errors():
                asking = self._session.request(
                    method, url, allow_redirects=False, **_through(proxy, url, sent)
                )
                async with asking as response:
                    yield response
        except (aiohttp.ClientError, OSError) as error:
            raise self._failure(error, address, proxy) from error

    def _failure(
        self, error: Exception, address: Address, proxy: HttpProxy | None
    ) -> MuseTalkError:
        """As a leaf of ours; what is no matter of a server (open files, memory) stays as it is."""
        known = connection_error(error, address, proxy, self._silence_secs)
        if not isinstance(known, ServerError):
            return known
        return HubUnreachableError(known.message, where=address.name)

    def _authorization(self, url: str) -> dict[str, str]:
        access = self._access
        is_theirs = _origin(url) == _origin(access.endpoint.base)
        if access.token is None or not is_theirs or not access.may_send_token:
            return {}
        return {"Authorization": f"Bearer {access.token}"}

    def _url(self, file: PublishedFile) -> str:
        path = f"{file.repository}/resolve/{file.revision}/{quote(file.path)}"
        return f"{self._access.endpoint.base}/{path}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _through(proxy: HttpProxy | None, url: str, headers: dict[str, str]) -> dict[str, Any]:
    """The options of a request: with TLS only `CONNECT` shows the proxy a password."""
    if proxy is None:
        return {"headers": headers}
    if url.startswith("https:"):
        return {"headers": headers, "proxy": proxy.url, "proxy_headers": proxy.headers}
    return {"headers": {**headers, **proxy.headers}, "proxy": proxy.url}
