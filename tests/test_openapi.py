"""docs/openapi.yaml is the server: the same routes, and every answer is as the file says."""

from __future__ import annotations

import asyncio
import copy
import io
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from jsonschema import Draft202012Validator
from openapi_cases import (
    ASSETS,
    AVATAR,
    BUSY,
    CASES,
    DELETE,
    DRAINING,
    FRAMES,
    KEYLESS,
    LIMITS,
    POSTS,
    RIGHT,
    STILL,
    UNKNOWN,
    UNTRIED,
    UNTRIED_OF,
    WRONG,
    Case,
    named,
)
from server_process import Client, Process, avatar, client_of, running

from musetalk_fast.server.app import create_app
from musetalk_fast.wire.media_types import NDJSON

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


def resolved(node: dict[str, Any]) -> dict[str, Any]:
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
    used |= {f"#/components/securitySchemes/{name}" for one in SPEC["security"] for name in one}
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
        "#/components/responses/WrongHost",
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
            assert resolved(response)["description"]
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


async def ask(client: Client, case: Case) -> None:
    """Send a request; its answer has the status, and is what the file says of it."""
    method, path = case.operation.split(" ")
    body = case.body if isinstance(case.body, bytes) else named(json.dumps(case.body)).encode()
    kind = {"Content-Type": JSON} if method == "POST" else {}
    url = client.base + path.format(sha256=named(case.name), id=case.name)
    data = io.BytesIO(body) if body else None
    async with client.session.request(
        method, url, data=data, headers=kind | case.headers
    ) as response:
        answer = await response.read()
        assert response.status == case.status, answer
        documented = OPERATIONS[case.operation]["responses"][str(response.status)]
        check(response, answer, resolved(documented))


def check(response: aiohttp.ClientResponse, answer: bytes, documented: dict[str, Any]) -> None:
    for name, header in documented.get("headers", {}).items():
        validator(resolved(header)["schema"]).validate(response.headers[name])
    content = documented.get("content")
    if content is None or response.method == "HEAD":
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
                (job,) = (await client.get("/v1/jobs"))["jobs"]
                await ask(client, Case(DELETE, 204, name=job["id"]))


async def test_answers_of_a_server_that_has_a_key() -> None:
    with running(api_key="open sesame") as process:
        async with client_of(process.address) as client:
            for case in KEYLESS:
                await ask(client, case)
            for key, status in (("Bearer open sesame", 200), ("Bearer sesame", 401)):
                await ask(client, Case("GET /v1/info", status, headers={"Authorization": key}))


def test_every_documented_status_is_provoked() -> None:
    cases = [*CASES, *BUSY, *DRAINING, *KEYLESS, Case(DELETE, 204)]
    tried = {(case.operation, case.status) for case in cases}
    documented = {
        (name, int(status))
        for name, operation in OPERATIONS.items()
        for status in operation["responses"]
    }
    assert documented - tried == UNTRIED_OF | {
        (name, status) for name, status in documented if status in UNTRIED
    }


async def test_other_paths_methods_and_names(server: Process) -> None:
    responses = SPEC["components"]["responses"]
    async with client_of(server.address) as client:
        other = {"Host": "other.example"}
        async with client.session.get(f"{client.base}/health", headers=other) as response:
            assert response.status == 421
            check(response, await response.read(), responses["WrongHost"])
        async with client.session.get(f"{client.base}/v1/nothing") as response:
            assert response.status == 404
            check(response, await response.read(), responses["UnknownPath"])
        for path in SPEC["paths"]:
            url = client.base + path.format(sha256=UNKNOWN, id=UNKNOWN)
            async with client.session.patch(url) as response:
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
            async with client.post(path, body, NDJSON.media_type) as response:
                for line in (await response.read()).splitlines():
                    message = json.loads(line)
                    LINE.validate(message)
                    met.add(message["type"])
    schemas = [resolved(one) for one in SPEC["components"]["schemas"]["Message"]["oneOf"]]
    assert met == {schema["properties"]["type"]["const"] for schema in schemas}


@pytest.mark.parametrize(("verdict", "cases"), [(400, WRONG), (200, RIGHT)], ids=["no", "yes"])
async def test_what_the_file_says_of_bodies_is_what_the_server_says(
    server: Process, verdict: int, cases: list[tuple[str, dict[str, Any]]]
) -> None:
    async with client_of(server.address) as client:
        for operation, members in cases:
            body = POSTS[operation] | members
            await ask(client, Case(operation, verdict, body))
            schema = OPERATIONS[operation]["requestBody"]["content"][JSON]["schema"]
            is_right = validator(schema).is_valid(json.loads(named(json.dumps(body))))
            assert is_right is (verdict == 200), members
