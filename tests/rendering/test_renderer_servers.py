"""A renderer's servers, from one render to the next."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from musetalk_fast import Renderer, ServerSettings, Settings, errors

SPEECH = Path(__file__).parents[1] / "data/short.wav"
PORTRAIT = Path(__file__).parents[2] / "examples/portrait.png"

SLOW_IMPORT = """
import sys, threading
from importlib.machinery import PathFinder, SourceFileLoader

faces = threading.Event()

class SlowLoader(SourceFileLoader):
    def exec_module(self, module):
        print("faces were found meanwhile:", faces.wait(60))
        super().exec_module(module)

class SlowFinder:
    def find_spec(self, name, path=None, target=None):
        if name == "aiohttp":
            spec = PathFinder.find_spec(name, path)
            spec.loader = SlowLoader(name, spec.origin)
            return spec

sys.meta_path.insert(0, SlowFinder())
from musetalk_fast import ServerSettings, Settings, events, render

def listen(event):
    if isinstance(event, events.FacesEvent):
        faces.set()

url, *files = sys.argv[1:]
render(*files, Settings(server=ServerSettings(url=url)), on_event=listen)
"""


async def _relay(address: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    host, port = address.removeprefix("http://").split(":")
    there_reader, there_writer = await asyncio.open_connection(host, int(port))

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 16):
            target.write(data)
        target.close()

    await asyncio.gather(copy(reader, there_writer), copy(there_reader, writer))


async def test_servers_that_failed_beside_a_bad_input_are_opened_again(
    tmp_path: Path, preview_server: str
) -> None:
    socket = tmp_path / "socket"
    settings = Settings(server=ServerSettings(url=f"unix:{socket}"))
    async with Renderer(settings) as renderer:
        with pytest.raises(errors.InputError):
            await renderer.render(tmp_path / "no.png", SPEECH, tmp_path / "out.mp4")
        assert renderer._pool is not None
        await asyncio.wait({renderer._pool})
        assert isinstance(renderer._pool.exception(), errors.ServerError)
        server = await asyncio.start_unix_server(
            lambda reader, writer: _relay(preview_server, reader, writer), socket
        )
        async with server:
            (engine,) = await renderer.connect()
    assert engine.name == "preview"


async def test_whoever_is_cancelled_while_it_ends_leaves_no_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened, closed = asyncio.Event(), asyncio.Event()
    go = asyncio.Event()

    async def open_servers(
        _settings: Settings, stack: AsyncExitStack, *_: object, **__: object
    ) -> None:
        stack.callback(closed.set)
        opened.set()
        try:
            await asyncio.Event().wait()
        finally:
            await go.wait()

    monkeypatch.setattr("musetalk_fast.rendering.servers.open_servers", open_servers)
    renderer = Renderer(Settings())
    renderer._start_servers()
    await opened.wait()
    leaving = asyncio.ensure_future(renderer.__aexit__(None, None, None))
    for _ in range(2):
        for _ in range(5):
            await asyncio.sleep(0)
        leaving.cancel()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert closed.is_set()


def test_inputs_load_while_the_client_is_imported(tmp_path: Path, preview_server: str) -> None:
    files = PORTRAIT, SPEECH, tmp_path / "out.mp4"
    command = [sys.executable, "-c", SLOW_IMPORT, preview_server, *files]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("faces were found meanwhile: True\n", "")
