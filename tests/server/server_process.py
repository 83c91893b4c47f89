"""Starts server processes and talks to them as a client of our own making would."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from musetalk_fast.types import CropEncoding
from musetalk_fast.wire.media_types import BINARY, StreamWire
from musetalk_fast.wire.messages import Frame, Message

LAUNCHER = Path(__file__).with_name("serve_pattern.py")


@dataclass
class Process:
    """A running server."""

    child: subprocess.Popen[str]
    address: str

    def stop(self, number: int) -> int:
        self.child.send_signal(number)
        return self.child.wait(60)


@contextmanager
def running(**asked: Any) -> Iterator[Process]:
    """A server process with the pattern engine; `asked` has `engine`, `limits` and `options`."""
    pass_fds = [asked["options"]["lifeline"]] if "lifeline" in asked.get("options", {}) else []
    # One that is killed cannot take its store away.
    folder = tempfile.TemporaryDirectory(prefix="server-", ignore_cleanup_errors=True)
    child = subprocess.Popen(
        [sys.executable, str(LAUNCHER), json.dumps(asked)],
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=pass_fds,
        env=os.environ | {"TMPDIR": folder.name},
    )
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        assert line.startswith("listening on "), line
        yield Process(child, line.removeprefix("listening on ").strip())
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
        child.stdout.close()
        folder.cleanup()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def avatar(**members: Any) -> bytes:
    """An avatar of the pattern engine."""
    return json.dumps(members).encode()


def speech(secs: float = 1.0, first: int = 1) -> bytes:
    """A recording as the server wants it."""
    pcm = np.full(int(secs * 16_000), 100, "<i2")
    pcm[:1] = first
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(16_000)
        wav.writeframes(pcm.tobytes())
    return file.getvalue()


class Client:
    """One session with one server."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session = session
        self.base = base

    async def get(self, path: str) -> Any:
        async with self.session.get(self.base + path) as response:
            return await response.json()

    async def put(self, data: bytes) -> str:
        """Upload an asset; its name."""
        name = sha256(data)
        url = f"{self.base}/v1/assets/{name}"
        async with self.session.put(url, data=io.BytesIO(data)) as response:
            assert response.status in (200, 201), await response.text()
        return name

    @asynccontextmanager
    async def post(
        self, path: str, body: object, accept: str = BINARY.media_type
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        async with self.session.post(
            self.base + path, json=body, headers={"Accept": accept}
        ) as response:
            yield response

    async def refusal(self, path: str, body: object) -> tuple[int, dict[str, Any]]:
        """What a POST is refused with."""
        async with self.post(path, body) as response:
            return response.status, await response.json()

    async def messages(self, path: str, body: object, wire: StreamWire = BINARY) -> list[Message]:
        """A complete stream."""
        async with self.post(path, body, wire.media_type) as response:
            assert response.status == 200, await response.text()
            assert response.content_type == wire.media_type
            decoder = wire.codec().Decoder()
            found = []
            while chunk := await response.content.readany():
                found += decoder.feed(chunk)
            decoder.close()
            return found

    async def frames_body(self, start: int, stop: int, **members: Any) -> dict[str, Any]:
        """A body for `/v1/frames`, its assets uploaded."""
        picture = members.pop("avatar", avatar())
        sound = members.pop("audio", speech())
        return {
            "avatar": await self.put(picture),
            "audio": await self.put(sound),
            "fps": [25, 1],
            "start": start,
            "stop": stop,
            "sources": [[0, 0, stop - start]] if stop > start else [],
        } | members


@asynccontextmanager
async def client_of(address: str, secs: float | None = 60.0) -> AsyncIterator[Client]:
    """A session; `address` as the server prints it. No request takes longer than `secs`."""
    path = address.removeprefix("unix:")
    connector = aiohttp.UnixConnector(path) if path != address else None
    base = "http://localhost" if path != address else address
    timeout = aiohttp.ClientTimeout(total=secs)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield Client(session, base)
    await asyncio.sleep(0)  # sockets close in the next round of the loop


async def until(condition: Callable[[], bool], secs: float = 60.0) -> None:
    """Wait for something another process does."""
    end = time.monotonic() + secs
    while not condition():
        assert time.monotonic() < end, "what was waited for has not come"
        await asyncio.sleep(0.02)


def frames_of(messages: list[Message]) -> list[Frame]:
    return [message for message in messages if isinstance(message, Frame)]


def pixels(frame: Frame) -> np.ndarray:  # type: ignore[type-arg]
    from musetalk_fast.wire.crop_codec import CropReader

    assert frame.encoding in CropEncoding
    return np.array(CropReader().read(frame)).reshape(-1, 256, 3)


def journal(path: Path) -> list[tuple[str, float, int, int]]:
    """What the engine noted: (verb, monotonic time, count, detail)."""
    lines = [line.split() for line in path.read_text().splitlines()]
    return [(verb, float(at), int(count), int(detail)) for verb, at, count, detail in lines]
