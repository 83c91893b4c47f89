"""Who takes nothing of a response is let go, and only they, however slowly they read."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from in_process import head, server_in, wire_to
from server_process import Process, running, until

JSON = "application/json"
LITTLE = 16_384
MUCH = 212_992
"""A socket takes more only once a third of its buffer, twice as long, is free."""


@contextmanager
def _silent(process: Process, request: bytes) -> Iterator[None]:
    """A client that sends and never reads."""
    host, port = process.address.removeprefix("http://").split(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((host, int(port)))
        connection.sendall(request)
        yield


def _files(process: Process) -> int:
    return len(list(Path(f"/proc/{process.child.pid}/fd").iterdir()))


async def test_who_reads_no_response_at_all_is_let_go() -> None:
    """Neither while one is sent nor when all were written, which is what closes idle ones."""
    with running(limits={"stalled_secs": 0.5}, send_bytes=LITTLE) as process:
        before = _files(process)
        with _silent(process, head("GET", "/page/speech.flac") * 30):
            await until(lambda: _files(process) > before)
            await until(lambda: _files(process) == before, 10)
        with _silent(process, head("GET", "/page/speech.flac", Connection="close")):
            await until(lambda: _files(process) > before)
            await until(lambda: _files(process) == before, 10)


@pytest.mark.parametrize("send_bytes", [LITTLE, MUCH])
async def test_who_reads_slowly_is_not(tmp_path: Path, send_bytes: int) -> None:
    """A frame takes twice as long as a client may take nothing; so does a third of much."""
    async with (
        server_in(tmp_path, stalled_secs=0.2, send_bytes=send_bytes) as server,
        wire_to(server, 4096) as wire,
    ):
        body = json.dumps(await server.client.frames_body(0, 4)).encode()
        kind = {"Content_Type": JSON, "Content_Length": str(len(body)), "Connection": "close"}
        await wire.send(head("POST", "/v1/frames", Accept="*/*", **kind) + body)
        text = b""
        while piece := await wire.reader.read(7_000):
            text += piece
            await asyncio.sleep(0.02)
    assert text.endswith(b"\r\n0\r\n\r\n")
