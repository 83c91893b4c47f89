"""Which names a server answers to, and at which addresses it listens."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from in_process import head, server_in, wire_to

from musetalk_fast.errors import UsageError
from musetalk_fast.server.host_names import Hosts
from musetalk_fast.server.sockets import open_listener


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:80", "localhost.", "app.localhost:8000", "127.0.0.1:9"),
        *("127.8.9.10", "[::1]", "[::1]:8000", "::1", "[::ffff:127.0.0.1]"),
        *("gpu", "GPU:8000", "gpu.example.org.", "10.0.0.5:8000", "[fd00::5]:1", "[FD00:0::5]"),
    ],
)
def test_names_that_are_served(host: str) -> None:
    assert Hosts(["gpu", "GPU.example.org", "10.0.0.5", "[fd00::5]"]).has(host)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "localhost.evil.example", "evillocalhost", "128.0.0.1", "[::2]", ""),
        *("127.0.0.1.evil.example", "localhost:80:80", "user@localhost", "localhost/", "0.0.0.0"),
        *("[::1", "[localhost]x", "localhost evil", "gpu.evil", "127.1.evil"),
    ],
)
def test_names_that_are_not(host: str) -> None:
    assert not Hosts(["gpu"]).has(host)


@pytest.mark.parametrize("name", ["", "a b", "http://gpu", "gpu:8000", "gpu/path", "-gpu", "*.gpu"])
def test_names_that_cannot_be(name: str) -> None:
    with pytest.raises(UsageError, match="is no host name"):
        Hosts([name])


async def test_a_foreign_name_is_misdirected(tmp_path: Path) -> None:
    async with server_in(tmp_path, hosts=["gpu"]) as server, wire_to(server) as wire:
        for host in ("localhost:1", "gpu"):
            await wire.send(head("GET", "/health", host))
            assert (await wire.answer()).status == 200
        for path, host in (
            ("/health", "evil.example"),
            ("/v1/info", "evil.example:8000"),
            ("http://evil.example/health", "localhost"),
        ):
            await wire.send(head("GET", path, host))
            answer = await wire.answer()
            assert (answer.status, answer.document["code"]) == (421, "MTF-REQUEST-HOST")
            assert "--allow-host" in answer.document["hint"]


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("HTTP/1.1", 400),
        ("HTTP/1.1\r\nHost: localhost\r\nHost: evil.example", 400),
        ("HTTP/1.0", 200),
    ],
)
async def test_a_host_must_be_named_once(tmp_path: Path, lines: str, status: int) -> None:
    async with server_in(tmp_path, hosts=()) as server, wire_to(server) as wire:
        await wire.send(f"GET /health {lines}\r\n\r\n".encode())
        assert (await wire.answer()).status == status


async def test_a_server_without_names_answers_to_all(tmp_path: Path) -> None:
    async with server_in(tmp_path) as server, wire_to(server) as wire:
        await wire.send(head("GET", "/health", "any.example"))
        assert (await wire.answer()).status == 200


async def test_a_page_of_another_site_can_do_nothing(tmp_path: Path) -> None:
    """Without asking, a browser sends only what we refuse unread; and asking is not answered."""
    async with server_in(tmp_path, hosts=()) as server, wire_to(server) as wire:
        origin = {"Origin": "https://evil.example"}
        asks = origin | {"Access_Control_Request_Method": "POST"}
        for request, status in (
            (head("POST", "/infer", Content_Type="text/plain", Content_Length=0, **origin), 415),
            (head("OPTIONS", "/infer", **asks), 405),
            (head("GET", "/v1/info", **origin), 200),
        ):
            await wire.send(request)
            answer = await wire.answer()
            assert answer.status == status
            assert not [name for name in answer.headers if name.startswith("access-control")]


def _both(host: str, port: int, **_options: object) -> list[tuple[object, ...]]:
    kind = (socket.SOCK_STREAM, 6, "")
    return [
        (socket.AF_INET, *kind, ("127.0.0.1", port)),
        (socket.AF_INET6, *kind, ("::1", port, 0, 0)),
        (socket.AF_INET, *kind, ("127.0.0.1", port)),
    ]


def test_a_name_is_listened_at_by_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _both)
    with open_listener("localhost", 0, None) as listener:
        port = listener.sockets[0].getsockname()[1]
        if len(listener.sockets) == 1:
            pytest.skip("there is no IPv6 here")
        assert listener.address == f"http://localhost:{port}"
        assert listener.is_local
        for bound in listener.sockets:
            with socket.socket(bound.family) as client:
                client.connect(bound.getsockname())
        with pytest.raises(UsageError, match="in use"), open_listener("localhost", port, None):
            pass


def test_an_address_that_is_not_there_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(host: str, port: int, **_options: object) -> list[tuple[object, ...]]:
        absent = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("203.0.113.1", port))
        return [absent, *_both(host, port)[:1]]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    with open_listener("name", 0, None) as listener:
        port = listener.sockets[0].getsockname()[1]
        assert listener.address == f"http://127.0.0.1:{port}"


def test_who_reaches_a_listener(tmp_path: Path) -> None:
    for host, path, is_local in (
        ("127.0.0.1", None, True),
        ("0.0.0.0", None, False),
        ("127.0.0.1", tmp_path / "socket", False),
    ):
        with open_listener(host, 0, path) as listener:
            assert listener.is_local is is_local
