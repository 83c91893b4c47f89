"""docs/openapi.yaml is the server: the same routes, and every answer is as the file says."""

from __future__ import annotations

import asyncio
import base64
import copy
import io
import json
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import yaml
from jsonschema import Draft202012Validator

sys.path.insert(0, str(Path(__file__).parent / "server"))

from server_process import Client, Process, avatar, client_of, running, sha256, speech

from musetalk_fast.kernels.png import encode_png
from musetalk_fast.server.app import create_app
from musetalk_fast.wire.messages import BINARY, NDJSON

SPEC = yaml.safe_load((Path(__file__).parents[1] / "docs/openapi.yaml").read_text())
METHODS = ("get", "head", "put", "post", "delete", "patch", "options", "trace")
JSON = "application/json"


def walk(node: object) -> Iterator[dict[str, Any]]:
    """Every object of the file."""
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from walk(child)


def follow(reference: str) -> Any:
    assert reference.startswith("#/"), reference
    node: Any = SPEC
    for step in reference[2:].split("/"):
        node = node[step]
    return node


def plain(node: dict[str, Any]) -> dict[str, Any]:
    """What an object says, by reference or itself."""
    return follow(node["$ref"]) if "$ref" in node else node


OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": item[method]
    for path, item in SPEC["paths"].items()
    for method in METHODS
    if method in item
}


def strict() -> dict[str, Any]:
    """The components, with no member allowed that is not described."""
    components = copy.deepcopy(SPEC["components"])
    for node in walk(components["schemas"]):
        if isinstance(node.get("properties"), dict):
            node["additionalProperties"] = False
    return dict(components)


STRICT = strict()


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator({"components": STRICT, **schema})


LINE = validator({"$ref": "#/components/schemas/Message"})


# The file by itself.


def test_every_reference_leads_somewhere_and_nothing_is_unused() -> None:
    used = {node["$ref"] for node in walk(SPEC) if isinstance(node.get("$ref"), str)}
    for reference in used:
        assert isinstance(follow(reference), dict), reference
    defined = {
        f"#/components/{kind}/{name}"
        for kind, those in SPEC["components"].items()
        for name in those
    }
    # They belong to no operation: openapi.yaml's own description says so.
    assert defined - used == {
        "#/components/responses/UnknownPath",
        "#/components/responses/UnknownMethod",
    }


def test_its_parts_are_what_openapi_wants() -> None:
    assert SPEC["openapi"] == "3.1.0"
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)
    for path, item in SPEC["paths"].items():
        declared = [p["name"] for p in item.get("parameters", []) if p["in"] == "path"]
        assert declared == re.findall(r"\{(\w+)\}", path)
        assert set(item) <= {"parameters", *METHODS}
    for operation in OPERATIONS.values():
        assert operation["summary"]
        assert operation["responses"]
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d", status)
            assert plain(response)["description"]
    for schema in SPEC["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_its_routes_are_those_of_the_server(tmp_path: Path) -> None:
    def no_engine() -> Any:
        raise AssertionError

    routes = set()
    for route in create_app(no_engine, tmp_path).router.routes():
        assert route.resource is not None
        path = re.sub(r"\{\w+\}", "{}", route.resource.canonical)
        routes.add(f"{route.method} {path}")
    # HTTP has a HEAD for every GET; aiohttp adds it.
    implied = {f"HEAD {route[4:]}" for route in routes if route.startswith("GET ")}
    assert {re.sub(r"\{\w+\}", "{}", name) for name in OPERATIONS} == routes - implied


# The file and live answers.

STILL = encode_png(np.full((64, 64, 3), 128, np.uint8))
ASSETS = {
    "@still": STILL,
    "@video": avatar(sources=3, faceless=[1]),
    "@broken": avatar(fail="ImageFormatError"),
    "@fault": avatar(fail="InternalError"),
    "@speech": speech(0.2),
    "@dumb": speech(0.2, first=-13),
    "@stereo": b"RIFF no recording",
}
UNKNOWN = sha256(b"nobody sent this")
LIMITS = {"max_asset_bytes": 1 << 20, "max_infer_bytes": 1 << 20, "heartbeat_secs": 1.0}

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


PUT, HEAD = "PUT /v1/assets/{sha256}", "HEAD /v1/assets/{sha256}"
POSTS = {"POST /v1/avatars": AVATAR, "POST /v1/frames": FRAMES, "POST /infer": INFER}

CASES = [
    Case("GET /health", 200),
    Case("GET /v1/info", 200),
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
    Case("POST /v1/avatars", 200, AVATAR, accepting(BINARY)),
    Case("POST /v1/avatars", 404, {"avatar": UNKNOWN}),
    Case("POST /v1/avatars", 406, AVATAR, accepting("text/html")),
    Case("POST /v1/avatars", 422, {"avatar": "@broken"}),
    Case("POST /v1/avatars", 422, AVATAR | {"start": 4}),
    Case("POST /v1/avatars", 500, {"avatar": "@fault"}),
    Case("POST /v1/frames", 200, FRAMES, accepting(BINARY)),
    Case("POST /v1/frames", 200, FRAMES | {"encoding": "png", "window": True}),
    Case("POST /v1/frames", 404, FRAMES | {"audio": UNKNOWN}),
    Case("POST /v1/frames", 406, FRAMES, accepting("text/html")),
    Case("POST /v1/frames", 409, FRAMES | {"faces": "0" * 64}),
    Case("POST /v1/frames", 422, FRAMES | {"audio": "@stereo"}),
    Case("POST /v1/frames", 422, FRAMES | {"fps": [241, 1]}),
    Case("POST /v1/frames", 422, FRAMES | {"avatar": "@video", "sources": [[0, 1, 3]]}),
    Case("POST /v1/frames", 500, FRAMES | {"avatar": "@fault"}),
    Case("POST /infer", 200, INFER | {"audio": text(ASSETS["@dumb"])}),
    Case("POST /infer", 422, INFER | {"image": text(b"no picture")}),
    Case("POST /infer", 500, INFER | {"image": text(ASSETS["@fault"])}),
]
BUSY = [Case(post, 429, body) for post, body in POSTS.items()]
DRAINING = [
    Case("GET /health", 200),
    Case("GET /v1/info", 503),
    Case(PUT, 503, b"too late", name=sha256(b"too late")),
    *(Case(post, 503, body) for post, body in POSTS.items()),
]
UNTRIED = {408}
"""Statuses that take a minute to provoke."""


def named(value: str) -> str:
    for name, data in ASSETS.items():
        value = value.replace(name, sha256(data))
    return value


async def ask(client: Client, case: Case) -> None:
    """Send a request; its answer has the status, and is what the file says of it."""
    method, path = case.operation.split(" ")
    body = case.body if isinstance(case.body, bytes) else named(json.dumps(case.body)).encode()
    kind = {"Content-Type": JSON} if method == "POST" else {}
    url = client.base + path.format(sha256=named(case.name))
    data = io.BytesIO(body) if body else None
    async with client.session.request(
        method, url, data=data, headers=kind | case.headers
    ) as response:
        answer = await response.read()
        assert response.status == case.status, answer
        documented = OPERATIONS[case.operation]["responses"][str(response.status)]
        check(response, answer, plain(documented))


def check(response: aiohttp.ClientResponse, answer: bytes, documented: dict[str, Any]) -> None:
    for name, header in documented.get("headers", {}).items():
        validator(plain(header)["schema"]).validate(response.headers[name])
    content = documented.get("content")
    if content is None:
        assert answer == b""
        return
    media = content[response.content_type]
    if "x-line" in media:
        for line in answer.splitlines():
            validator(media["x-line"]).validate(json.loads(line))
    elif response.content_type == JSON:
        validator(media["schema"]).validate(json.loads(answer))


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with running(limits=LIMITS) as process:
        asyncio.run(_upload(process))
        yield process


async def _upload(process: Process) -> None:
    async with client_of(process.address) as client:
        for data in ASSETS.values():
            await client.put(data)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_answers(server: Process, case: Case) -> None:
    async with client_of(server.address) as client:
        await ask(client, case)


async def test_answers_of_a_server_that_is_busy_and_then_stops() -> None:
    with running(limits={"max_streams": 1}, engine={"crop_secs": 0.01}) as process:
        async with client_of(process.address) as client:
            await client.put(STILL)
            body = await client.frames_body(0, 100_000)
            async with client.post("/v1/frames", body):
                for case in BUSY:
                    await ask(client, case)
                process.child.send_signal(signal.SIGTERM)
                for _ in range(500):
                    if (await client.get("/health"))["status"] == "draining":
                        break
                    await asyncio.sleep(0.02)
                for case in DRAINING:
                    await ask(client, case)


def test_every_documented_status_is_provoked() -> None:
    tried = {(case.operation, case.status) for case in [*CASES, *BUSY, *DRAINING]}
    documented = {
        (name, int(status))
        for name, operation in OPERATIONS.items()
        for status in operation["responses"]
    }
    assert {(name, status) for name, status in documented - tried} == {
        (name, status) for name, status in documented if status in UNTRIED
    }


async def test_other_paths_and_methods(server: Process) -> None:
    responses = SPEC["components"]["responses"]
    async with client_of(server.address) as client:
        async with client.session.get(f"{client.base}/v1/nothing") as response:
            assert response.status == 404
            check(response, await response.read(), responses["UnknownPath"])
        for path in SPEC["paths"]:
            url = client.base + path.format(sha256=UNKNOWN)
            async with client.session.delete(url) as response:
                assert response.status == 405
                check(response, await response.read(), responses["UnknownMethod"])
                allowed = {
                    method.strip().lower() for method in response.headers["Allow"].split(",")
                }
                assert allowed >= set(SPEC["paths"][path]) - {"parameters"}


async def test_every_kind_of_message_is_met(server: Process) -> None:
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/v1/avatars", {"avatar": "@slow"}),
        ("/v1/avatars", AVATAR),
        ("/v1/frames", FRAMES),
        ("/v1/frames", FRAMES | {"audio": "@dumb"}),
    ]
    met: set[str] = set()
    async with client_of(server.address) as client:
        slow = await client.put(avatar(sources=2, secs=1.2))
        for path, body in bodies:
            body = json.loads(named(json.dumps(body)).replace("@slow", slow))  # noqa: PLW2901
            async with client.post(path, body, NDJSON) as response:
                for line in (await response.read()).splitlines():
                    message = json.loads(line)
                    LINE.validate(message)
                    met.add(message["type"])
    schemas = [plain(one) for one in SPEC["components"]["schemas"]["Message"]["oneOf"]]
    assert met == {schema["properties"]["type"]["const"] for schema in schemas}


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
    ("POST /infer", {"fps": None, "bbox_shift": None}),
    ("POST /infer", {"fps": 29.97}),
]


@pytest.mark.parametrize(("verdict", "cases"), [(400, WRONG), (200, RIGHT)], ids=["no", "yes"])
async def test_what_the_file_says_of_bodies_is_what_the_server_says(
    server: Process, verdict: int, cases: list[tuple[str, dict[str, Any]]]
) -> None:
    async with client_of(server.address) as client:
        for operation, members in cases:
            whole = POSTS[operation] | members
            await ask(client, Case(operation, verdict, whole))
            schema = OPERATIONS[operation]["requestBody"]["content"][JSON]["schema"]
            is_right = validator(schema).is_valid(json.loads(named(json.dumps(whole))))
            assert is_right is (verdict == 200), members
