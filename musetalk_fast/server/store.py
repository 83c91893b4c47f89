"""Assets on disk under the SHA-256 of their bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from musetalk_fast.server.asset_index import AssetIndex, AssetSizes
from musetalk_fast.server.asset_verifier import AssetVerifier
from musetalk_fast.server.asset_writing import write_asset
from musetalk_fast.server.store_files import DRAFT, is_foreign, remove_asset, scan
from musetalk_fast.server.store_refusals import (
    asset_unknown,
    check_asset_length,
    check_asset_quota,
    is_full_disk,
    no_space,
    quota_full,
    store_full,
)
from musetalk_fast.server.store_reservation import Draft, Reservation
from musetalk_fast.server.store_usage import StoreUsage
from musetalk_fast.server.users import User
from musetalk_fast.storage import AtomicFile, sync_file
from musetalk_fast.threads import run_in_thread


class AssetStore:
    """Keeps the least recently used assets within a byte budget; those in use are never evicted.

    An asset appears atomically. One that no longer has the bytes of its name is removed when that
    is found, so that a client uploads it again. One server owns the folder.

    Args:
        folder: created if need be; what an earlier server left there is kept.
        budget: most bytes on disk, incoming ones included, as `AssetSizes` counts them.
        longest: most bytes of one asset.
    """

    def __init__(self, folder: Path, budget: int, longest: int) -> None:
        self._folder = folder
        self._budget = budget
        self._sizes = AssetSizes(budget)
        self._longest = min(longest, self._sizes.longest)
        self._index = AssetIndex()
        self._usage = StoreUsage()
        self._verifier = AssetVerifier(folder)
        self._incoming = 0
        self._scan()

    def __contains__(self, name: str) -> bool:
        return name in self._index

    @property
    def size(self) -> int:
        """Bytes on disk and on their way, as they are counted."""
        return self._index.bytes + self._incoming

    @property
    def count(self) -> int:
        """How many assets there are."""
        return len(self._index)

    @contextmanager
    def lease(self, name: str) -> Iterator[Path]:
        """The asset's file, which stays while the context is open.

        Raises:
            RefusalError: 404, the asset is not here.
        """
        if name not in self._index:
            raise asset_unknown(name)
        self._usage.touch(name)
        with self._index.lease(name):
            yield self._folder / name

    async def holds(self, name: str) -> bool:
        """Whether the asset is here; one that may have been damaged is read for it."""
        if name not in self._index:
            return False
        if self._verifier.is_known(name):
            return True
        with self.lease(name):
            return await self._is_whole(name)

    def claim(self, name: str, user: User) -> None:
        """An asset that is here is used by somebody; one that an earlier server left is theirs."""
        self._usage.add(name, self._index.size(name), user)

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
        size = self._sizes.counted(length)
        self._index.add(name, size)
        self._usage.add(name, size, user)
        self._verifier.add(name)

    def _remove(self, name: str) -> None:
        remove_asset(self._folder / name)
        self._verifier.forget(name)
        self._usage.forget(name)
        self._index.remove(name)

    async def _is_whole(self, name: str) -> bool:
        """Read an asset; remove it if it is damaged."""
        is_whole = await self._verifier.is_whole(name)
        if not is_whole:
            self._remove(name)
        return is_whole

    @contextmanager
    def _reservation(self, user: User) -> Iterator[Reservation]:
        reservation = Reservation(self._sizes, self._reserve, user)
        try:
            yield reservation
        finally:
            self._incoming -= reservation.size
            self._usage.count(user.name, -reservation.size)

    def _reserve(self, length: int, more: int, user: User) -> None:
        self._check_length(length, user)
        self._make_space_of(user, more)
        self._make_space(more)
        self._usage.count(user.name, more)
        self._incoming += more

    def _check_announced(self, name: str, length: int, user: User) -> None:
        """Refuse what cannot be kept before any of it comes; nothing is evicted for a promise."""
        self._check_place(name)
        self._check_length(length, user)
        in_use = self._incoming + self._index.leased_bytes
        if in_use + self._sizes.counted(length) > self._budget:
            raise store_full("all assets are in use")

    def _check_length(self, length: int, user: User) -> None:
        check_asset_length(length, self._longest)
        check_asset_quota(self._sizes.counted(length), user)

    def _check_place(self, name: str) -> None:
        if is_foreign(self._folder / name):
            raise store_full("something else has its name in the store folder")

    def _make_space_of(self, user: User, size: int) -> None:
        """Remove the user's own assets until `size` more are within the quota."""
        while not self._usage.fits(size, user):
            name = self._usage.oldest(user, self._index.is_idle)
            if name is None:
                raise quota_full(user)
            self._remove(name)

    def _make_space(self, size: int) -> None:
        if not self._shrink(self._budget - size):
            raise store_full("all assets are in use")

    def _give_way(self, size: int) -> None:
        """Remove so many bytes, so that who tries again finds the disk less full than it was."""
        self._shrink(self.size - size)

    def _shrink(self, most: int) -> bool:
        """Remove what was not used for longest; whether no more than so many bytes are left."""
        while self.size > most:
            name = self._index.oldest_idle()
            if name is None:
                return False
            self._remove(name)
        return True

    def _scan(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, length in scan(self._folder):
            self._index.add(name, self._sizes.counted(length))
        self._make_space(0)


def _publish(path: Path, target: Path) -> None:
    """On the loop, as in `receive`."""
    path.replace(target)
