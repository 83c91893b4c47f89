"""Which wire a server is asked for: the best that both have, or the one that a setting names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from infer_server_process import infer_server, opened, pattern_server
from raw_responses import answering

from musetalk_fast import (
    OutputSettings,
    ProcessingSettings,
    RenderResult,
    ServerSettings,
    Settings,
    errors,
    render,
)
from musetalk_fast.client.message_stream import post_for_messages
from musetalk_fast.events import Event, ServerEvent
from musetalk_fast.wire.media_types import (
    BINARY,
    INFER,
    NDJSON,
    STREAM_WIRES,
    WIRES,
    StreamWire,
    Wire,
)

ROOT = Path(__file__).parents[2]
THEIR_INFO = {
    "engine": "theirs", "model": "1", "is_preview": False, "protocol": 1, "crop_size": 256,
    "encodings": ["raw"], "max_fps": 60, "max_size": 4096, "max_streams": 2,
    "max_asset_bytes": 1 << 20,
}  # fmt: skip


@pytest.fixture(scope="module")
def ours() -> Iterator[str]:
    with pattern_server() as address:
        yield address


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
async def test_our_server_has_every_wire(ours: str, wire: Wire) -> None:
    async with opened(ours, wire=wire.name) as server:
        assert server.wire == wire


async def test_auto_takes_the_best_one(ours: str) -> None:
    async with opened(ours) as server:
        assert server.wire == WIRES[0]
    listed = ["video/mp4", NDJSON.media_type, BINARY.media_type]  # in an order of its own
    with infer_server(info=[200, THEIR_INFO | {"wires": listed}]) as address:
        async with opened(address) as server:
            assert server.wire == BINARY


async def test_who_has_only_one_wire_is_asked_for_it() -> None:
    with infer_server(info=[200, THEIR_INFO | {"wires": [NDJSON.media_type]}]) as address:
        for setting in ("auto", "ndjson"):
            async with opened(address, wire=setting) as server:
                assert server.wire == NDJSON
        with pytest.raises(errors.ServerRefusedError) as caught:
            async with opened(address, wire="binary"):
                pass
    assert caught.value.where == address
    assert caught.value.message == "does not speak the wire binary; it has: ndjson"
    assert caught.value.hint == "--wire auto takes the best one that it has"


async def test_who_has_none_of_ours_is_refused_by_what_it_has() -> None:
    listed = ["video/mp4", "application/x-\x1b[2Jgone"]
    with infer_server(info=[200, THEIR_INFO | {"wires": listed}]) as address:
        for setting in ("auto", "binary", "ndjson"):
            with pytest.raises(errors.ServerRefusedError, match="it has: video/mp4, app") as caught:
                async with opened(address, wire=setting):
                    pass
            assert caught.value.message.isprintable()
    with (
        infer_server(info=[200, THEIR_INFO | {"wires": []}]) as address,
        pytest.raises(errors.ServerRefusedError, match="it has: none"),
    ):
        async with opened(address):
            pass


@pytest.mark.parametrize("wire", STREAM_WIRES, ids=lambda wire: wire.name)
async def test_who_knows_only_infer_is_not_asked_for_crops(wire: Wire) -> None:
    with infer_server() as address:
        for setting in ("auto", "infer"):
            async with opened(address, wire=setting) as server:
                assert server.wire == INFER
        with pytest.raises(errors.ServerRefusedError, match=f"wire {wire.name}; it has: infer"):
            async with opened(address, wire=wire.name):
                pass


@pytest.mark.parametrize("wire", STREAM_WIRES, ids=lambda wire: wire.name)
async def test_an_answer_on_another_wire_is_refused(wire: StreamWire) -> None:
    (other,) = (each for each in STREAM_WIRES if each != wire)

    body = b"<html>\n<h1>Sign in</h1>"

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=other.media_type)

    async with (
        answering(answer) as connection,
        post_for_messages(connection, "/v1/frames", {}, wire) as stream,
    ):
        with pytest.raises(
            errors.ProtocolError, match=f"answers with {other.media_type}, not"
        ) as caught:
            await anext(stream)  # type: ignore[arg-type]
    assert caught.value.message.endswith(f"{wire.media_type}: Sign in")


@asynccontextmanager
async def _without_binary(address: str, accepts: list[str]) -> AsyncIterator[str]:
    """A server that has not the binary wire: requests for it are refused, others passed on."""

    async def answer(request: web.Request) -> web.StreamResponse:
        accept = request.headers.get("Accept", "")
        if request.method == "POST":
            accepts.append(accept)
        if BINARY.media_type in accept:
            return web.json_response({"code": "MTF-REQUEST-ACCEPT", "message": "no"}, status=406)
        headers = {"Accept": accept, "Content-Type": request.headers.get("Content-Type", "")}
        async with (
            aiohttp.ClientSession(address) as session,
            session.request(
                request.method, request.path, data=await request.read(), headers=headers
            ) as found,
        ):
            if request.path == "/v1/info":
                return web.json_response(await found.json() | {"wires": [NDJSON.media_type]})
            return web.Response(
                body=await found.read(), status=found.status, content_type=found.content_type
            )

    async with answering(answer) as connection:
        yield connection.address.name


def _rendering(
    url: str, output: Path, wire: str, events: list[Event]
) -> Callable[[], RenderResult]:
    settings = Settings(
        server=ServerSettings(url=url, wire=wire, timeout_secs=20),
        output=OutputSettings(resolution=(256, 256), preset="ultrafast", sound="none"),
        processing=ProcessingSettings(max_retries=0),
    )
    avatar, speech = ROOT / "examples/portrait.png", ROOT / "tests/data/short.wav"
    return lambda: render(avatar, speech, output, settings, on_event=events.append)


@pytest.mark.parametrize("setting", ["auto", "ndjson"])
async def test_a_server_without_the_binary_wire_renders(
    ours: str, setting: str, tmp_path: Path
) -> None:
    """Its faces come on the same wire as its crops."""
    events: list[Event] = []
    accepts: list[str] = []
    async with _without_binary(ours, accepts) as url:
        await asyncio.to_thread(_rendering(url, tmp_path / "out.mp4", setting, events))
    assert [event.wire for event in events if isinstance(event, ServerEvent)] == ["ndjson"]
    assert len(accepts) > 1
    assert set(accepts) == {NDJSON.media_type}


async def test_every_wire_of_crops_makes_the_same_video(ours: str, tmp_path: Path) -> None:
    videos = set()
    for wire in STREAM_WIRES:
        events: list[Event] = []
        output = tmp_path / f"{wire.name}.mp4"
        await asyncio.to_thread(_rendering(ours, output, wire.name, events))
        assert [event.wire for event in events if isinstance(event, ServerEvent)] == [wire.name]
        videos.add(output.read_bytes())
    assert len(videos) == 1
