"""A cluster that is gone is said by name, and there is nothing left to end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from musetalk_fast.batching import BatchOptions
from musetalk_fast.errors import ClusterError
from musetalk_fast.threads import run_in_thread

pytestmark = pytest.mark.long


class _LostActor:
    """As Ray Client's proxies are once their connection is."""

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError("Failed to reconnect within the grace period")


class _Awaited(Future[Any]):
    """Says when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_awaited = threading.Event()

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        super().add_done_callback(fn)
        self.is_awaited.set()


def test_a_lost_cluster_is_an_error_with_a_name() -> None:
    pytest.importorskip("ray", reason="no ray: pip install '.[ray]'")
    from musetalk_fast.farming.ray.cluster import Cluster

    cluster = Cluster("ray://head:10001")
    cluster.events, cluster.servers = _LostActor(), (_LostActor(),)
    with pytest.raises(ClusterError, match="lost") as caught:
        cluster.capacity()
    assert caught.value.where == "ray://head:10001"
    with pytest.raises(ClusterError, match="lost"):
        asyncio.run(cluster.fetch())
    cluster.__exit__(None, None, None)


def test_a_broken_connection_holds_nothing_else_up() -> None:
    """Ray Client waits for another connection inside every call: a signal must be heard then."""
    pytest.importorskip("ray", reason="no ray: pip install '.[ray]'")
    from musetalk_fast.farming.ray.cluster import Cluster

    is_back = threading.Event()

    def take() -> Any:
        assert is_back.wait(20), "nothing else could be done"
        raise ConnectionError("not back in time")

    cluster = Cluster("ray://head:10001")
    cluster.events = SimpleNamespace(take=SimpleNamespace(remote=take))

    async def fetch() -> None:
        asyncio.get_running_loop().call_soon(is_back.set)
        await cluster.fetch()

    with pytest.raises(ClusterError, match="not back in time"):
        asyncio.run(fetch())


def test_a_cancelled_wait_leaves_rays_future_alone() -> None:
    """Ray Client's thread that ends those of a lost connection ends itself at a cancelled one."""
    pytest.importorskip("ray", reason="no ray: pip install '.[ray]'")
    from musetalk_fast.farming.ray.cluster import Cluster

    future = _Awaited()
    reference = SimpleNamespace(future=lambda: future)
    cluster = Cluster("ray://head:10001")
    cluster.events = SimpleNamespace(take=SimpleNamespace(remote=lambda: reference))

    async def fetch() -> None:
        waiting = asyncio.ensure_future(cluster.fetch())
        await run_in_thread(partial(future.is_awaited.wait, 20))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(fetch())
    future.set_exception(ConnectionError("lost"))


def test_a_head_that_is_silent_is_said_before_ray_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("ray", reason="no ray: pip install '.[ray]'")
    from musetalk_fast.farming.ray import ray_batch

    monkeypatch.setattr(ray_batch, "_LOOK_SECS", 0)
    monkeypatch.setattr(ray_batch, "_PATIENCE_SECS", 0)
    said, is_said, looks = [], threading.Event(), []

    def capacity() -> int:
        looks.append(1)
        if len(looks) == 2:
            assert is_said.wait(20)
        return 1

    def event(_job: object, event: Any) -> None:
        said.append(event.token)
        is_said.set()

    async def look() -> None:
        cluster: Any = SimpleNamespace(capacity=capacity)
        listener: Any = SimpleNamespace(event=event)
        batch = ray_batch._RayBatch(cluster, listener, {}, BatchOptions())
        looking = asyncio.ensure_future(batch._look())
        await run_in_thread(lambda: is_said.wait(20))
        looking.cancel()
        await asyncio.wait([looking])

    asyncio.run(look())
    assert said[0] == "MTF-CLUSTER"


def test_the_reason_of_a_failed_connection_is_said() -> None:
    pytest.importorskip("ray", reason="no ray: pip install '.[ray]'")
    from musetalk_fast.farming.ray.cluster import _unreachable

    said = (
        "Initialization failure from server:\nTraceback (most recent call last):\n  ...\n\nE: why\n"
    )
    refused = _unreachable("ray://head:10001", ConnectionAbortedError(said))
    assert "no Ray cluster answers: Initialization failure from server: E: why" in str(refused)
    assert "second" not in str(_unreachable("auto", ConnectionError("first\nsecond")))
