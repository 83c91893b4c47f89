"""Whose each asset is, and how much of the disk each user's assets take."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable

from musetalk_fast.server.users import User


class StoreUsage:
    """An asset belongs to the user who sent it first; bytes on their way to who sends them."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._sizes: defaultdict[str, OrderedDict[str, int]] = defaultdict(OrderedDict)
        self._bytes: Counter[str] = Counter()

    def add(self, name: str, size: int, user: User) -> None:
        """An asset is there; nothing changes if it has an owner."""
        if name not in self._owners:
            self._owners[name] = user.name
            self._sizes[user.name][name] = size
            self.count(user.name, size)

    def touch(self, name: str) -> None:
        """An asset is used last now."""
        owner = self._owners.get(name)
        if owner is not None:
            self._sizes[owner].move_to_end(name)

    def forget(self, name: str) -> None:
        """An asset is gone."""
        owner = self._owners.pop(name, None)
        if owner is not None:
            self.count(owner, -self._sizes[owner].pop(name))
            if not self._sizes[owner]:
                del self._sizes[owner]

    def count(self, user: str, change: int) -> None:
        """So many bytes more, or fewer."""
        self._bytes[user] += change
        if not self._bytes[user]:
            del self._bytes[user]

    def oldest(self, user: User, is_idle: Callable[[str], bool]) -> str | None:
        """The asset of a user that was not used for longest, of those that are idle."""
        return next(filter(is_idle, self._sizes.get(user.name, ())), None)

    def fits(self, more: int, user: User) -> bool:
        """Whether so many bytes more are within the user's quota."""
        most = user.quota.stored_bytes
        return most is None or self._bytes[user.name] + more <= most
