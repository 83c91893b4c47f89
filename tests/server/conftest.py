"""One server process for the tests that need nothing special, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from server_process import Client, Process, client_of, running


@pytest.fixture(scope="session")
def server() -> Iterator[Process]:
    with running(limits={"max_asset_bytes": 4 << 20, "store_bytes": 64 << 20}) as process:
        yield process


@pytest.fixture
async def client(server: Process) -> AsyncIterator[Client]:
    async with client_of(server.address) as opened:
        yield opened
