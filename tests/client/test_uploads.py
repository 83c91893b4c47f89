"""Assets are sent once, completely, with progress, and refusals are raised."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from raw_responses import answering

from musetalk_fast import errors
from musetalk_fast.client.uploads import ensure_asset

DATA = os.urandom(700_001)
NAME = hashlib.sha256(DATA).hexdigest()


@dataclass
class Store:
    """Keeps what is put, or refuses it."""

    head_status: int | None = None
    put_status: int = 201
    reads: bool = True
    kept: dict[str, bytes] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.calls.append(request.method)
        name = request.path.removeprefix("/v1/assets/")
        if request.method == "HEAD":
            return web.Response(status=self.head_status or (200 if name in self.kept else 404))
        assert request.headers["Content-Length"] == str(len(DATA))
        if self.reads:
            self.kept[name] = await request.read()
        return web.json_response({"code": "X", "message": "as scripted"}, status=self.put_status)


@pytest.mark.parametrize("as_file", [False, True])
async def test_asked_first_and_sent_once(tmp_path: Path, as_file: bool) -> None:
    (tmp_path / "a").write_bytes(DATA)
    content = tmp_path / "a" if as_file else DATA
    reported: list[tuple[int, int]] = []
    store = Store()
    async with answering(store.answer) as connection:
        sent = [
            await ensure_asset(connection, NAME, content, lambda *each: reported.append(each))
            for _ in range(2)
        ]
    assert sent == [True, False]
    assert store.calls == ["HEAD", "PUT", "HEAD"]
    assert store.kept == {NAME: DATA}
    done = [now for now, _ in reported]
    assert done == sorted(done)
    assert reported[-1] == (len(DATA), len(DATA))


@pytest.mark.parametrize(
    ("store", "kind"),
    [
        (Store(head_status=401), errors.NotAuthorisedError),
        (Store(head_status=500), errors.ServerFailedError),
        (Store(head_status=503), errors.ServerBusyError),
        (Store(put_status=401), errors.NotAuthorisedError),
        (Store(put_status=409), errors.ServerFailedError),
        (Store(put_status=413), errors.ServerRefusedError),
        (Store(put_status=507), errors.ServerFailedError),
    ],
    ids=lambda each: f"{each.head_status}-{each.put_status}" if isinstance(each, Store) else "",
)
async def test_a_refusal(store: Store, kind: type[errors.ServerError]) -> None:
    async with answering(store.answer) as connection:
        with pytest.raises(kind) as caught:
            await ensure_asset(connection, NAME, DATA, lambda *_: None)
    assert caught.value.where == connection.address.name
    assert ("PUT" in store.calls) is (store.head_status is None)


async def test_a_refusal_before_the_body_was_read() -> None:
    store = Store(put_status=413, reads=False)
    async with answering(store.answer) as connection:
        with pytest.raises(errors.ServerRefusedError, match="as scripted"):
            await ensure_asset(connection, NAME, DATA, lambda *_: None)


async def test_an_empty_asset() -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=404 if request.method == "HEAD" else 201)

    async with answering(answer) as connection:
        assert await ensure_asset(connection, NAME, b"", lambda *_: None)


async def test_a_server_that_takes_no_more_bytes() -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        if request.method == "HEAD":
            return web.Response(status=404)
        await asyncio.sleep(20)  # the body stays in the sockets' buffers until they are full
        return web.Response(status=201)

    data = bytes(64 << 20)
    async with answering(answer, timeout_secs=0.4) as connection:
        with pytest.raises(errors.ServerUnreachableError, match=r"takes no bytes for 0\.4 s"):
            await ensure_asset(connection, NAME, data, lambda *_: None)


async def test_a_server_that_is_slow_to_answer_an_upload() -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        if request.method == "HEAD":
            return web.Response(status=404)
        await request.read()
        await asyncio.sleep(20)
        return web.Response(status=201)

    async with answering(answer, timeout_secs=0.4) as connection:
        with pytest.raises(errors.ServerUnreachableError, match=r"silent for 0\.4 s"):
            await ensure_asset(connection, NAME, DATA, lambda *_: None)
