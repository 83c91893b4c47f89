"""A small hub on loopback, as the real one answers: redirects, metadata, ranges; and with faults.

Large files are at another origin (another port), to which the hub redirects with its metadata in
headers; small ones behind a relative redirect.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

from musetalk_fast.models.published_files import (
    MUSETALK_10_UNET,
    MUSETALK_15,
    OPTIONAL,
    PublishedFile,
)

SMALL_BYTES = 1000


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def blob_name(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass
class LoopbackHub:
    """What it has, what it does wrong, and what it was asked.

    Attributes:
        cuts: bytes after which each next body ends.
        statuses: of each next answer to a GET (`get`) or HEAD, before anything is right again.
        changed: contents sent in place of the right ones.
        overridden: headers of the metadata; None: left out.
    """

    contents: dict[str, bytes]
    endpoint: str = ""
    cuts: list[int] = field(default_factory=list)
    get_statuses: list[int] = field(default_factory=list)
    head_statuses: list[int] = field(default_factory=list)
    changed: dict[str, bytes] = field(default_factory=dict)
    overridden: dict[str, str | None] = field(default_factory=dict)
    knows_ranges: bool = True
    range_shift: int = 0
    silent: bool = False
    redirects_to: str | None = None
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    bytes_sent: int = 0

    def of(self, file: PublishedFile) -> bytes:
        return self.contents[f"/{file.repository}/resolve/{file.revision}/{file.path}"]

    def requests(self, method: str, origin: str) -> list[str]:
        return [path for asked, path, headers in self.asked
                if asked == method and headers["from"] == origin]  # fmt: skip


def contents() -> dict[str, bytes]:
    """A few bytes for each published file, those of weights longer than `SMALL_BYTES`."""
    made = {}
    for number, file in enumerate((*MUSETALK_15, MUSETALK_10_UNET, *OPTIONAL)):
        data = b'{"_": "%d"}' if file.about_bytes < 10_000 else b"weights %d," % number * 2000
        path = f"/{file.repository}/resolve/{file.revision}/{file.path}"
        made[path] = data % number if b"%d" in data else data
    return made


class _Handlers:
    def __init__(self, hub: LoopbackHub) -> None:
        self.hub = hub
        self.storage = ""

    async def resolve(self, request: web.Request) -> web.StreamResponse:
        hub, path = self.hub, request.path
        self._note(request, "hub")
        statuses = hub.head_statuses if request.method == "HEAD" else hub.get_statuses
        if statuses and (status := statuses.pop(0)) != 200:
            return web.Response(status=status, headers={"Retry-After": "7"})
        if hub.redirects_to is not None:
            return web.Response(status=302, headers={"Location": hub.redirects_to})
        data = hub.contents.get(path)
        if data is None:
            return web.Response(status=404)
        revision = path.split("/resolve/")[1].split("/")[0]
        headers = {"X-Repo-Commit": revision, "ETag": '"of-the-redirect"'}
        if len(data) < SMALL_BYTES:
            return web.Response(
                status=307, headers=self._meta({**headers, "Location": f"/cache{path}"})
            )
        headers |= {"X-Linked-ETag": f'"{sha256(data)}"', "X-Linked-Size": str(len(data))}
        target = f"{self.storage}{path}?signature=secret"
        return web.Response(status=302, headers=self._meta({**headers, "Location": target}))

    async def cached(self, request: web.Request) -> web.StreamResponse:
        """A small file."""
        self._note(request, "hub")
        path = request.path.removeprefix("/cache")
        data = self.hub.contents[path]
        revision = path.split("/resolve/")[1].split("/")[0]
        headers = self._meta({"X-Repo-Commit": revision, "ETag": f'"{blob_name(data)}"'})
        if request.method == "HEAD":
            return web.Response(headers={**headers, "Content-Length": str(len(data))})
        return await self._send(request, self.hub.changed.get(path, data), headers)

    async def stored(self, request: web.Request) -> web.StreamResponse:
        """A large file, at the other origin."""
        self._note(request, "storage")
        assert request.query["signature"] == "secret"
        data = self.hub.changed.get(request.path, self.hub.contents[request.path])
        return await self._send(request, data, {})

    async def _send(
        self, request: web.Request, data: bytes, headers: dict[str, str]
    ) -> web.StreamResponse:
        hub, status = self.hub, 200
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if asked and hub.knows_ranges:
            start, whole = int(asked[1]) + hub.range_shift, len(data)
            status, headers = (
                206,
                {**headers, "Content-Range": f"bytes {start}-{whole - 1}/{whole}"},
            )
            data = data[start:]
        response = web.StreamResponse(
            status=status, headers={**headers, "Content-Length": str(len(data))}
        )
        await response.prepare(request)
        while hub.silent and request.transport and not request.transport.is_closing():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        sent = data[: hub.cuts.pop(0)] if hub.cuts else data
        hub.bytes_sent += len(sent)
        await response.write(sent)
        if len(sent) < len(data):
            assert request.transport is not None
            request.transport.close()
        return response

    def _meta(self, headers: dict[str, str]) -> dict[str, str]:
        merged = {**headers, **{k: v for k, v in self.hub.overridden.items() if k in headers}}
        return {name: value for name, value in merged.items() if value is not None}

    def _note(self, request: web.Request, origin: str) -> None:
        self.hub.asked.append((request.method, request.path, {**request.headers, "from": origin}))


@contextmanager
def serving_hub() -> Iterator[LoopbackHub]:
    """Serve in a thread, while the context is open."""
    hub = LoopbackHub(contents())
    handlers, loop, ready = _Handlers(hub), asyncio.new_event_loop(), threading.Event()

    async def start() -> list[web.AppRunner]:
        runners = []
        for is_hub in (False, True):
            app = web.Application()
            if is_hub:
                app.router.add_route("*", "/cache/{tail:.*}", handlers.cached)
            app.router.add_route("*", "/{tail:.*}", handlers.resolve if is_hub else handlers.stored)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            address = f"http://127.0.0.1:{runner.addresses[0][1]}"
            if is_hub:
                hub.endpoint = address
            else:
                handlers.storage = address
            runners.append(runner)
        return runners

    def run() -> None:
        asyncio.set_event_loop(loop)
        runners = loop.run_until_complete(start())
        ready.set()
        loop.run_forever()
        for runner in runners:
            loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    try:
        yield hub
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
