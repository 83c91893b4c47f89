"""A server that is stopped ends the streams that run, to the last byte."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from in_process import server_in
from server_process import Client, Process, frames_of, running, speech

from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.wire import binary
from musetalk_fast.wire.messages import End, Message

FEWER = 16
"""Frames, some 20 KB: a server holds 64 KiB of a response before it waits for its client."""


def _asked(address: str, body: bytes, trusted: ssl.SSLContext | None) -> socket.socket:
    """A connection that has sent its request, and has little space for the response."""
    host, port = address.partition("://")[2].split(":")
    head = (
        f"POST /v1/frames HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Accept: application/vnd.musetalk.frames\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    connection.connect((host, int(port)))
    if trusted is not None:
        connection = trusted.wrap_socket(connection, server_hostname=host)
    connection.sendall(head.encode() + body)
    return connection


def _messages(response: bytes) -> list[Message]:
    """Those of a chunked response."""
    _head, _, left = response.partition(b"\r\n\r\n")
    stream = bytearray()
    while left:
        length, _, left = left.partition(b"\r\n")
        stream += left[: int(length, 16)]
        left = left[int(length, 16) + 2 :]
    decoder = binary.Decoder()
    found = decoder.feed(bytes(stream))
    decoder.close()
    return found


async def _jobs(client: Client) -> list[Any]:
    return (await client.get("/v1/jobs"))["jobs"]  # type: ignore[no-any-return]


async def _end_of_jobs(client: Client) -> None:
    for _ in range(3000):
        if not await _jobs(client):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it waits for its client")


async def _sent(client: Client) -> int:
    """Frames of the one stream that were sent, once there is no more space for them."""
    counts = [-1]
    while len(counts) < 10 or counts[-10] != counts[-1] or not counts[-1]:
        await asyncio.sleep(0.03)
        counts += [job["done"] for job in await _jobs(client) if job["stage"] == "streaming"]
    return counts[-1]


def _stop_and_read(process: Process, connection: socket.socket) -> bytes:
    """All of a response, of which nothing is read for a while."""
    process.child.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):  # it may wait for the client
        process.child.wait(1.0)
    got = bytearray()
    while chunk := connection.recv(65_536):
        got += chunk
    return bytes(got)


@asynccontextmanager
async def _trusting(address: str, trusted: ssl.SSLContext | None) -> AsyncIterator[Client]:
    connector = aiohttp.TCPConnector(ssl=trusted or True)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Client(session, address)


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[dict[str, Any], Any]:
    """What a server is started with, and what its clients trust."""
    if request.param == "http":
        return {}, None
    authority, trusted = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(trusted)
    pem = tmp_path / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(pem)
    return {"tls": {"cert": str(pem)}}, trusted


async def test_what_a_slow_client_has_still_to_read_is_sent_before_the_end(
    tls: tuple[dict[str, Any], Any],
) -> None:
    given, trusted = tls
    with running(send_bytes=32_768, **given) as process, ExitStack() as stack:
        async with _trusting(process.address, trusted) as client:

            async def ask(count: int) -> socket.socket:
                body = json.dumps(await client.frames_body(0, count, encoding="png")).encode()
                return stack.enter_context(_asked(process.address, body, trusted))

            with await ask(100_000):
                most = await _sent(client)
            await _end_of_jobs(client)
            count = most - FEWER
            connection = await ask(count)
            await _end_of_jobs(client)
        *_, last = messages = _messages(
            await asyncio.to_thread(_stop_and_read, process, connection)
        )
        assert isinstance(last, End)
        assert [frame.index for frame in frames_of(messages)] == list(range(count))
        assert process.child.wait(60) == 0


async def test_a_stream_that_fails_is_awaited_until_it_has_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last, were_idle = RefusalError.to_message, []

    def noted(refusal: RefusalError) -> Message:
        were_idle.append(server.services.limiter._idle.is_set())
        return last(refusal)

    monkeypatch.setattr(RefusalError, "to_message", noted)
    async with server_in(tmp_path) as server:
        body = await server.client.frames_body(0, 4, audio=speech(first=-13))
        await server.client.messages("/v1/frames", body)
        await asyncio.wait_for(server.services.limiter.idle(), 60)
    assert were_idle == [False]
