"""`/v1/jobs`: who sees which job, and what its client gets when one is cancelled."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from in_process import Server, server_in
from openapi_cases import INFER, text
from pattern_engine import PatternEngine
from server_process import avatar, frames_of, speech

from musetalk_fast.cli.jobs import cancel_jobs, find_jobs, job_table
from musetalk_fast.config import ServerSettings
from musetalk_fast.errors import UsageError
from musetalk_fast.server.users import KeyRing, User
from musetalk_fast.wire import binary
from musetalk_fast.wire.job_state import jobs_from_json
from musetalk_fast.wire.media_types import BINARY
from musetalk_fast.wire.messages import ErrorMessage

KEYS = KeyRing({"key-a": User("anna"), "key-b": User("ben"), "key-o": User("owner", is_admin=True)})


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


async def _jobs(server: Server, key: str = "") -> list[dict[str, Any]]:
    url = server.client.base + "/v1/jobs"
    async with server.client.session.get(url, headers=_bearer(key)) as got:
        document = await got.json()
    jobs_from_json(document)
    return list(document["jobs"])


async def _cancel(server: Server, job: str, key: str = "") -> int:
    url = f"{server.client.base}/v1/jobs/{job}"
    async with server.client.session.delete(url, headers=_bearer(key)) as got:
        return got.status


@asynccontextmanager
async def _stream(server: Server, body: object, key: str = "") -> AsyncIterator[Any]:
    """A stream of which nothing is read."""
    headers = {"Accept": BINARY.media_type, **_bearer(key)}
    url = server.client.base + "/v1/frames"
    async with server.client.session.post(url, json=body, headers=headers) as response:
        assert response.status == 200
        yield response


async def _until(server: Server, count: int, key: str = "") -> list[dict[str, Any]]:
    for _ in range(3000):
        if len(jobs := await _jobs(server, key)) == count:
            return jobs
        await asyncio.sleep(0.01)
    raise AssertionError(jobs)


async def test_a_job_is_described_and_ends_when_it_is_cancelled(tmp_path: Path) -> None:
    async with server_in(tmp_path) as server:
        body = await server.client.frames_body(7, 100_007)
        async with _stream(server, body) as response:
            (job,) = await _jobs(server)
            assert job["kind"] == "frames"
            assert job["stage"] == "streaming"
            assert job["user"] == "localhost"
            assert (job["avatar"], job["audio"]) == (body["avatar"], body["audio"])
            assert job["done"] + job["unsent"] + job["waiting"] == job["total"] == 100_000
            assert 0 <= job["running_secs"] < 30
            assert await _cancel(server, job["id"]) == 204
            messages = binary.Decoder().feed(await response.read())
            # Whole frames in order, and then why there are no more.
            frames = [frame.index for frame in frames_of(messages)]
            assert frames == list(range(7, 7 + len(frames)))
            last = messages[-1]
            assert isinstance(last, ErrorMessage)
            assert (last.code, last.retryable) == ("MTF-JOB-CANCELLED", False)
        assert await _jobs(server) == []
        assert await _cancel(server, job["id"]) == 404
        short = body | {"stop": 9, "sources": [[0, 0, 2]]}
        assert len(await server.client.messages("/v1/frames", short)) == 4


async def test_a_preparation_that_has_not_answered_is_refused(tmp_path: Path) -> None:
    async with server_in(tmp_path) as server:
        name = await server.client.put(avatar(sources=500, secs=0.01))
        waiting = asyncio.ensure_future(server.client.refusal("/v1/avatars", {"avatar": name}))
        (job,) = await _until(server, 1)
        assert (job["kind"], job["stage"], job["audio"]) == ("avatars", "preparing", None)
        assert await _cancel(server, job["id"]) == 204
        status, document = await waiting
        assert (status, document["code"]) == (410, "MTF-JOB-CANCELLED")


async def test_a_cancelled_document_of_full_frames_is_complete_json(tmp_path: Path) -> None:
    async with server_in(tmp_path, engine=lambda: PatternEngine(crop_secs=0.005)) as server:
        body = INFER | {"audio": text(speech(20.0))}
        url = server.client.base + "/infer"
        async with server.client.session.post(url, json=body) as response:
            (job,) = await _jobs(server)
            assert (job["kind"], job["total"]) == ("infer", 500)
            assert await _cancel(server, job["id"]) == 204
            document = json.loads(await response.read())
        assert (document["status"], document["code"]) == ("error", "MTF-JOB-CANCELLED")
        assert [frame["index"] for frame in document["frames"]] == [*range(len(document["frames"]))]


async def test_a_key_sees_and_cancels_its_own_jobs_only(tmp_path: Path) -> None:
    async with server_in(tmp_path, keys=KEYS) as server, AsyncExitStack() as stack:
        client = server.client
        client.session.headers.update(_bearer("key-a"))
        body = await client.frames_body(0, 100_000)
        for key in ("key-a", "key-b"):
            await stack.enter_async_context(_stream(server, body, key))
        (annas,), (bens,) = await _jobs(server, "key-a"), await _jobs(server, "key-b")
        assert (annas["user"], bens["user"]) == ("anna", "ben")
        assert {job["id"] for job in await _jobs(server, "key-o")} == {annas["id"], bens["id"]}
        assert await _cancel(server, bens["id"], "key-a") == 404
        assert len(await _jobs(server, "key-o")) == 2
        assert await _cancel(server, bens["id"], "key-o") == 204
        assert await _cancel(server, annas["id"], "key-a") == 204
        await _until(server, 0, "key-o")
        assert "key-" not in json.dumps([annas, bens])


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_jobs_need_the_key(tmp_path: Path, method: str) -> None:
    async with server_in(tmp_path, keys=KEYS) as server:
        path = "/v1/jobs" + ("/0123456789abcdef" if method == "DELETE" else "")
        async with server.client.session.request(method, server.client.base + path) as got:
            assert got.status == 401


async def test_the_command_lists_and_cancels(tmp_path: Path) -> None:
    async with server_in(tmp_path) as server:
        settings = ServerSettings(url=(server.client.base,))
        assert await find_jobs(settings) == [(server.client.base, ())]
        assert job_table(()) == ["no jobs"]
        body = await server.client.frames_body(0, 100_000)
        async with _stream(server, body):
            ((_, (state,)),) = await find_jobs(settings)
            headings, row = job_table([state])
            assert headings.split()[:4] == ["JOB", "USER", "WHAT", "STAGE"]
            assert row.split()[:4] == [state.id, "localhost", "frames", "streaming"]
            assert row.split()[-2:] == [body["avatar"][:8], body["audio"][:8]]
            await cancel_jobs(settings, [state.id])
        await _until(server, 0)
        with pytest.raises(UsageError, match=f"there is no job {state.id}"):
            await cancel_jobs(settings, [state.id])
    with pytest.raises(UsageError, match="built-in"):
        await find_jobs(ServerSettings(url=("builtin",)))
