"""The disk space of an asset store: what counts, for whom, and what goes where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from musetalk_fast.server.asset_index import AssetIndex, AssetSizes
from musetalk_fast.server.store_refusals import (
    check_asset_length,
    check_asset_quota,
    quota_full,
    store_full,
)
from musetalk_fast.server.store_usage import StoreUsage
from musetalk_fast.server.users import User


class Reservation:
    """Disk space for an asset being received: as much as has come, as it is counted."""

    def __init__(
        self, sizes: AssetSizes, reserve: Callable[[int, int, User], None], user: User
    ) -> None:
        self._sizes = sizes
        self._reserve = reserve
        self._user = user
        self.size = 0

    def cover(self, length: int) -> None:
        """Reserve that many bytes in total; raises what the store refuses."""
        size = self._sizes.counted(length)
        if size > self.size:
            self._reserve(length, size - self.size, self._user)
            self.size = size


class StoreSpace:
    """Counts assets within a budget and quotas; the least recently used ones go, unless in use.

    Attributes:
        index: the assets that are there.

    Args:
        budget: most bytes, incoming ones included, as `AssetSizes` counts them.
        longest: most bytes of one asset.
        remove_file: called for an asset that goes.
    """

    def __init__(self, budget: int, longest: int, remove_file: Callable[[str], None]) -> None:
        self.index = AssetIndex()
        self._sizes = AssetSizes(budget)
        self._budget = budget
        self._longest = min(longest, self._sizes.longest)
        self._remove_file = remove_file
        self._usage = StoreUsage()
        self._incoming = 0

    @property
    def size(self) -> int:
        """Bytes on disk and on their way, as they are counted."""
        return self.index.bytes + self._incoming

    def add(self, name: str, length: int) -> None:
        """An asset is there."""
        self.index.add(name, self._sizes.counted(length))

    def claim(self, name: str, user: User) -> None:
        """An asset that is there is a user's, unless it is somebody's already."""
        self._usage.add(name, self.index.size(name), user)

    @contextmanager
    def lease(self, name: str) -> Iterator[None]:
        """Use an asset: it is used last, and stays while the context is open."""
        self._usage.touch(name)
        with self.index.lease(name):
            yield

    def remove(self, name: str) -> None:
        """Remove an asset."""
        self._remove_file(name)
        self._usage.forget(name)
        self.index.remove(name)

    @contextmanager
    def reservation(self, user: User) -> Iterator[Reservation]:
        """Space that is free again when the context ends."""
        reservation = Reservation(self._sizes, self._reserve, user)
        try:
            yield reservation
        finally:
            self._incoming -= reservation.size
            self._usage.count(user.name, -reservation.size)

    def check(self, length: int, user: User) -> None:
        """Refuse what cannot be kept before any of it comes; nothing is evicted for a promise.

        Raises:
            RefusalError: 413, 503.
        """
        self._check_length(length, user)
        in_use = self._incoming + self.index.leased_bytes
        if in_use + self._sizes.counted(length) > self._budget:
            raise store_full("all assets are in use")

    def make_space(self, size: int) -> None:
        """Remove what was not used for longest until `size` more are within the budget.

        Raises:
            RefusalError: 503, what is in use leaves too little.
        """
        if not self._shrink(self._budget - size):
            raise store_full("all assets are in use")

    def give_way(self, size: int) -> None:
        """Remove as many bytes, at least one asset, if there are as many that nobody uses."""
        self._shrink(self.size - max(1, size))

    def _reserve(self, length: int, more: int, user: User) -> None:
        self._check_length(length, user)
        self._make_space_of(user, more)
        self.make_space(more)
        self._usage.count(user.name, more)
        self._incoming += more

    def _check_length(self, length: int, user: User) -> None:
        check_asset_length(length, self._longest)
        check_asset_quota(self._sizes.counted(length), user)

    def _make_space_of(self, user: User, size: int) -> None:
        """Remove the user's own assets until `size` more are within the quota."""
        while not self._usage.fits(size, user):
            name = self._usage.oldest(user, self.index.is_idle)
            if name is None:
                raise quota_full(user)
            self.remove(name)

    def _shrink(self, most: int) -> bool:
        """Remove what was not used for longest; whether no more than so many bytes are left."""
        while self.size > most:
            name = self.index.oldest_idle()
            if name is None:
                return False
            self.remove(name)
        return True
