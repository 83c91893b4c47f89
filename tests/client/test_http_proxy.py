"""Proxies that the environment names: which servers are reached through them, and how."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from certificates import make_certificates

from musetalk_fast import errors
from musetalk_fast.client.address import parse_address
from musetalk_fast.client.connection import Connection
from musetalk_fast.client.credentials import load_credentials
from musetalk_fast.client.http_proxy import proxy_for
from musetalk_fast.config import ServerSettings

USER = "Basic " + base64.b64encode(b"anna:p@ss").decode()


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({"HTTP_PROXY": "http://proxy:3128"}, "http://gpu:8000", "http://proxy:3128"),
        ({"http_proxy": "proxy:3128/"}, "HTTP://gpu", "http://proxy:3128"),
        ({"https_proxy": "http://[fd00::1]:8080"}, "https://gpu", "http://[fd00::1]:8080"),
        ({"ALL_PROXY": "http://proxy"}, "https://gpu", "http://proxy"),
        ({"ALL_PROXY": "socks5://x", "HTTP_PROXY": "http://y"}, "http://gpu", "http://y"),
        ({"HTTP_PROXY": "http://proxy"}, "https://gpu", None),
        ({"HTTP_PROXY": ""}, "http://gpu", None),
        *(
            ({"HTTP_PROXY": "http://proxy", "NO_PROXY": names}, url, proxy)
            for names, url, proxy in (
                ("gpu", "http://gpu:8000", None),
                ("gpu:8000", "http://gpu:8000", None),
                ("gpu:8001", "http://gpu:8000", "http://proxy"),
                (".example.org", "http://gpu.example.org", None),
                ("10.0.0.7", "http://10.0.0.7", None),
                ("*", "http://gpu", None),
                ("other", "http://gpu", "http://proxy"),
            )
        ),
        *(
            ({"HTTP_PROXY": "socks5://nonsense", "ALL_PROXY": "http://proxy"}, url, None)
            for url in ("http://localhost:8000", "http://127.0.0.1", "http://[::1]", "unix:/s")
        ),
    ],
)
def test_which_proxy(
    variables: dict[str, str], url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = proxy_for(parse_address(url))
    assert (None if found is None else found.url) == proxy


@pytest.mark.parametrize("value", ["socks5://s3cret@proxy", "http://", "http://a:s3cret@[::1"])
def test_what_is_no_http_proxy(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", value)
    with pytest.raises(errors.InvalidSettingError) as caught:
        proxy_for(parse_address("http://gpu"))
    assert caught.value.where == "HTTP_PROXY"
    assert "NO_PROXY" in (caught.value.hint or "")
    assert "s3cret" not in str(caught.value)


@dataclass
class Proxy:
    """A small one: it asks for a password and passes on to one server, whatever its name is.

    Attributes:
        heads: first lines and headers of what it was asked.
        refuses: status of its answers, instead.
    """

    port: int
    heads: list[str] = field(default_factory=list)
    refuses: bytes | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        status = self.refuses or (None if USER in head else b"407 Proxy Authentication Required")
        if status is not None:
            writer.write(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)
            writer.close()
            return
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", self.port)
        if head.startswith("CONNECT"):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:  # an absolute address, which every server understands
            upstream.write(head.encode())
        await asyncio.gather(_copy(reader, upstream), _copy(upstream_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def proxied(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy with a server behind it; gives it and its address without the scheme."""

    async def health(_request: web.BaseRequest) -> web.Response:
        return web.json_response({"seen": True})

    runner = web.ServerRunner(web.Server(health), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    proxy = Proxy(runner.addresses[0][1])
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    try:
        yield proxy, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await runner.cleanup()


async def _ask(url: str, **settings: str) -> object:
    credentials = load_credentials(ServerSettings(**settings))  # type: ignore[arg-type]
    async with Connection(parse_address(url), 5.0, credentials) as connection:
        return await connection.document("/health")


async def test_a_server_behind_a_proxy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with proxied() as (proxy, place):
        monkeypatch.setenv("HTTP_PROXY", f"http://anna:p%40ss@{place}")
        assert await _ask("http://gpu.test:8000", api_key="k") == {"seen": True}
        assert proxy.heads[0].startswith("GET http://gpu.test:8000/health HTTP/1.1")
        assert "Authorization: Bearer k\r\n" in proxy.heads[0]
    files = make_certificates(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.elsewhere)
    async with proxied(context) as (proxy, place):
        monkeypatch.setenv("HTTPS_PROXY", f"http://anna:p%40ss@{place}")
        with pytest.raises(errors.TlsError, match="certificate is not valid"):
            await _ask("https://gpu.test:8000", api_key="k", ca_file=files.ca)
        assert proxy.heads[0].startswith("CONNECT gpu.test:8000 HTTP/1.1")
        assert "Bearer" not in proxy.heads[0]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_what_a_proxy_refuses(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url, variable = f"{scheme}://gpu.test:8000", f"{scheme.upper()}_PROXY"
    async with proxied() as (proxy, place):
        monkeypatch.setenv(variable, f"http://anna:wr0ng@{place}")
        with pytest.raises(errors.NotAuthorisedError, match="answered 407") as caught:
            await _ask(url)
        assert "USER:PASSWORD@" in (caught.value.hint or "")
        assert "wr0ng" not in str(caught.value)
        proxy.refuses = b"502 Bad Gateway"
        with pytest.raises(errors.ServerFailedError, match="answered 502"):
            await _ask(url)
    with pytest.raises(errors.ServerUnreachableError) as gone:
        await _ask(url)
    assert gone.value.message.startswith(f"no connection to the proxy http://{place} of {variable}")
    assert "NO_PROXY" in (gone.value.hint or "")
