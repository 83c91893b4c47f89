"""Assets on disk under the SHA-256 of their bytes."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.storage import AtomicFile, remove_unfinished, sync_file
from musetalk_fast.threads import run_in_thread

_NAME = re.compile(r"[0-9a-f]{64}")
_DRAFT = ".draft-"
_BATCH = 1 << 20
"""Bytes handed to a thread at a time, for hashing and writing."""


class _Reservation:
    """Disk space for an asset being received: as announced, more if more comes."""

    def __init__(self, reserve: Callable[[int, int], None]) -> None:
        self._reserve = reserve
        self.size = 0

    def cover(self, length: int) -> None:
        """Reserve that many bytes in total; raises what the store refuses."""
        if length > self.size:
            self._reserve(length, length - self.size)
            self.size = length


class Draft(NamedTuple):
    """Where an asset is made.

    Attributes:
        folder: for files that become assets or go.
        cover: called in the event loop: reserves that many bytes in the folder; raises what
            the store refuses.
    """

    folder: Path
    cover: Callable[[int], None]


class AssetStore:
    """Keeps the least recently used assets within a byte budget; those in use are never evicted.

    An asset appears atomically. One server owns the folder.

    Args:
        folder: created if need be; what an earlier server left there is kept.
        budget: most bytes on disk, incoming ones included.
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
            RefusalError: 413 too long, 409 not the bytes of that name, 503 no space now.
        """
        with self._reservation() as reservation:
            reservation.cover(size or 0)
            file = AtomicFile(self._folder / name, error_context=_no_space, mode=0o600)
            try:
                length = await _write(name, chunks, file, reservation)
                # On the loop: nothing is evicted between this and being counted as there. What a
                # power cut takes back is uploaded again.
                file.publish()
            except BaseException:
                file.discard()
                raise
        self._bytes += length - self._sizes.pop(name, 0)
        self._sizes[name] = length
        return length

    @contextmanager
    def draft(self) -> Iterator[Draft]:
        """A place to make an asset in; what was not adopted goes with the context."""
        with (
            self._reservation() as reservation,
            TemporaryDirectory(dir=self._folder, prefix=_DRAFT) as folder,
        ):
            yield Draft(Path(folder), reservation.cover)

    async def adopt(self, name: str, path: Path) -> None:
        """Take a finished file of a draft in.

        Args:
            name: SHA-256 of its bytes.

        Raises:
            RefusalError: 503, no space.
        """
        with _no_space(path):
            length = await run_in_thread(partial(sync_file, path))
            _publish(path, self._folder / name)
        self._bytes += length - self._sizes.pop(name, 0)
        self._sizes[name] = length

    @contextmanager
    def _reservation(self) -> Iterator[_Reservation]:
        reservation = _Reservation(self._reserve)
        try:
            yield reservation
        finally:
            self._bytes -= reservation.size

    def _reserve(self, size: int, more: int) -> None:
        self._check_length(size)
        self._make_space(more)
        self._bytes += more

    def _check_length(self, length: int) -> None:
        if length > self._longest:
            raise RefusalError(
                413, "MTF-REQUEST-SIZE", f"the asset is longer than {self._longest} bytes"
            )

    def _make_space(self, size: int) -> None:
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
        remove_unfinished(self._folder)
        entries = [(path, path.stat()) for path in self._folder.iterdir()]
        for path, stat in sorted(entries, key=lambda entry: entry[1].st_mtime):
            if _NAME.fullmatch(path.name):
                self._sizes[path.name] = stat.st_size
                self._bytes += stat.st_size
            elif path.name.startswith(_DRAFT):
                shutil.rmtree(path)
        self._make_space(0)


async def _write(
    name: str, chunks: AsyncIterator[bytes], file: AtomicFile, reservation: _Reservation
) -> int:
    digest, length = hashlib.sha256(), 0
    async for batch in _batches(chunks):
        length += len(batch)
        reservation.cover(length)
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


def _publish(path: Path, target: Path) -> None:
    """On the loop, as in `receive`."""
    path.replace(target)


@contextmanager
def _no_space(_path: Path) -> Iterator[None]:
    """What the disk does not take, a client may try again later."""
    try:
        yield
    except OSError as error:
        raise _full(error.strerror or str(error)) from error


def _full(reason: str) -> RefusalError:
    return RefusalError(503, "MTF-STORE-FULL", f"there is no space for the asset: {reason}")
