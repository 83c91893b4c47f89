"""A server as an actor: it holds one `musetalk` of the cluster's resources and runs `serve`."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import ray

from musetalk_fast.errors import MuseTalkError, ServersLostError
from musetalk_fast.server_process import LOAD_SECS, ServerProcess
from musetalk_fast.storage import make_temporary_folder

RESOURCE = "musetalk"
"""Each GPU of a node is to have one: `ray start --resources='{"musetalk": 1}'`."""

LOST = (ray.exceptions.RayError, OSError, RuntimeError, ValueError, AssertionError)
"""What Ray, and Ray Client, raise where the connection to the cluster is lost."""

_PREFERRED_SECS = 5.0
_POLL_SECS = 5.0


class ServerActor:
    """Runs a server that ends with this process; where the server ends, so does this process.

    Ray then starts the actor again, on this node or on another.

    Args:
        key: that the server demands.
    """

    def __init__(self, engine: str, key: str) -> None:
        self._engine = engine
        self._key = key
        self._starting: asyncio.Task[str] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def address(self) -> str:
        """Where it listens; it is started by the first who asks.

        Raises:
            errors.MuseTalkError: it does not start.
        """
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        return await asyncio.shield(self._starting)

    async def _start(self) -> str:
        folder = make_temporary_folder()
        try:
            key_file = folder / "key"
            key_file.touch(mode=0o600)
            key_file.write_text(self._key)
            return await self._listen(key_file)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def _listen(self, key_file: Path) -> str:
        host = ray.util.get_node_ip_address()
        listen = ("--host", host, "--port", "0", "--api-key-file", str(key_file))
        name = f"{self._engine} on {host}"
        engine = ("--engine", self._engine)
        server = ServerProcess(engine, listen=listen, name=name, start_secs=LOAD_SECS)
        await server.__aenter__()
        self._watching = asyncio.create_task(_end_with(server))
        return server.address


async def _end_with(server: ServerProcess) -> None:
    await server.wait()
    os._exit(1)  # so that Ray starts the actor again


def address_of(servers: Sequence[Any]) -> str:
    """The address of the first server, or of another one if that one has not started in time.

    Raises:
        errors.MuseTalkError: the only one's error.
        errors.ServersLostError: none of them will ever start again.
    """
    return _address(servers, _PREFERRED_SECS)


def wait_for_server(servers: Sequence[Any]) -> None:
    """Return when one of the servers listens.

    Raises:
        errors.MuseTalkError, errors.ServersLostError: as `address_of`.
    """
    _address(servers, 0.0)


def _address(servers: Sequence[Any], preferred_secs: float) -> str:
    asked = [server.address.remote() for server in servers]
    # Of all together, whichever answers first would be taken.
    ready, _ = ray.wait(asked[:1], timeout=preferred_secs)
    error: Exception | None = None
    while asked:
        for each in ready:
            try:
                return str(ray.get(each))
            except ray.exceptions.RayError as failed:
                error = failed
            asked.remove(each)
        if asked:
            ready, _ = ray.wait(asked, timeout=_POLL_SECS)
    cause = getattr(error, "cause", None)
    if isinstance(cause, MuseTalkError):
        raise cause
    raise ServersLostError(f"no server of the cluster starts again: {error}")


def end_server(server: Any) -> None:
    """End an actor and its server for good."""
    with suppress(*LOST):
        ray.kill(server, no_restart=True)
