"""Assets on disk under the SHA-256 of their bytes."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from musetalk_fast.server.asset_verifier import AssetVerifier
from musetalk_fast.server.asset_writing import write_asset
from musetalk_fast.server.store_files import DRAFT, is_foreign, remove_asset, scan
from musetalk_fast.server.store_refusals import (
    asset_unknown,
    check_asset_length,
    is_full_disk,
    no_space,
    quota_full,
    store_full,
)
from musetalk_fast.server.store_usage import StoreUsage
from musetalk_fast.server.users import User
from musetalk_fast.storage import AtomicFile, sync_file
from musetalk_fast.threads import run_in_thread


class _Reservation:
    """Disk space for an asset being received: as much as has come."""

    def __init__(self, reserve: Callable[[int, int, User], None], user: User) -> None:
        self._reserve = reserve
        self._user = user
        self.size = 0

    def cover(self, length: int) -> None:
        """Reserve that many bytes in total; raises what the store refuses."""
        if length > self.size:
            self._reserve(length, length - self.size, self._user)
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

    An asset appears atomically. One that no longer has the bytes of its name is removed when that
    is found, so that a client uploads it again. One server owns the folder.

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
        self._usage = StoreUsage()
        self._verifier = AssetVerifier(folder)
        self._bytes = 0
        self._incoming = 0
        self._scan()

    def __contains__(self, name: str) -> bool:
        return name in self._sizes

    @property
    def size(self) -> int:
        """Bytes on disk and on their way."""
        return self._bytes

    @property
    def count(self) -> int:
        """How many assets there are."""
        return len(self._sizes)

    @contextmanager
    def lease(self, name: str) -> Iterator[Path]:
        """The asset's file, which stays while the context is open.

        Raises:
            RefusalError: 404, the asset is not here.
        """
        if name not in self._sizes:
            raise asset_unknown(name)
        self._sizes.move_to_end(name)
        self._leases[name] += 1
        try:
            yield self._folder / name
        finally:
            self._leases[name] -= 1

    async def holds(self, name: str) -> bool:
        """Whether the asset is here; one that may have been damaged is read for it."""
        if name not in self._sizes:
            return False
        if self._verifier.is_known(name):
            return True
        with self.lease(name):
            return await self._is_whole(name)

    def claim(self, name: str, user: User) -> None:
        """An asset that is here is used by somebody; one that an earlier server left is theirs."""
        self._usage.add(name, self._sizes[name], user)

    async def verify(self, name: str) -> None:
        """Read a leased asset before it is used.

        Raises:
            RefusalError: 404, it was damaged, and is removed.
        """
        if not await self._is_whole(name):
            raise asset_unknown(name)

    async def receive(
        self, name: str, chunks: AsyncIterator[bytes], size: int | None, user: User
    ) -> int:
        """Take an asset in.

        Args:
            name: SHA-256 of its bytes.
            size: how many bytes are announced, or None.
            user: whose quota it counts in.

        Returns:
            How many there were.

        Raises:
            RefusalError: 413 too long, 409 not the bytes of that name, 503 no space now, 429 no
                space in the user's quota.
        """
        self._check_announced(name, size or 0, user)
        with self._reservation(user) as reservation:
            file = AtomicFile(self._folder / name, error_context=no_space, mode=0o600)
            try:
                length = await write_asset(name, chunks, file, reservation.cover)
                # On the loop: nothing is evicted between this and being counted as there. What a
                # power cut takes back is uploaded again.
                file.publish()
            except BaseException as error:
                file.discard()
                if is_full_disk(error):
                    self._give_way(max(size or 0, reservation.size))
                raise
        self._add(name, length, user)
        return length

    @contextmanager
    def draft(self, user: User) -> Iterator[Draft]:
        """A place to make an asset in; what was not adopted goes with the context."""
        with (
            self._reservation(user) as reservation,
            TemporaryDirectory(dir=self._folder, prefix=DRAFT) as folder,
        ):
            yield Draft(Path(folder), reservation.cover)

    async def adopt(self, name: str, path: Path, user: User) -> None:
        """Take a finished file of a draft in.

        Args:
            name: SHA-256 of its bytes.

        Raises:
            RefusalError: 503, no space.
        """
        self._check_place(name)
        with no_space(path):
            length = await run_in_thread(partial(sync_file, path))
            _publish(path, self._folder / name)
        self._add(name, length, user)

    def _add(self, name: str, length: int, user: User) -> None:
        """Count an asset whose bytes were hashed when they were written."""
        self._bytes += length - self._sizes.pop(name, 0)
        self._sizes[name] = length
        self._usage.add(name, length, user)
        self._verifier.add(name)

    def _remove(self, name: str) -> None:
        remove_asset(self._folder / name)
        self._verifier.forget(name)
        length = self._sizes.pop(name, 0)
        self._usage.forget(name, length)
        self._bytes -= length

    async def _is_whole(self, name: str) -> bool:
        """Read an asset; remove it if it is damaged."""
        is_whole = await self._verifier.is_whole(name)
        if not is_whole:
            self._remove(name)
        return is_whole

    @contextmanager
    def _reservation(self, user: User) -> Iterator[_Reservation]:
        reservation = _Reservation(self._reserve, user)
        try:
            yield reservation
        finally:
            self._bytes -= reservation.size
            self._incoming -= reservation.size
            self._usage.count(user.name, -reservation.size)

    def _reserve(self, size: int, more: int, user: User) -> None:
        check_asset_length(size, self._longest, user)
        self._make_space_of(user, more)
        self._make_space(more)
        self._usage.count(user.name, more)
        self._bytes += more
        self._incoming += more

    def _check_announced(self, name: str, size: int, user: User) -> None:
        """Refuse what cannot be kept before any of it comes; nothing is evicted for a promise."""
        self._check_place(name)
        check_asset_length(size, self._longest, user)
        in_use = sum(length for kept, length in self._sizes.items() if self._leases[kept])
        if self._incoming + in_use + size > self._budget:
            raise store_full("all assets are in use")

    def _check_place(self, name: str) -> None:
        if is_foreign(self._folder / name):
            raise store_full("something else has its name in the store folder")

    def _make_space_of(self, user: User, size: int) -> None:
        """Remove the user's own assets until `size` more are within the quota."""
        for name in list(self._sizes):
            if self._usage.fits(size, user):
                return
            if self._usage.belongs(name, user) and not self._leases[name]:
                self._remove(name)
        if not self._usage.fits(size, user):
            raise quota_full(user)

    def _make_space(self, size: int) -> None:
        for name in list(self._sizes):
            if self._bytes + size <= self._budget:
                return
            if not self._leases[name]:
                self._remove(name)
        if self._bytes + size > self._budget:
            raise store_full("all assets are in use")

    def _give_way(self, size: int) -> None:
        """Remove so many bytes, so that who tries again finds the disk less full than it was."""
        wanted = self._bytes - size
        for name in list(self._sizes):
            if self._bytes <= wanted:
                return
            if not self._leases[name]:
                self._remove(name)

    def _scan(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, size in scan(self._folder):
            self._sizes[name] = size
            self._bytes += size
        self._make_space(0)


def _publish(path: Path, target: Path) -> None:
    """On the loop, as in `receive`."""
    path.replace(target)
