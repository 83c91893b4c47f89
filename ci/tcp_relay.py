"""A relay of TCP connections that can be cut, and restored."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HOST = "127.0.0.1"


class Relay:
    """Passes connections on to a port, in a thread of its own.

    Attributes:
        port: where it listens; the same after a cut.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    def cut(self, back_after: float | None = None) -> None:
        """End all connections and refuse others; for so many seconds, or until `restore`."""
        self._call(self._close())
        if back_after is not None:
            threading.Timer(back_after, self.restore).start()

    def restore(self) -> None:
        """Take connections, again."""
        self._call(self._listen())

    @contextmanager
    def running(self) -> Iterator[None]:
        """While the context is open."""
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        self.restore()
        try:
            yield
        finally:
            self.cut()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()

    def _call(self, work: object) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)  # type: ignore[arg-type]

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._pass_on, HOST, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(HOST, self._target)
            self._writers |= {writer, far_writer}
            await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while content := await reader.read(1 << 16):
            writer.write(content)
            await writer.drain()
    writer.close()


@contextmanager
def relayed(target: int) -> Iterator[Relay]:
    """A relay to a port of this machine."""
    relay = Relay(target)
    with relay.running():
        yield relay
