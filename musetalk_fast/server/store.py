"""Assets on disk under the SHA-256 of their bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from musetalk_fast.server.asset_verifier import AssetVerifier
from musetalk_fast.server.asset_writing import write_asset
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.store_directory import folder_errors
from musetalk_fast.server.store_files import DRAFT, is_foreign, remove_asset, scan
from musetalk_fast.server.store_refusals import asset_unknown, full_disk, no_space, store_full
from musetalk_fast.server.store_space import StoreSpace
from musetalk_fast.server.users import User
from musetalk_fast.storage import AtomicFile, sync_file
from musetalk_fast.threads import run_in_thread


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
        budget: most bytes on disk, incoming ones included, as `AssetSizes` counts them.
        longest: most bytes of one asset.

    Raises:
        errors.UsageError: the folder cannot be used.
    """

    def __init__(self, folder: Path, budget: int, longest: int) -> None:
        self._folder = folder
        self._verifier = AssetVerifier(folder)
        self._space = StoreSpace(budget, longest, self._remove_file)
        self._scan()

    def __contains__(self, name: str) -> bool:
        return name in self._space.index

    @property
    def size(self) -> int:
        """Bytes on disk and on their way, as they are counted."""
        return self._space.size

    @property
    def count(self) -> int:
        """How many assets there are."""
        return len(self._space.index)

    @contextmanager
    def lease(self, name: str) -> Iterator[Path]:
        """The asset's file, which stays while the context is open.

        Raises:
            RefusalError: 404, the asset is not here.
        """
        if name not in self._space.index:
            raise asset_unknown(name)
        with self._space.lease(name):
            yield self._folder / name

    async def holds(self, name: str) -> bool:
        """Whether the asset is here; one that may have been damaged is read for it."""
        if name not in self._space.index:
            return False
        if self._verifier.is_known(name):
            return True
        with self.lease(name):
            return await self._is_whole(name)

    def claim(self, name: str, user: User) -> None:
        """An asset that is here is used by somebody; one that an earlier server left is theirs."""
        self._space.claim(name, user)

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
        self._check_place(name)
        self._space.check(size or 0, user)
        with self._space.reservation(user) as reservation:

            def wanted() -> int:
                return max(size or 0, reservation.size)

            place = self._folder / name
            with (
                self.giving_way(wanted),
                AtomicFile(place, error_context=no_space, mode=0o600) as file,
            ):
                length = await write_asset(name, chunks, file, reservation.cover)
                # On the loop: nothing is evicted between this and being counted as there. What a
                # power cut takes back is uploaded again.
                file.publish()
        self._add(name, length, user)
        return length

    @contextmanager
    def draft(self, user: User) -> Iterator[Draft]:
        """A place to make an asset in; what was not adopted goes with the context.

        Raises:
            RefusalError: 503, there was no space on the disk for what was made.
        """
        with (
            self._space.reservation(user) as reservation,
            self.giving_way(lambda: reservation.size),
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

    @contextmanager
    def giving_way(self, size: Callable[[], int]) -> Iterator[None]:
        """Remove what nobody uses where a disk is full, so that who tries again finds it less full.

        Args:
            size: called then: bytes that were wanted.

        Raises:
            RefusalError: 503, the disk has no space for what was done in the context.
        """
        try:
            yield
        except Exception as error:
            reason = full_disk(error)
            if reason is None:
                raise
            self._space.give_way(size())
            if isinstance(error, RefusalError):
                raise
            raise store_full(reason) from error

    def counted(self, name: str) -> int:
        """What an asset counts as."""
        return self._space.index.size(name)

    def _add(self, name: str, length: int, user: User) -> None:
        """Count an asset whose bytes were hashed when they were written."""
        self._space.add(name, length)
        self._space.claim(name, user)
        self._verifier.add(name)

    def _remove_file(self, name: str) -> None:
        remove_asset(self._folder / name)
        self._verifier.forget(name)

    async def _is_whole(self, name: str) -> bool:
        """Read an asset; remove it if it is damaged."""
        is_whole = await self._verifier.is_whole(name)
        if not is_whole:
            self._space.remove(name)
        return is_whole

    def _check_place(self, name: str) -> None:
        if is_foreign(self._folder / name):
            raise store_full("something else has its name in the store folder")

    def _scan(self) -> None:
        with folder_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            for name, length in scan(self._folder):
                self._space.add(name, length)
        self._space.make_space(0)


def _publish(path: Path, target: Path) -> None:
    """On the loop, as in `receive`."""
    path.replace(target)
