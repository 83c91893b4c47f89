"""A server on loopback that sends exactly what a test scripts, bytes made by hand.

The binary wire is written here a second time, from docs/protocol.md, so that the client is held
against the document and not against our own encoder.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
from aiohttp import web

from musetalk_fast.kernels.png import encode_png
from musetalk_fast.types import Box, Face
from musetalk_fast.wire.face_digest import faces_digest

TYPES = {"start": 1, "face": 2, "frame": 3, "progress": 4, "heartbeat": 5, "end": 6, "error": 7}
HEADER = struct.Struct("<4sBBBBIIHHHHII")


def _table() -> list[int]:
    """Castagnoli, bit by bit, from its reflected polynomial 0x82F63B78."""
    table = []
    for byte in range(256):
        entry = byte
        for _ in range(8):
            entry = (entry >> 1) ^ (0x82F63B78 if entry & 1 else 0)
        table.append(entry)
    return table


TABLE = _table()


def crc32c(data: bytes) -> int:
    """CRC-32C, byte by byte."""
    value, table = 0xFFFFFFFF, TABLE
    for byte in data:
        value = table[(value ^ byte) & 255] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def message(
    kind: str,
    document: dict[str, object] | None = None,
    data: bytes = b"",
    *,
    encoding: int = 0,
    index: int = 0,
    source: int = 0,
    rows: tuple[int, int] = (0, 0),
    width: int = 0,
    length: int | None = None,
) -> bytes:
    """One binary message; `length` overrides the payload's true length."""
    text = b"" if document is None else json.dumps(document).encode()
    payload = text + data
    head = HEADER.pack(
        b"MTF1",
        *(TYPES[kind], 0, encoding, 0, index, source, *rows, width, len(text)),
        len(payload) if length is None else length,
        0,
    )[:28]
    return head + struct.pack("<I", crc32c(head + payload)) + payload


@functools.lru_cache(maxsize=128)
def frame(index: int, rows: int = 256, *, source: int = 0, width: int = 256) -> bytes:
    """A raw crop, mid-grey; kept, as its checksum takes 30 ms."""
    data = bytes([128]) * (rows * width * 3)
    return message(
        "frame", None, data, encoding=1, index=index, source=source, rows=(0, rows), width=width
    )


def digest(messages: Iterable[bytes]) -> str:
    """The `end` digest over complete messages."""
    return f"{crc32c(b''.join(raw[28:32] for raw in messages)):08x}"


FACE = Face(0, Box(200, 60, 120, 140), Box(210, 130, 100, 70), np.full((70, 100), 255, np.uint8))
FACES = faces_digest([FACE])

Streamer = Callable[[web.StreamResponse, dict[str, object]], Awaitable[None]]


def start(request: dict[str, object]) -> bytes:
    """A `start` that fits the request."""
    return message(
        "start",
        {
            "engine": "scripted",
            "model": "1",
            "faces": FACES,
            "start": request["start"],
            "stop": request["stop"],
            "encoding": "raw",
        },
    )


def full_stream(request: dict[str, object], rows: int = 256) -> list[bytes]:
    """A faultless answer to `POST /v1/frames`, message by message."""
    first, stop = int(str(request["start"])), int(str(request["stop"]))
    messages = [start(request), *(frame(index, rows) for index in range(first, stop))]
    return [*messages, message("end", {"count": stop - first, "digest": digest(messages)})]


@dataclass
class Script:
    """What the server answers; a test replaces what it wants to break."""

    health: dict[str, object] = field(
        default_factory=lambda: {
            "status": "healthy",
            "version": "1",
            "model_loaded": True,
            "gpu_available": False,
            "gpu_name": None,
            "engine": "scripted",
            "protocol": 1,
        }
    )
    info: dict[str, object] = field(default_factory=dict)
    """Members of `/v1/info` that are not the usual ones."""
    frames: Callable[[dict[str, object]], list[bytes]] = full_stream
    frames_status: int = 200
    frames_headers: dict[str, str] = field(default_factory=dict)
    put_bodies: list[bytes] = field(default_factory=list)
    put_answer: Callable[[], web.Response] | None = None
    requests: list[str] = field(default_factory=list)
    """Methods of the requests with a body."""
    stall: asyncio.Event | None = None
    face: Face = FACE

    async def get_health(self, _request: web.Request) -> web.Response:
        return web.json_response(self.health)

    async def get_info(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "engine": "scripted",
                "model": "1",
                "is_preview": False,
                "protocol": 1,
                "crop_size": 256,
                "encodings": ["raw", "jpeg", "png"],
                "wires": ["application/vnd.musetalk.frames"],
                "max_fps": 240,
                "max_size": 8192,
                "max_streams": 4,
                "max_asset_bytes": 1 << 30,
            }
            | self.info
        )

    async def head_asset(self, _request: web.Request) -> web.Response:
        return web.Response(status=404)

    async def put_asset(self, request: web.Request) -> web.Response:
        self.requests.append("PUT")
        if self.put_answer is not None:
            return self.put_answer()
        body = await request.read()
        assert hashlib.sha256(body).hexdigest() == request.match_info["sha256"]
        self.put_bodies.append(body)
        return web.json_response({}, status=201)

    async def post_avatars(self, request: web.Request) -> web.StreamResponse:
        face = self.face
        messages = [
            message("start", {"engine": "scripted", "model": "1", "start": 0, "stop": 1}),
            message(
                "face",
                {"source": 0, "box": list(face.box), "mask_box": list(face.mask_box)},
                encode_png(face.mask),
                encoding=3,
            ),
        ]
        end = {"count": 1, "digest": digest(messages), "faces": faces_digest([face])}
        return await self._stream(request, [*messages, message("end", end)])

    async def post_frames(self, request: web.Request) -> web.StreamResponse:
        self.requests.append("POST")
        if self.frames_status != 200:
            document = {"code": "MTF-X", "message": "made to fail", "hint": None}
            return web.json_response(
                document, status=self.frames_status, headers=self.frames_headers
            )
        return await self._stream(request, self.frames(await request.json()))

    async def _stream(self, request: web.Request, parts: list[bytes]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/vnd.musetalk.frames"})
        await response.prepare(request)
        for part in parts:
            if part == STALL:
                assert self.stall is not None
                await self.stall.wait()
            else:
                await response.write(part)
        return response


STALL = b"<stall>"


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[str]:
    """Run a script on a free port of loopback; gives its address."""
    app = web.Application(client_max_size=1 << 28)
    app.add_routes(
        [
            web.get("/health", script.get_health),
            web.get("/v1/info", script.get_info),
            web.head("/v1/assets/{sha256}", script.head_asset),
            web.put("/v1/assets/{sha256}", script.put_asset),
            web.post("/v1/avatars", script.post_avatars),
            web.post("/v1/frames", script.post_frames),
        ]
    )
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        if script.stall is not None:
            script.stall.set()
        await runner.cleanup()
