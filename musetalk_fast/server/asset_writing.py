"""Writes an asset while it arrives."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from functools import partial

from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.storage import AtomicFile
from musetalk_fast.threads import run_in_thread

_BATCH = 1 << 18
"""Bytes handed to a thread at a time, for hashing and writing; each upload holds as many."""


async def write_asset(
    name: str, chunks: AsyncIterator[bytes], file: AtomicFile, cover: Callable[[int], None]
) -> int:
    """Write what comes, and make it safe from a power cut; its size in bytes.

    Args:
        name: SHA-256 of the bytes.
        cover: called with the size so far before it is written; raises what the store refuses.

    Raises:
        RefusalError: 409, not the bytes of that name; what `cover` raises.
    """
    digest, length = hashlib.sha256(), 0
    async for batch in _batches(chunks):
        length += len(batch)
        cover(length)
        await run_in_thread(partial(_append, file, digest, batch))
    if digest.hexdigest() != name:
        raise RefusalError(
            409, "MTF-ASSET-DIFFERS", f"these bytes are {digest.hexdigest()}, not {name}"
        )
    return await run_in_thread(file.sync)


async def _batches(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    held: list[bytes] = []
    length = 0
    async for chunk in chunks:
        held.append(chunk)
        length += len(chunk)
        if length >= _BATCH:
            yield b"".join(held)
            held, length = [], 0
    if held:
        yield b"".join(held)


def _append(file: AtomicFile, digest: hashlib._Hash, batch: bytes) -> None:
    digest.update(batch)
    file.write(batch)
