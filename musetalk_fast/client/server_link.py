"""The connection to a server, which all renders of a batch share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from musetalk_fast.client.negotiate import NegotiatedServer
from musetalk_fast.types import EngineIdentity


class ServerLink:
    """A server, and what holds of it whichever render asks.

    Args:
        connect: opens the connection and asks what the server can do.

    Attributes:
        streams: of crops, running now.
        saturated_until: by the loop's clock: until then it serves no more of them.
        throughput: frames a second of its last streams, or None.
        announced: its `ServerEvent` was emitted.
    """

    def __init__(self, connect: Callable[[], Awaitable[NegotiatedServer]]) -> None:
        self.streams = 0
        self.saturated_until = 0.0
        self.throughput: float | None = None
        self.announced = False
        self._connect = connect
        self._connecting = asyncio.Lock()
        self._server: NegotiatedServer | None = None
        self._died = False
        self._preparing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._prepared: set[str] = set()

    async def server(self) -> NegotiatedServer:
        """The connected server; opened once, and again where a child of ours has died.

        Raises:
            errors.ServerError: it does not answer, or is no MuseTalk server.
        """
        async with self._connecting:
            if self._server is None or self._died:
                self._server = await self._connect()
                self._died = False
            return self._server

    @property
    def opened(self) -> NegotiatedServer | None:
        """The server, if it ever answered."""
        return self._server

    @property
    def engine(self) -> EngineIdentity | None:
        """Its engine, if it ever answered."""
        if self._server is None:
            return None
        info = self._server.info
        return EngineIdentity(info.engine, info.model, info.is_preview)

    @property
    def is_full(self) -> bool:
        """Whether as many streams run as it says that it serves."""
        return self._server is not None and self.streams >= self._server.info.max_streams

    @property
    def is_saturated(self) -> bool:
        """Whether it said that it serves as many of our streams as it can."""
        return self.streams > 0 and self.saturated_until > asyncio.get_running_loop().time()

    def lost_connection(self) -> None:
        """It cannot be reached: a child of ours is started again."""
        self._died = self._died or (self._server is not None and self._server.builtin)

    @asynccontextmanager
    async def preparing(self, avatar: str) -> AsyncIterator[None]:
        """While an avatar is sent and prepared: the first render does it, others find it done.

        Args:
            avatar: the hash of its asset.
        """
        if avatar in self._prepared:
            yield
            return
        lock = self._preparing.setdefault(avatar, asyncio.Lock())
        async with lock:
            yield
        self._prepared.add(avatar)
