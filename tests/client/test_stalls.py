"""A server that sends signs of life and no frames has failed after some time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from infer_server_process import padded
from raw_responses import answering
from scripted_server import FACE, Script, frame, message, serving, start

from musetalk_fast import OutputSettings, ServerSettings, Settings, errors, render_async
from musetalk_fast.client import infer as infers
from musetalk_fast.client.address import parse_address
from musetalk_fast.client.avatar_preparation import prepare_avatar
from musetalk_fast.client.connection import Connection
from musetalk_fast.client.frames import FrameStream, open_frames
from musetalk_fast.client.infer import InferRequest, open_infer
from musetalk_fast.config import ProcessingSettings
from musetalk_fast.kernels.png import encode_png
from musetalk_fast.types import AvatarOptions, CropEncoding, EngineIdentity, SourceRun
from musetalk_fast.wire.face_digest import FacesDigest
from musetalk_fast.wire.media_types import BINARY
from musetalk_fast.wire.requests import AvatarRequest, FramesRequest

REPOSITORY = Path(__file__).parents[2]
LIMIT_SECS = 0.4
PERIOD_SECS = 0.02
HEARTBEAT = message("heartbeat", {})

Say = Callable[[web.StreamResponse], Awaitable[None]]


class Pulse(Script):
    """Answers one path with what a test says, and then with signs of life until its client goes."""

    def __init__(self, path: str, say: Say, sign: bytes = HEARTBEAT) -> None:
        super().__init__()
        self.begun = 0
        self._path, self._say, self._sign = path, say, sign

    async def post_avatars(self, request: web.Request) -> web.StreamResponse:
        if self._path != "/v1/avatars":
            return await super().post_avatars(request)
        return await self._beat(request)

    async def post_frames(self, request: web.Request) -> web.StreamResponse:
        return await self._beat(request)

    async def _beat(self, request: web.Request) -> web.StreamResponse:
        self.begun += 1
        await request.read()
        response = web.StreamResponse(headers={"Content-Type": BINARY.media_type})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            await self._say(response)
            while True:
                await response.write(self._sign)
                await asyncio.sleep(PERIOD_SECS)
        return response


@asynccontextmanager
async def _connected(pulse: Pulse) -> AsyncIterator[Connection]:
    async with serving(pulse) as url:
        address = parse_address(url)
        connection = Connection(address, 20, frame_timeout_secs=LIMIT_SECS)
        async with connection, asyncio.timeout(60):
            yield connection


async def _nothing(_response: web.StreamResponse) -> None:
    pass


REQUEST = FramesRequest(
    avatar="0" * 64,
    options=AvatarOptions(),
    faces=None,
    audio="1" * 64,
    fps=Fraction(25),
    start=0,
    stop=75,
    sources=(SourceRun(0, 0, 75),),
    encoding=CropEncoding.RAW,
    window=True,
)


@asynccontextmanager
async def _frames(connection: Connection) -> AsyncIterator[FrameStream]:
    async with open_frames(
        connection, REQUEST, BINARY, EngineIdentity("scripted", "1", False)
    ) as stream:
        yield stream


async def _say_frames(count: int, response: web.StreamResponse) -> None:
    await response.write(start({"start": 0, "stop": 75}))
    for index in range(count):
        await response.write(frame(index, 2))


async def _take(stream: AsyncIterator[list[Any]], taken: list[int]) -> None:
    async for some in stream:
        taken += [each.index for each in some]


@pytest.mark.parametrize("frames", [0, 4])
async def test_heartbeats_and_no_frames(frames: int) -> None:
    taken: list[int] = []
    pulse = Pulse("/v1/frames", partial(_say_frames, frames))
    async with _connected(pulse) as connection, _frames(connection) as stream:
        with pytest.raises(errors.ServerSlowError, match=r"no frame in 0\.4 s") as caught:
            await _take(stream, taken)
        assert caught.value.where == connection.address.name
    assert taken == [*range(frames)]
    assert "frame_timeout_secs" in (caught.value.hint or "")


async def test_time_that_we_take_does_not_count() -> None:
    """Heartbeats that came meanwhile are read first when we are back."""
    pulse = Pulse("/v1/frames", partial(_say_frames, 1))
    async with _connected(pulse) as connection, _frames(connection) as stream:
        assert [frame.index for frame in await anext(stream)] == [0]
        await asyncio.sleep(2 * LIMIT_SECS)
        back = asyncio.get_running_loop().time()
        with pytest.raises(errors.ServerSlowError):
            await anext(stream)
        assert asyncio.get_running_loop().time() - back > 0.9 * LIMIT_SECS


async def _prepare(connection: Connection, reported: list[int]) -> None:
    request = AvatarRequest(avatar="0" * 64, options=AvatarOptions())
    await prepare_avatar(
        connection,
        request,
        BINARY,
        (512, 512),
        1,
        FacesDigest(),
        lambda done, _total: reported.append(done),
    )


@pytest.mark.parametrize("sign", ["heartbeat", "progress"])
async def test_a_preparation_that_does_not_move(sign: str) -> None:
    same = {"heartbeat": {}, "progress": {"stage": "prepare", "done": 3, "total": 9}}[sign]
    pulse = Pulse("/v1/avatars", _nothing, message(sign, same))
    async with _connected(pulse) as connection:
        with pytest.raises(errors.ServerSlowError, match=r"no face and no progress in 0\.4 s"):
            await _prepare(connection, [])


async def test_a_preparation_that_moves_may_take_longer() -> None:
    async def say(response: web.StreamResponse) -> None:
        began = asyncio.get_running_loop().time()
        done = 0
        while asyncio.get_running_loop().time() - began < 3 * LIMIT_SECS:
            done += 1
            await response.write(
                message("progress", {"stage": "prepare", "done": done, "total": 1000})
            )
            await asyncio.sleep(PERIOD_SECS)

    reported: list[int] = []
    async with _connected(Pulse("/v1/avatars", say)) as connection:
        began = asyncio.get_running_loop().time()
        with pytest.raises(errors.ServerSlowError):
            await _prepare(connection, reported)
        assert asyncio.get_running_loop().time() - began > 3 * LIMIT_SECS
    assert reported == [*range(1, len(reported) + 1)]


async def _infer(connection: Connection, folder: Path) -> None:
    sound = padded(folder, 16_000, Fraction(1))
    request = InferRequest(
        png=encode_png(FACE.mask), recording=sound, fps=Fraction(25), frames=25, width=64, height=64
    )
    async with open_infer(connection, request) as stream:
        await _take(stream, [])


async def test_line_breaks_and_no_complete_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(infers, "_PATIENCE", 0.1)

    async def beat(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            await response.write(b'{"fps": 25, "frames": [')
            while True:
                await response.write(b"\n")
                await asyncio.sleep(PERIOD_SECS)
        return response

    async with answering(beat, 20) as connection, asyncio.timeout(60):
        connection.frame_timeout_secs = LIMIT_SECS
        with pytest.raises(errors.ServerSlowError, match=r"no frame in 0\.5 s"):
            await _infer(connection, tmp_path)


async def test_a_render_is_tried_again_and_then_ends(tmp_path: Path) -> None:
    async def say(response: web.StreamResponse) -> None:
        await response.write(start({"start": 0, "stop": 75}))

    pulse = Pulse("/v1/frames", say)
    async with serving(pulse) as url:
        settings = Settings(
            server=ServerSettings(url=url, timeout_secs=20, frame_timeout_secs=LIMIT_SECS),
            output=OutputSettings(preset="ultrafast", sound="none"),
            processing=ProcessingSettings(max_retries=1),
        )
        files = REPOSITORY / "examples/portrait.png", REPOSITORY / "tests/data/short.wav"
        with pytest.raises(errors.ServerSlowError) as caught:
            async with asyncio.timeout(60):
                await render_async(*files, tmp_path / "out.mp4", settings)
    assert caught.value.exit_code == 69
    assert pulse.begun == 2
