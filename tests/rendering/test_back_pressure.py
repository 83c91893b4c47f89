"""A server can send no more than fits when nothing is encoded: back-pressure reaches its socket."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import pytest
from active_segments import Encoder, member

from musetalk_fast.client.address import parse_address
from musetalk_fast.client.connection import Connection
from musetalk_fast.client.frames import open_frames
from musetalk_fast.planning import Segment
from musetalk_fast.rendering.segment import ActiveSegment, StreamStats
from musetalk_fast.types import AvatarOptions, CropEncoding, EngineIdentity, SourceRun
from musetalk_fast.wire.media_types import NDJSON, STREAM_WIRES, StreamWire
from musetalk_fast.wire.messages import Frame, Start
from musetalk_fast.wire.requests import FramesRequest
from musetalk_fast.wire.stream_encoder import StreamEncoder

FRAMES = 800
"""157 MB: far more than all buffers hold."""
CROP = bytes(256 * 256 * 3)
ENGINE = EngineIdentity("fast", "1", is_preview=False)
REQUEST = FramesRequest(
    avatar="a",
    options=AvatarOptions(),
    faces=None,
    audio="b",
    fps=Fraction(25),
    start=0,
    stop=FRAMES,
    sources=(SourceRun(0, 0, FRAMES),),
)
SEND_BUFFER = 1 << 16
FRAMES_HELD = 31 + 16 + 16 + 1
"""A queue that is not full takes one more list of 16; the thread has 16; one is incomplete."""
READER = 2 * (1 << 20) + 2 * (1 << 18)
"""aiohttp's reader pauses the socket at twice its limit; two reads of 256 KB are on their way."""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sizes of sockets are Linux's")


class Sender(threading.Thread):
    """Answers one request with all frames, as fast as its socket takes them.

    Attributes:
        sent: bytes that the socket has taken.
    """

    def __init__(self, door: socket.socket, wire: StreamWire) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self._door = door
        self._wire = wire

    def run(self) -> None:
        connection, _ = self._door.accept()
        with connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            while b"\r\n\r\n" not in connection.recv(1 << 16):
                pass
            head = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nConnection: close\r\n\r\n"
            connection.sendall(head.format(self._wire.media_type).encode())
            for message in self._messages():
                view = memoryview(message)
                while view:
                    accepted = connection.send(view)
                    self.sent += accepted
                    view = view[accepted:]
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):  # closed with bytes unread, it would reset
                pass

    def _messages(self) -> Iterator[bytes]:
        encoder = StreamEncoder(self._wire)
        yield encoder.encode(Start(engine="fast", model="1", start=0, stop=FRAMES))
        for index in range(FRAMES):
            raw = Frame(index=index, source=0, encoding=CropEncoding.RAW, data=CROP)
            yield encoder.encode(raw)
        yield encoder.end(FRAMES)


@contextmanager
def _door(kind: str, folder: Path) -> Iterator[tuple[str, socket.socket]]:
    if kind == "unix":
        path = folder / "socket"
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(str(path))
            door.listen()
            yield f"unix:{path}", door
    else:
        with socket.create_server(("127.0.0.1", 0)) as door:
            yield f"http://127.0.0.1:{door.getsockname()[1]}", door


def _sockets(kind: str) -> int:
    """Most bytes that may lie in both sockets; Linux doubles what it is asked for."""
    if kind == "unix":
        return 2 * SEND_BUFFER
    largest = int(Path("/proc/sys/net/ipv4/tcp_rmem").read_text().split()[2])
    return 2 * SEND_BUFFER + largest


async def _receive(address: str, wire: StreamWire, active: ActiveSegment) -> None:
    stats = StreamStats(member())
    async with (
        Connection(parse_address(address), 20.0) as connection,
        open_frames(connection, REQUEST, wire, ENGINE) as stream,
    ):
        async for frames in stream:
            await active.offer(frames, stats)


async def _idle(sender: Sender) -> int:
    """What it has sent, once that stays the same."""
    before = -1
    while before != sender.sent or before <= 32 * len(CROP):
        before = sender.sent
        await asyncio.sleep(0.25)
    return before


@pytest.mark.long
@pytest.mark.parametrize("wire", STREAM_WIRES, ids=lambda wire: wire.name)
@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_a_server_waits_for_the_encoder(kind: str, wire: StreamWire, tmp_path: Path) -> None:
    encoder = Encoder()
    encoder.go.clear()
    with _door(kind, tmp_path) as (address, door), ThreadPoolExecutor(1) as threads:
        sender = Sender(door, wire)
        sender.start()
        active = ActiveSegment(Segment(0, 0, FRAMES), encoder, threads)
        receiving = asyncio.ensure_future(_receive(address, wire, active))
        try:
            async with asyncio.timeout(60):
                sent = await _idle(sender)
                frame = len(CROP) * (4 if wire == NDJSON else 3) // 3 + 200
                bound = FRAMES_HELD * frame + READER + _sockets(kind)
                assert sent < bound < FRAMES * len(CROP)
                assert encoder.accepted == []
                encoder.go.set()
                await receiving
                await active.part
        finally:
            encoder.go.set()
            receiving.cancel()
            await active.abandon()
        sender.join(5)
    assert encoder.accepted == list(range(FRAMES))
