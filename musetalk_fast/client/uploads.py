"""Assets: sent once per server, under the SHA-256 of their bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from musetalk_fast.client.connection import Connection
from musetalk_fast.client.refusals import raise_for_refusal
from musetalk_fast.errors import ServerUnreachableError

_CHUNK = 1 << 18
_SLACK_SECS = 0.1

OnSent = Callable[[int, int], None]
"""Told `(bytes sent, bytes in all)`."""


async def ensure_asset(
    connection: Connection, sha256: str, content: bytes | Path, on_sent: OnSent
) -> bool:
    """Send an asset if the server lacks it; whether it did.

    Raises:
        errors.ServerError: the leaf that its refusal names.
    """
    path = f"/v1/assets/{sha256}"
    async with connection.request("HEAD", path) as response:
        if response.status == 200:
            return False
        if response.status != 404:
            await raise_for_refusal(response, connection.address.name)
    await _while_it_moves(connection, content, on_sent, path)
    return True


async def _while_it_moves(
    connection: Connection, content: bytes | Path, on_sent: OnSent, path: str
) -> None:
    """PUT the asset; sockets have no time-out of their own for a peer that takes no more bytes.

    Raises:
        errors.ServerUnreachableError: nothing was taken for as long as a server may be silent.
    """
    loop = asyncio.get_running_loop()
    moved_at = loop.time()

    def moved(sent: int, size: int) -> None:
        nonlocal moved_at
        moved_at = loop.time()
        on_sent(sent, size)

    put = asyncio.ensure_future(_put(connection, content, moved, path))
    try:
        while not put.done():
            left = moved_at + connection.timeout_secs - loop.time()
            if left <= 0:
                raise ServerUnreachableError(
                    f"takes no bytes for {connection.timeout_secs:g} s",
                    where=connection.address.name,
                )
            # A little more, so that silence after the last byte is told as silence.
            await asyncio.wait({put}, timeout=left + _SLACK_SECS)
        put.result()
    finally:
        put.cancel()
        await asyncio.gather(put, return_exceptions=True)


async def _put(connection: Connection, content: bytes | Path, on_sent: OnSent, path: str) -> None:
    size = await asyncio.to_thread(_size, content)
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
    body = _chunks(content, size, on_sent)
    async with connection.request("PUT", path, data=body, headers=headers) as response:
        await raise_for_refusal(response, connection.address.name)


def _size(content: bytes | Path) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


async def _chunks(content: bytes | Path, size: int, on_sent: OnSent) -> AsyncIterator[bytes]:
    if isinstance(content, bytes):
        for start in range(0, size, _CHUNK):
            yield content[start : start + _CHUNK]
            on_sent(min(start + _CHUNK, size), size)
        return
    sent = 0
    with await asyncio.to_thread(content.open, "rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
            sent += len(chunk)
            on_sent(sent, size)
