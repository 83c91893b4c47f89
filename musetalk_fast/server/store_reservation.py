"""Disk space for what is on its way into the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from musetalk_fast.server.asset_index import AssetSizes
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


class Draft(NamedTuple):
    """Where an asset is made.

    Attributes:
        folder: for files that become assets or go.
        cover: called in the event loop: reserves that many bytes in the folder; raises what
            the store refuses.
    """

    folder: Path
    cover: Callable[[int], None]
