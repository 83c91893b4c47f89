"""Requests that provoke every answer of docs/openapi.yaml, for a server with the pattern engine."""

from __future__ import annotations

import base64
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from musetalk_fast.kernels.png import encode_png
from musetalk_fast.wire.media_types import BINARY

sys.path.insert(0, str(Path(__file__).parent / "server"))

from pattern_engine import FAULT
from server_process import avatar, sha256, speech

STILL = encode_png(np.full((64, 64, 3), 128, np.uint8))
BREAKING = encode_png(np.full((64, 64, 3), FAULT, np.uint8))
ASSETS = {
    "@still": STILL,
    "@video": avatar(sources=3, faceless=[1]),
    "@long": avatar(sources=5),
    "@broken": avatar(fail="ImageFormatError"),
    "@fault": avatar(fail="InternalError"),
    "@speech": speech(0.2),
    "@dumb": speech(0.2, first=-13),
    "@noise": b"RIFF no recording",
}
UNKNOWN = sha256(b"never sent")
LIMITS = {
    "max_asset_bytes": 1 << 20,
    "max_infer_bytes": 1 << 20,
    "heartbeat_secs": 1.0,
    "max_source_frames": 4,
}

AVATAR = {"avatar": "@video"}
FRAMES = {
    "avatar": "@still",
    "audio": "@speech",
    "fps": [25, 1],
    "start": 0,
    "stop": 3,
    "sources": [[0, 0, 3]],
}


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


INFER = {"image": text(STILL), "audio": text(ASSETS["@speech"]), "fps": 25}


def named(value: str) -> str:
    """Text with the SHA-256 of an asset for each `@name`."""
    for name, data in ASSETS.items():
        value = value.replace(name, sha256(data))
    return value


@dataclass(frozen=True)
class Case:
    """A request and the status of its answer; `@name` stands for an asset's SHA-256."""

    operation: str
    status: int
    body: dict[str, Any] | bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    name: str = "@still"

    def __str__(self) -> str:
        return f"{self.operation} {self.status}"


def accepting(accept: str) -> dict[str, str]:
    return {"Accept": accept}


DELETE = "DELETE /v1/jobs/{id}"
PUT, HEAD = "PUT /v1/assets/{sha256}", "HEAD /v1/assets/{sha256}"
POSTS = {"POST /v1/avatars": AVATAR, "POST /v1/frames": FRAMES, "POST /infer": INFER}

CASES = [
    Case("GET /health", 200),
    Case("GET /v1/info", 200),
    Case("GET /metrics", 200),
    Case("GET /v1/jobs", 200),
    Case(DELETE, 404, name="0123456789abcdef"),
    Case(HEAD, 200),
    Case(HEAD, 400, name="x"),
    Case(HEAD, 404, name=UNKNOWN),
    Case(PUT, 200, STILL),
    Case(PUT, 201, b"something new", name=sha256(b"something new")),
    Case(PUT, 400, STILL, name="A" * 64),
    Case(PUT, 409, STILL, name=UNKNOWN),
    Case(PUT, 413, bytes((1 << 20) + 1), name=UNKNOWN),
    *(Case(post, 200, body) for post, body in POSTS.items()),
    *(Case(post, 400, b"{") for post in POSTS),
    *(Case(post, 400, {}) for post in POSTS),
    *(Case(post, 413, b" " * ((1 << 20) + 1)) for post in POSTS),
    *(Case(post, 415, body, {"Content-Type": "text/plain"}) for post, body in POSTS.items()),
    Case("POST /v1/avatars", 200, AVATAR, accepting(BINARY.media_type)),
    Case("POST /v1/avatars", 404, {"avatar": UNKNOWN}),
    Case("POST /v1/avatars", 406, AVATAR, accepting("text/html")),
    Case("POST /v1/avatars", 422, {"avatar": "@broken"}),
    Case("POST /v1/avatars", 422, AVATAR | {"start": 4}),
    Case("POST /v1/avatars", 422, {"avatar": "@long"}),
    Case("POST /v1/avatars", 500, {"avatar": "@fault"}),
    Case("POST /v1/frames", 200, FRAMES, accepting(BINARY.media_type)),
    Case("POST /v1/frames", 200, FRAMES | {"encoding": "png", "window": True}),
    Case("POST /v1/frames", 404, FRAMES | {"audio": UNKNOWN}),
    Case("POST /v1/frames", 406, FRAMES, accepting("text/html")),
    Case("POST /v1/frames", 409, FRAMES | {"faces": "0" * 64}),
    Case("POST /v1/frames", 422, FRAMES | {"audio": "@noise"}),
    Case("POST /v1/frames", 422, FRAMES | {"fps": [241, 1]}),
    Case("POST /v1/frames", 422, FRAMES | {"avatar": "@video", "sources": [[0, 1, 3]]}),
    Case("POST /v1/frames", 500, FRAMES | {"avatar": "@fault"}),
    Case("POST /infer", 200, INFER | {"audio": text(ASSETS["@dumb"])}),
    Case("POST /infer", 422, INFER | {"image": text(b"no picture")}),
    Case("POST /infer", 422, INFER | {"image": text(ASSETS["@video"])}),
    Case("POST /infer", 500, INFER | {"image": text(BREAKING)}),
]
BUSY = [Case("GET /v1/jobs", 200), *(Case(post, 429, body) for post, body in POSTS.items())]
DRAINING = [
    Case("GET /health", 503),
    Case("GET /v1/info", 503),
    Case(PUT, 503, b"too late", name=sha256(b"too late")),
    *(Case(post, 503, body) for post, body in POSTS.items()),
]
KEYLESS = [
    Case("GET /health", 200),
    Case("GET /v1/info", 401),
    Case("GET /v1/jobs", 401),
    Case("GET /metrics", 401),
    Case(DELETE, 401, name="0123456789abcdef"),
    Case(HEAD, 401),
    Case(PUT, 401, STILL),
    *(Case(post, 401, body) for post, body in POSTS.items()),
]
"""Of a server that has a key, which the request lacks."""
UNTRIED = {408, 410}
"""Statuses that take long to provoke; test_slow_clients.py and test_jobs.py in tests/server do."""
UNTRIED_OF = {(PUT, 429), ("GET /metrics", 403)}
"""Needs several keys; tests/server/test_users.py and test_metrics.py have them."""


# Members of a body that both the file and the server refuse, or take.

WRONG: list[tuple[str, dict[str, Any]]] = [
    *(("POST /v1/frames", {"avatar": value}) for value in (None, 5, "x", "A" * 64)),
    *(("POST /v1/frames", {"faces": value}) for value in (5, "x")),
    *(("POST /v1/frames", {"fps": value}) for value in (25, [25], [0, 1], [25, 1.5], [1 << 31, 1])),
    *(("POST /v1/frames", {"start": value}) for value in (-1, "0", 1 << 32, None, True)),
    *(
        ("POST /v1/frames", {"sources": value})
        for value in (5, [[0, 0]], [[0, 2, 3]], [[-1, 0, 3]])
    ),
    *(("POST /v1/frames", {"encoding": value}) for value in ("webp", 5)),
    ("POST /v1/frames", {"window": 1}),
    ("POST /v1/frames", {"sources": [[0, 0, 1]] * 10_001, "stop": 10_001}),
    *(("POST /v1/avatars", {"options": value}) for value in ([], 5, {"bbox_shift": 1001})),
    *(
        ("POST /v1/avatars", {"options": {"face_box": value}})
        for value in ([1, 2, 3], [0, 0, 0, 5])
    ),
    ("POST /v1/avatars", {"options": {"face_center": [1.5, 2]}}),
    ("POST /v1/avatars", {"options": {"extra_margin": -1}}),
    ("POST /v1/avatars", {"options": {"face": 5}}),
    ("POST /v1/avatars", {"options": {"smooth": 1}}),
    ("POST /v1/avatars", {"stop": -1}),
    *(("POST /infer", {"fps": value}) for value in (0, 241, "25")),
    *(("POST /infer", {"image": value}) for value in (5, "####", None)),
    ("POST /infer", {"bbox_shift": 1001}),
]
RIGHT: list[tuple[str, dict[str, Any]]] = [
    ("POST /v1/frames", {"faces": None, "options": None, "encoding": None, "window": None}),
    ("POST /v1/frames", {"stop": 0, "sources": None}),
    ("POST /v1/frames", {"stop": 0, "sources": []}),
    ("POST /v1/frames", {"fps": [1, (1 << 31) - 1]}),
    ("POST /v1/frames", {"start": (1 << 32) - 3, "stop": (1 << 32) - 1, "sources": [[0, 0, 2]]}),
    ("POST /v1/avatars", {"start": None, "stop": None, "options": {}}),
    ("POST /v1/avatars", {"options": {"face": "12", "face_box": [-5, -5, 40, 40]}}),
    ("POST /v1/avatars", {"options": {"face_center": [-1, 1 << 20], "bbox_shift": None}}),
    ("POST /v1/avatars", {"options": {"smooth": True}}),
    ("POST /infer", {"fps": None, "bbox_shift": None}),
    ("POST /infer", {"fps": 29.97}),
]
