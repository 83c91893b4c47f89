"""Servers that all tests of the bench share, and the fault-free answers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from proxy import Proxy, proxied
from workload import Right, Server, Workload, pictures, served

from musetalk_fast.client import backoff
from musetalk_fast.types import CropEncoding


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server without faults."""
    with served() as servers:
        yield servers[0]


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """Injects faults into what the server sends."""
    with proxied(server.address) as proxy:
        yield proxy


@pytest.fixture
def two(server: Server) -> Iterator[tuple[Proxy, Proxy]]:
    """Two of them: two servers, as far as a client can tell."""
    with proxied(server.address) as first, proxied(server.address) as second:
        yield first, second


@pytest.fixture(scope="session")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    """Four segments."""
    return Workload(tmp_path_factory.mktemp("workload"), 4.0).write()


@pytest.fixture(scope="session")
def short(workload: Workload) -> Workload:
    """One segment."""
    return Workload(workload.folder, 1.0).write()


@pytest.fixture(scope="session")
def right(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Right:
    """The frames of a fault-free render."""
    known: dict[tuple[float, CropEncoding], list[str]] = {}

    async def frames(workload: Workload, encoding: CropEncoding = CropEncoding.RAW) -> list[str]:
        key = workload.secs, encoding
        if key not in known:
            output = tmp_path_factory.mktemp("right") / "right.mp4"
            await workload.render(output, server.address, encoding=encoding)
            known[key] = pictures(output)
            assert len(known[key]) == workload.frames
            # A frame in its neighbour's place would be seen.
            raw = encoding is CropEncoding.RAW
            assert not raw or all(one != next_one for one, next_one in pairwise(known[key]))
        return known[key]

    return frames


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back off for hundredths of seconds."""
    monkeypatch.setattr(backoff, "_INITIAL_SECS", 0.02)
    monkeypatch.setattr(backoff, "_MAX_SECS", 0.1)
