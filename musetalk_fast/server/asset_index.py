"""Which assets a store has, in the order of their use, and what they count as."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

_BLOCK = 4096
"""What a file takes of a disk is a multiple of it, on all common file systems."""

MOST_ASSETS = 1 << 17
"""Each costs memory, an entry of the folder, and time when a server starts."""


class AssetSizes:
    """What assets count as: what they take of a disk, and a share of `MOST_ASSETS` at least.

    So that whoever keeps to a number of bytes keeps to a number of files.

    Attributes:
        longest: length of an asset that takes all of the budget.

    Args:
        budget: most bytes of all assets together.
    """

    def __init__(self, budget: int) -> None:
        self.longest = budget // _BLOCK * _BLOCK
        self._least = max(_BLOCK, _in_blocks(-(-budget // MOST_ASSETS)))

    def counted(self, length: int) -> int:
        """The bytes that an asset of that length counts as."""
        return max(self._least, _in_blocks(length))


def _in_blocks(length: int) -> int:
    return -(-length // _BLOCK) * _BLOCK


class AssetIndex:
    """Assets from the one that was not used for longest to the one used last.

    Attributes:
        bytes: of all of them.
        leased_bytes: of those in use.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.leased_bytes = 0
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._leases: dict[str, int] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._sizes

    def __len__(self) -> int:
        return len(self._sizes)

    def size(self, name: str) -> int:
        """What an asset counts as; 0 if there is none."""
        return self._sizes.get(name, 0)

    def add(self, name: str, size: int) -> None:
        """An asset is there, used last now; also where it was there already."""
        self.remove(name)
        self._sizes[name] = size
        self._count(name, size)

    def remove(self, name: str) -> None:
        """An asset has gone, if there was one; somebody may have it in use."""
        self._count(name, -self._sizes.pop(name, 0))

    @contextmanager
    def lease(self, name: str) -> Iterator[None]:
        """Use an asset: it is used last, and not idle while the context is open."""
        self._sizes.move_to_end(name)
        if name not in self._leases:
            self.leased_bytes += self.size(name)
        self._leases[name] = self._leases.get(name, 0) + 1
        try:
            yield
        finally:
            self._leases[name] -= 1
            if not self._leases[name]:
                del self._leases[name]
                self.leased_bytes -= self.size(name)

    def is_idle(self, name: str) -> bool:
        """Whether nobody uses it."""
        return name not in self._leases

    def oldest_idle(self) -> str | None:
        """The asset that was not used for longest, of those that nobody uses."""
        return next(filter(self.is_idle, self._sizes), None)

    def _count(self, name: str, change: int) -> None:
        self.bytes += change
        if name in self._leases:
            self.leased_bytes += change
