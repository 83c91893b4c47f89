"""A server that has every answer ready: it costs its client nothing but the reading.

    python -m benches.replay.server FOLDER [--unix PATH] [--ndjson]

It prints `listening on ADDRESS`. As aiohttp does, it frames a stream in chunks, one a message.
`GET /asked` says when frames were first asked for since the last such question, by
`time.monotonic`.
"""

from __future__ import annotations

import argparse
import io
import socket
import sys
import threading
import time
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import orjson

from benches.replay.store import Pieces, Store
from benches.replay.workload import load_workload
from musetalk_fast.wire.media_types import NDJSON, STREAM_WIRES, accepted_by
from musetalk_fast.wire.requests import FramesRequest

_MAX_PIECES = 900
"""The system takes 1024 in one call."""


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Server:
    """Serves one connection a thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._assets: set[str] = set()
        self._first: float | None = None

    def serve(self, bound: socket.socket) -> None:
        while True:
            connection, _ = bound.accept()
            threading.Thread(target=self._talk, args=[connection], daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = connection.makefile("rb")
        try:
            while (asked := _read(reader)) is not None:
                self._answer(connection, asked)
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            reader.close()
            connection.close()

    def _answer(self, connection: socket.socket, asked: Asked) -> None:
        if asked.path.startswith("/v1/assets/"):
            there = asked.path in self._assets
            if asked.method == "PUT":
                self._assets.add(asked.path)
                there = True
            _send(connection, "200 OK" if there else "404 Not Found", b"{}", asked)
        elif asked.path == "/asked":
            _send(connection, "200 OK", orjson.dumps(self._first), asked)
            self._first = None
        elif (document := self._store.document(asked.path)) is not None:
            _send(connection, "200 OK", document, asked)
        else:
            self._stream(connection, asked)

    def _stream(self, connection: socket.socket, asked: Asked) -> None:
        wire = accepted_by(asked.headers["accept"]) or NDJSON
        if asked.path == "/v1/avatars":
            messages = self._store.faces(wire)
        else:
            self._first = self._first or time.monotonic()
            messages = self._store.frames(FramesRequest.from_json(orjson.loads(asked.body)), wire)
        head = "HTTP/1.1 200 OK\r\nContent-Type: {wire}\r\nTransfer-Encoding: chunked\r\n\r\n"
        chunks = chain.from_iterable(_chunk(message) for message in messages)
        _send_all(connection, [head.format(wire=wire.media_type).encode(), *chunks, b"0\r\n\r\n"])


def _chunk(message: Pieces) -> Pieces:
    return [b"%x\r\n" % sum(map(len, message)), *message, b"\r\n"]


def _read(reader: io.BufferedReader) -> Asked | None:
    line = reader.readline().decode().split()
    if not line:
        return None
    headers = {}
    while (field := reader.readline().decode().strip()) != "":
        name, _, value = field.partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return Asked(line[0], line[1], headers, body)


def _send(connection: socket.socket, status: str, body: bytes, asked: Asked) -> None:
    fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}"
    head = f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode()
    connection.sendall(head + (b"" if asked.method == "HEAD" else body))


def _send_all(connection: socket.socket, pieces: Pieces) -> None:
    for first in range(0, len(pieces), _MAX_PIECES):
        views = [memoryview(piece) for piece in pieces[first : first + _MAX_PIECES] if piece]
        while views:
            sent = connection.sendmsg(views)
            done = 0
            while done < len(views) and sent >= len(views[done]):
                sent -= len(views[done])
                done += 1
            del views[:done]
            if sent:
                views[0] = views[0][sent:]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--unix", type=Path)
    parser.add_argument("--ndjson", action="store_true", help="have no other wire")
    asked = parser.parse_args()
    wires = (NDJSON,) if asked.ndjson else STREAM_WIRES
    server = Server(Store(load_workload(asked.folder), wires))
    if asked.unix:
        bound = socket.socket(socket.AF_UNIX)
        bound.bind(str(asked.unix))
        address = f"unix:{asked.unix}"
    else:
        bound = socket.socket()
        bound.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"
    bound.listen(64)
    print(f"listening on {address}", flush=True)
    server.serve(bound)


if __name__ == "__main__":
    sys.exit(main())
