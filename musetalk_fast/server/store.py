"""Assets on disk under the SHA-256 of their bytes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import IO, Any, NamedTuple, TypeVar

from musetalk_fast.server.error_responses import RefusalError

T = TypeVar("T")

_NAME = re.compile(r"[0-9a-f]{64}")
_UNFINISHED = ".upload-"
_BATCH = 1 << 20
"""Bytes handed to a thread at a time, for hashing and writing."""


class _Reservation:
    """Room on disk for an asset on its way: as announced, more if more comes."""

    def __init__(self, reserve: Callable[[int, int], None]) -> None:
        self._reserve = reserve
        self.size = 0

    def cover(self, length: int) -> None:
        """Have room for that many bytes in all; raises what the store refuses."""
        if length > self.size:
            self._reserve(length, length - self.size)
            self.size = length


class Draft(NamedTuple):
    """Where an asset is made.

    Attributes:
        folder: for files that become assets or go.
        cover: called in the event loop: have room for that many bytes in the folder; raises what
            the store refuses.
    """

    folder: Path
    cover: Callable[[int], None]


class AssetStore:
    """Keeps the least recently used assets within a byte budget; those in use are never evicted.

    An asset is there whole or not at all. One server owns the folder.

    Args:
        folder: created if need be; what an earlier server left there is kept.
        budget: most bytes on disk, those on their way included.
        longest: most bytes of one asset.
    """

    def __init__(self, folder: Path, budget: int, longest: int) -> None:
        self._folder = folder
        self._budget = budget
        self._longest = min(longest, budget)
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._leases: Counter[str] = Counter()
        self._bytes = 0
        self._scan()

    def __contains__(self, name: str) -> bool:
        return name in self._sizes

    @property
    def size(self) -> int:
        """Bytes on disk and on their way."""
        return self._bytes

    @contextmanager
    def lease(self, name: str) -> Iterator[Path]:
        """The asset's file, which stays while the context is open.

        Raises:
            RefusalError: 404, the asset is not here.
        """
        if name not in self._sizes:
            raise RefusalError(
                404, "MTF-ASSET-UNKNOWN", f"no asset {name}", f"upload it: PUT /v1/assets/{name}"
            )
        self._sizes.move_to_end(name)
        self._leases[name] += 1
        try:
            yield self._folder / name
        finally:
            self._leases[name] -= 1

    async def receive(self, name: str, chunks: AsyncIterator[bytes], size: int | None) -> int:
        """Take an asset in.

        Args:
            name: SHA-256 of its bytes.
            size: how many bytes are announced, or None.

        Returns:
            How many there were.

        Raises:
            RefusalError: 413 too long, 409 not the bytes of that name, 503 no room now.
        """
        with self._reservation() as reservation:
            reservation.cover(size or 0)
            with NamedTemporaryFile(dir=self._folder, prefix=_UNFINISHED, delete=False) as file:
                length = await self._write(name, chunks, file, reservation)
        self._bytes += length - self._sizes.pop(name, 0)
        self._sizes[name] = length
        return length

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """A place to make an asset in; what was not adopted goes with the context."""
        with (
            self._reservation() as reservation,
            TemporaryDirectory(dir=self._folder, prefix=_UNFINISHED) as folder,
        ):
            yield Draft(Path(folder), reservation.cover)

    async def adopt(self, name: str, path: Path) -> None:
        """Take a finished file of a draft in.

        Args:
            name: SHA-256 of its bytes.

        Raises:
            RefusalError: 503, no room.
        """
        with path.open("rb") as file:
            await _done(asyncio.to_thread(_sync, file))
            _publish(file, self._folder / name)
            length = os.fstat(file.fileno()).st_size
        self._bytes += length - self._sizes.pop(name, 0)
        self._sizes[name] = length

    async def _write(
        self, name: str, chunks: AsyncIterator[bytes], file: IO[bytes], reservation: _Reservation
    ) -> int:
        digest, length = hashlib.sha256(), 0
        try:
            async for batch in _batches(chunks):
                length += len(batch)
                reservation.cover(length)
                await _done(asyncio.to_thread(_append, file, digest, batch))
            if digest.hexdigest() != name:
                raise RefusalError(
                    409, "MTF-ASSET-DIFFERS", f"these bytes are {digest.hexdigest()}, not {name}"
                )
            await _done(asyncio.to_thread(_sync, file))
            # On the loop: nothing is evicted between this and being counted as there.
            _publish(file, self._folder / name)
        except BaseException:
            _discard(file)
            raise
        return length

    @contextmanager
    def _reservation(self) -> Iterator[_Reservation]:
        reservation = _Reservation(self._reserve)
        try:
            yield reservation
        finally:
            self._bytes -= reservation.size

    def _reserve(self, size: int, more: int) -> None:
        self._check_length(size)
        self._make_room(more)
        self._bytes += more

    def _check_length(self, length: int) -> None:
        if length > self._longest:
            raise RefusalError(
                413, "MTF-REQUEST-SIZE", f"the asset is longer than {self._longest} bytes"
            )

    def _make_room(self, size: int) -> None:
        for name in list(self._sizes):
            if self._bytes + size <= self._budget:
                return
            if not self._leases[name]:
                (self._folder / name).unlink(missing_ok=True)
                self._bytes -= self._sizes.pop(name)
        if self._bytes + size > self._budget:
            raise _full("all assets are in use")

    def _scan(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        entries = [(path, path.stat()) for path in self._folder.iterdir()]
        for path, stat in sorted(entries, key=lambda entry: entry[1].st_mtime):
            if _NAME.fullmatch(path.name):
                self._sizes[path.name] = stat.st_size
                self._bytes += stat.st_size
            elif path.name.startswith(_UNFINISHED):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self._make_room(0)


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


async def _done(work: Coroutine[Any, Any, T]) -> T:
    """Await work in a thread; a cancelled caller goes on only when the thread has let go."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
    except OSError as error:
        raise _full(error.strerror or str(error)) from error


def _append(file: IO[bytes], digest: hashlib._Hash, batch: bytes) -> None:
    digest.update(batch)
    file.write(batch)


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _publish(file: IO[bytes], path: Path) -> None:
    try:
        Path(file.name).replace(path)
    except OSError as error:
        raise _full(error.strerror or str(error)) from error


def _discard(file: IO[bytes]) -> None:
    Path(file.name).unlink(missing_ok=True)
    with suppress(OSError):  # closing tries to write what is left: a full disk fails again
        file.close()


def _full(reason: str) -> RefusalError:
    return RefusalError(503, "MTF-STORE-FULL", f"there is no room for the asset: {reason}")
