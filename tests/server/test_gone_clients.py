"""What clients do is nothing to write a traceback about: they go, they send nonsense."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys

from server_process import LAUNCHER, Client, client_of


def _started() -> subprocess.Popen[str]:
    command = [sys.executable, str(LAUNCHER), json.dumps({"engine": {"crop_secs": 0.001}})]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def test_nothing_is_logged() -> None:
    child = _started()
    try:
        assert child.stdout is not None
        address = child.stdout.readline().removeprefix("listening on ").strip()
        async with client_of(address) as client:
            body = json.dumps(await client.frames_body(0, 2000)).encode()
            await _send_what_is_not_packed(client)
        for number in range(6):
            _ask_and_go(address, body, read=number * 50_000)
        _send_what_is_no_http(address)
    finally:
        child.send_signal(signal.SIGTERM)
        _, log = child.communicate(timeout=60)
    assert log == ""


async def _send_what_is_not_packed(client: Client) -> None:
    url = f"{client.base}/v1/assets/{'0' * 64}"
    headers = {"Content-Encoding": "gzip"}
    async with client.session.put(url, data=b"not packed", headers=headers) as response:
        assert response.status == 400
        assert "gzip" in (await response.json())["message"]
        assert response.headers["Server"] == "musetalk-fast"


def _send_what_is_no_http(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    head = b"POST /infer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    for remainder in (b"Bad Header: y\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"):
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(head + remainder)
            assert b" 400 " in connection.recv(4096)


def _ask_and_go(address: str, body: bytes, read: int) -> None:
    host, port = address.removeprefix("http://").split(":")
    head = (
        f"POST /v1/frames HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Accept: application/vnd.musetalk.frames\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + body)
        while read > 0:
            read -= len(connection.recv(min(read, 65_536)))
        connection.shutdown(socket.SHUT_WR)
        for _ in range(20):  # it continues to write to a client that has gone
            connection.recv(65_536)
