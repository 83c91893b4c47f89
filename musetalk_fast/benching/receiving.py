"""What reading costs the event loop: from a socket to the queue of an encoding thread."""

from __future__ import annotations

import asyncio
import socket
import statistics
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from musetalk_fast.benching.workload import Workload
from musetalk_fast.client.address import parse_address
from musetalk_fast.client.connection import Connection
from musetalk_fast.client.message_stream import post_for_messages
from musetalk_fast.rendering.frame_queue import FrameQueue
from musetalk_fast.types import CropEncoding
from musetalk_fast.wire.media_types import StreamWire
from musetalk_fast.wire.messages import Message, Start
from musetalk_fast.wire.stream_encoder import StreamEncoder

_FRAMES = 100
_ROUNDS = 6
"""The first of them warms up."""
_QUEUE = 32
_TIMEOUT_SECS = 30.0
_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nConnection: close\r\n\r\n"


def receive_us(workload: Workload, wire: StreamWire) -> float:
    """Microseconds of the event loop's thread a frame, over TCP on this host: the median of a few.

    Reading, parsing and handing over; what the kernel copies for it is in it, sending is not.
    """
    answer = [_HEAD.format(wire.media_type).encode(), *_stream(workload, wire)]
    with socket.create_server(("127.0.0.1", 0)) as door:
        sender = threading.Thread(target=_send, args=(door, answer), daemon=True)
        sender.start()
        secs = asyncio.run(_rounds(f"http://127.0.0.1:{door.getsockname()[1]}", wire))
        sender.join(_TIMEOUT_SECS)
    return statistics.median(secs[1:]) / _FRAMES * 1e6


def _stream(workload: Workload, wire: StreamWire) -> list[bytes]:
    encoder = StreamEncoder(wire)
    messages = [encoder.encode(Start(engine="bench", model="1", start=0, stop=_FRAMES))]
    messages += (
        encoder.encode(workload.frame(number, CropEncoding.RAW)) for number in range(_FRAMES)
    )
    return [*messages, encoder.end(_FRAMES)]


def _send(door: socket.socket, answer: Sequence[bytes]) -> None:
    door.settimeout(_TIMEOUT_SECS)
    for _ in range(_ROUNDS):
        connection, _ = door.accept()
        with connection:
            connection.settimeout(_TIMEOUT_SECS)
            connection.recv(1 << 16)
            for piece in answer:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):  # closing before it has read all would cut the stream
                pass


async def _rounds(address: str, wire: StreamWire) -> list[float]:
    async with Connection(parse_address(address), _TIMEOUT_SECS) as connection:
        with ThreadPoolExecutor(1) as threads:
            return [await _round(connection, threads, wire) for _ in range(_ROUNDS)]


async def _round(connection: Connection, threads: ThreadPoolExecutor, wire: StreamWire) -> float:
    """Seconds that this thread worked while a stream was read."""
    loop = asyncio.get_running_loop()
    queue: FrameQueue[Message] = FrameQueue(_QUEUE, loop)
    taken = loop.run_in_executor(threads, _take, queue)
    try:
        async with post_for_messages(connection, "/v1/frames", {}, wire) as stream:
            began = time.thread_time()
            async for messages in stream:
                await queue.put(messages)
            secs = time.thread_time() - began
        queue.end()
    except BaseException:
        queue.close()
        raise
    await taken
    return secs


def _take(queue: FrameQueue[Message]) -> None:
    for _ in queue:
        pass
