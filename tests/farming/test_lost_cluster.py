"""A cluster that is gone is said by name, and there is nothing left to end."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from musetalk_fast.errors import ClusterError

pytestmark = pytest.mark.long


class _LostActor:
    """As Ray Client's proxies are once their connection is."""

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError("Failed to reconnect within the grace period")


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
