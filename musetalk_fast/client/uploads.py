"""Assets: sent once per server, under the SHA-256 of their bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from musetalk_fast.client.connection import Connection
from musetalk_fast.client.http_errors import raise_for_refusal
from musetalk_fast.threads import in_threads, run_in_thread

_CHUNK = 1 << 18

OnSent = Callable[[int, int], None]
"""Called with `(bytes sent, bytes in total)`."""


async def ensure_asset(
    connection: Connection, sha256: str, content: bytes | Path, on_sent: OnSent
) -> bool:
    """Send an asset if the server lacks it; whether it did.

    Raises:
        errors.ServerError: the leaf that its refusal names.
    """
    path = f"/v1/assets/{sha256}"
    where, silence_secs = connection.address.name, connection.timeout_secs
    async with connection.request("HEAD", path) as response:
        if response.status == 200:
            return False
        if response.status != 404:
            await raise_for_refusal(response, where, silence_secs)
    size = await run_in_thread(partial(asset_size, content))
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
    body = partial(_chunks, content, size, on_sent)
    async with connection.request("PUT", path, body=body, headers=headers) as response:
        await raise_for_refusal(response, where, silence_secs)
    return True


def asset_size(content: bytes | Path) -> int:
    """Bytes of an asset; may ask the disk."""
    return len(content) if isinstance(content, bytes) else content.stat().st_size


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as file:
        yield file


async def _chunks(content: bytes | Path, size: int, on_sent: OnSent) -> AsyncIterator[bytes]:
    if isinstance(content, bytes):
        for start in range(0, size, _CHUNK):
            yield content[start : start + _CHUNK]
            on_sent(min(start + _CHUNK, size), size)
        return
    sent = 0
    async with in_threads(_opened(content)) as file:
        while chunk := await run_in_thread(partial(file.read, _CHUNK)):
            yield chunk
            sent += len(chunk)
            on_sent(sent, size)
