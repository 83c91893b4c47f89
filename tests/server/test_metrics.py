"""`/metrics` and `/health`: figures that Prometheus reads, and what the server can do now."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from in_process import Server, server_in
from pattern_engine import PatternEngine
from prometheus_client.parser import text_string_to_metric_families
from server_process import avatar

from musetalk_fast.engines.base import CropRequest, EngineFigures, WorkerCount
from musetalk_fast.errors import DeviceFaultError, DeviceMemoryError
from musetalk_fast.server.engine_health import STUCK_SECS, EngineHealth
from musetalk_fast.server.memory_pressure import SHORT_SECS, MemoryPressure
from musetalk_fast.server.users import KeyRing, User

Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class _Engine(PatternEngine):
    """Has figures; an avatar of 66 pixels is too much for its memory, one of 68 for its GPU."""

    ready = 2

    def workers(self) -> WorkerCount:
        return WorkerCount(self.ready, 2, 2 - self.ready)

    def figures(self) -> EngineFigures:
        return EngineFigures({"GPU 0": (3 << 30, 8 << 30)}, {"unet": 1.5})

    def infer(self, batch: Sequence[CropRequest]) -> Any:
        if any(request.avatar.width == 66 for request in batch):
            raise DeviceMemoryError("the GPU has no more memory")
        if any(request.avatar.width == 68 for request in batch):
            raise DeviceFaultError("the GPU failed: an illegal memory access")
        return super().infer(batch)


async def _figures(server: Server, key: str = "") -> Figures:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = server.client.base + "/metrics"
    async with server.client.session.get(url, headers=headers) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = await response.text()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_figures_of_a_stream(tmp_path: Path) -> None:
    async with server_in(tmp_path, engine=_Engine) as server:
        body = await server.client.frames_body(0, 10)
        stream = await server.client.messages("/v1/frames", body)
        assert len(stream) == 12
        await server.client.refusal("/v1/frames", body | {"avatar": "0" * 64})
        async with server.client.session.get(server.client.base + "/" + "x" * 50):
            pass
        found = await _figures(server)
    name = "musetalk_http_requests_total"
    frames = ("method", "POST"), ("route", "/v1/frames")
    assert found[name, (*frames, ("status", "200"))] == 1
    assert found[name, (*frames, ("status", "404"))] == 1
    assert found[name, (("method", "GET"), ("route", "other"), ("status", "404"))] == 1
    assert found["musetalk_errors_total", (("code", "MTF-ASSET-UNKNOWN"),)] == 1
    assert found["musetalk_frames_total", (("user", ""),)] == 10
    assert found["musetalk_batch_frames_sum", ()] == 10
    assert found["musetalk_batch_frames_count", ()] >= 3
    assert found["musetalk_batch_limit_frames", ()] == 4
    for stage in ("prepare_avatar", "prepare_recording", "infer", "encode"):
        assert found["musetalk_stage_duration_seconds_count", (("stage", stage),)] >= 1
    assert found["musetalk_sent_bytes_total", ()] > 10 * 256 * 256 * 3
    assert found["musetalk_received_bytes_total", ()] > 32_000
    assert found["musetalk_store_assets", ()] == 2
    assert found["musetalk_jobs", (("kind", "frames"),)] == 0
    assert found["musetalk_status", (("status", "healthy"),)] == 1
    assert found["musetalk_gpu_memory_used_bytes", (("device", "GPU 0"),)] == 3 << 30
    assert found["musetalk_engine_stage_seconds_total", (("stage", "unet"),)] == 1.5
    assert found["process_open_fds", ()] > 0
    assert not [each for each, _ in found if each.endswith("_created")]


async def test_figures_of_several_users_need_a_key_that_may_see_them(tmp_path: Path) -> None:
    keys = KeyRing({"k": User("anna"), "o": User("owner", is_admin=True)})
    async with server_in(tmp_path, keys=keys) as server:
        server.client.session.headers["Authorization"] = "Bearer k"
        await server.client.messages("/v1/frames", await server.client.frames_body(0, 3))
        async with server.client.session.get(server.client.base + "/metrics") as response:
            assert response.status == 403
            assert (await response.json())["code"] == "MTF-SERVER-AUTH"
        del server.client.session.headers["Authorization"]
        assert (await _figures(server, "o"))["musetalk_frames_total", (("user", "anna"),)] == 3


async def test_a_want_of_memory_is_said_and_passes(tmp_path: Path) -> None:
    async with server_in(tmp_path, engine=_Engine) as server:
        client, url = server.client, server.client.base + "/health"
        small = await client.frames_body(0, 2, avatar=avatar(width=64))
        large = await client.frames_body(0, 2, avatar=avatar(width=66))
        last = (await client.messages("/v1/frames", large))[-1]
        assert (last.code, last.retryable) == ("MTF-GPU-MEMORY", True)  # type: ignore[union-attr]
        async with client.session.get(url) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "2")
            assert (await response.json())["status"] == "out_of_memory"
        # Who does not ask gets served: a smaller batch may fit.
        await client.messages("/v1/frames", small)
        async with client.session.get(url) as response:
            assert (response.status, (await response.json())["status"]) == (200, "healthy")


async def test_an_engine_that_cannot_work_is_said(tmp_path: Path) -> None:
    """Whose processes have all ended, or whose GPU has failed; until it works again."""
    async with server_in(tmp_path, engine=_Engine) as server:
        client, engine = server.client, _Engine
        small = await client.frames_body(0, 2, avatar=avatar(width=64))
        lost = await client.frames_body(0, 2, avatar=avatar(width=68))

        async def health() -> tuple[int, str, int, int]:
            async with client.session.get(client.base + "/health") as response:
                document = await response.json()
                members = ("status", "workers_ready", "workers")
                return response.status, *(document[name] for name in members)

        assert await health() == (200, "healthy", 2, 2)
        try:
            engine.ready = 0
            assert await health() == (503, "engine_failed", 0, 2)
            engine.ready = 1
            assert await health() == (200, "healthy", 1, 2)
            found = await _figures(server)
        finally:
            engine.ready = 2
        names = ("workers", "workers_ready", "worker_restarts_total")
        assert [found[f"musetalk_{name}", ()] for name in names] == [2, 1, 1]
        last = (await client.messages("/v1/frames", lost))[-1]
        assert (last.code, last.retryable) == ("MTF-GPU-FAULT", True)  # type: ignore[union-attr]
        assert (await health())[:2] == (503, "engine_failed")
        await client.messages("/v1/frames", small)
        assert (await health())[:2] == (200, "healthy")


def test_a_batch_that_does_not_come_is_noticed() -> None:
    now = 1000.0
    watch = EngineHealth(lambda: now)
    assert not watch.has_failed(None, None)
    assert not watch.has_failed(None, now - STUCK_SECS)
    now += 1
    assert watch.has_failed(None, now - STUCK_SECS - 1)


def test_a_want_of_memory_is_forgotten_after_a_while() -> None:
    now = 0.0
    watch = MemoryPressure(lambda: now)
    watch.failed(ValueError("no"))
    assert not watch.is_short
    watch.failed(MemoryError())
    assert watch.is_short
    now = SHORT_SECS
    assert not watch.is_short
