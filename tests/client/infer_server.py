"""An independent server that knows only POST /infer: `infer_server.py JSON`.

Written with the standard library alone, from the contract and not from our code. Options:
`framing` (`close`, `chunked`, `length`), `order` (`contract`, `turned`), `pretty`, `escapes`,
`rounding` (`floor`, `ceil`, `round`), `health` (a document, or null for 404), `info` (status and
document of `/v1/info`, which is no part of the contract), `status` and `body` (a refusal), `most`
(send no frames from there on), `frame` ("cut": close inside frame 3), `distinct` (so many pictures,
again and again), `level` (zlib's), `size` ([w, h] of the frames, if not the picture's), `piece`
(bytes of a write), `secs` (before it answers), `cert`, `client_ca` (files for TLS), `redirect` (an
address), `journal` (a file of what came).
"""

from __future__ import annotations

import base64
import io
import json
import math
import ssl
import struct
import sys
import time
import wave
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

OPTIONS: dict[str, Any] = {}
HEALTH = {
    "status": "healthy",
    "version": "2.3.1",
    "model_loaded": True,
    "gpu_available": True,
    "gpu_name": "NVIDIA A100",
}
ROUNDINGS = {"floor": math.floor, "ceil": math.ceil, "round": round}
BLOCK = 16
PLACE = 123456789


def picture(width: int, height: int, index: int) -> bytes:
    """Blocks of noise that change with the index, and its number in the first pixel."""
    rows = bytearray()
    for top in range(0, height, BLOCK):
        seed = (top * 2654435761 + index * 97) & 0xFFFFFFFF
        line = bytearray(b"\0")
        for _ in range(-(-width // BLOCK)):
            seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
            line += seed.to_bytes(4, "big")[:3] * BLOCK
        rows += bytes(line[: 1 + 3 * width]) * min(BLOCK, height - top)
    rows[1:4] = bytes((index & 255, index >> 8, 7))

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    level = OPTIONS.get("level", 1)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(rows), level))
        + chunk(b"IEND", b"")
    )


def count_of(sound: bytes, fps: float) -> int:
    with wave.open(io.BytesIO(sound)) as file:
        frames = file.getnframes() * fps / file.getframerate()
    return int(ROUNDINGS[OPTIONS.get("rounding", "floor")](round(frames, 9)))


def frame_members(index: int, text: str) -> dict[str, object]:
    if OPTIONS.get("order") == "turned":
        return {"timestamp": 0.04, "data": text, "index": index}
    return {"index": index, "data": text}


def written(value: object) -> str:
    text = json.dumps(value, indent=2 if OPTIONS.get("pretty") else None)
    return text.replace("/", "\\/").replace("+", "\\u002b") if OPTIONS.get("escapes") else text


def answer(request: dict[str, Any]) -> Iterator[bytes]:
    """The document, piece by piece."""
    image = base64.b64decode(request["image"], validate=True)
    width, height = OPTIONS.get("size") or struct.unpack(">II", image[16:24])
    fps = request["fps"]
    count = count_of(base64.b64decode(request["audio"], validate=True), fps)
    after = {"processing_time_secs": 1.5, "request_id": "r-1", "timings": {"vae": [0.1, 0.2]}}
    members = {"status": "success", "total_frames": count, "fps": fps}
    if OPTIONS.get("order") == "turned":
        yield b"{"
        first, last = {}, members | after
    else:
        yield written(members).rstrip("}\n ").encode() + b","
        first, last = members, after
    yield (b"\n" if OPTIONS.get("pretty") else b"") + b'"frames": ['
    kept: dict[int, bytes] = {}
    for index in range(min(count, OPTIONS.get("most", count))):
        key = index % OPTIONS.get("distinct", 1 << 30)
        if key not in kept:
            kept = kept if "distinct" in OPTIONS else {}
            data = base64.b64encode(picture(width, height, index)).decode()
            kept[key] = written(frame_members(PLACE, data)).encode()
        text = kept[key].replace(b"%d" % PLACE, b"%d" % index, 1)
        if OPTIONS.get("frame") == "cut" and index == 3:
            yield b"," + text[: len(text) // 2]
            return
        yield (b"," if index else b"") + text
    yield b"]," + written(last).lstrip("{").encode()
    assert first or last


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._note()
        if self._redirected():
            return
        health = OPTIONS.get("health", HEALTH)
        if self.path == "/health" and health is not None:
            self._send(200, json.dumps(health).encode())
        elif self.path == "/v1/info" and "info" in OPTIONS:
            status, document = OPTIONS["info"]
            self._send(status, json.dumps(document).encode())
        else:
            self._send(404, b'{"detail":"Not Found"}')

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        self._note(len(body))
        if self._redirected():
            return
        if self.path != "/infer" or OPTIONS.get("no_infer"):
            self._send(404, b'{"detail":"Not Found"}')
            return
        if "body" in OPTIONS:
            body = OPTIONS["body"]  # text is sent as it is
            text = body if isinstance(body, str) else json.dumps(body)
            self._send(OPTIONS.get("status", 200), text.encode())
            return
        request = json.loads(body)
        assert set(request) == {"image", "audio", "fps", "bbox_shift"}
        time.sleep(OPTIONS.get("secs", 0))
        self._stream(answer(request))

    def _redirected(self) -> bool:
        if target := OPTIONS.get("redirect"):
            self.send_response(307)
            self.send_header("Location", target + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
        return bool(target)

    def _stream(self, parts: Iterator[bytes]) -> None:
        framing = OPTIONS.get("framing", "close")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if framing == "length":
            parts = iter([b"".join(parts)])
            document = next(parts)
            self.send_header("Content-Length", str(len(document)))
            parts = iter([document])
        elif framing == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        for part in parts:
            piece = OPTIONS.get("piece", 1 << 20)
            for at in range(0, len(part), piece):
                text = part[at : at + piece]
                chunked = framing == "chunked"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text) if chunked else text)
        if framing == "chunked":
            self.wfile.write(b"0\r\n\r\n")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _note(self, size: int = 0) -> None:
        if "journal" in OPTIONS:
            line = {"path": self.path, "size": size, "headers": dict(self.headers.items())}
            with Path(OPTIONS["journal"]).open("a") as file:
                file.write(json.dumps(line) + "\n")

    def log_message(self, *_: object) -> None:
        """Silent."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that go away, and those that fail TLS, are no news."""


def main() -> None:
    OPTIONS.update(json.loads(sys.argv[1]))
    server = Server((OPTIONS.get("host", "127.0.0.1"), 0), Handler)
    scheme = "http"
    if "cert" in OPTIONS:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(OPTIONS["cert"])
        if "client_ca" in OPTIONS:
            context.load_verify_locations(OPTIONS["client_ca"])
            context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    print(f"listening on {scheme}://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
