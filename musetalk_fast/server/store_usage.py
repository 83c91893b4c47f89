"""Whose each asset is, and how much of the disk each user's assets take."""

from __future__ import annotations

from collections import Counter

from musetalk_fast.server.users import User


class StoreUsage:
    """An asset belongs to the user who sent it first; bytes on their way to who sends them."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._bytes: Counter[str] = Counter()

    def add(self, name: str, length: int, user: User) -> None:
        """An asset is there; nothing changes if it has an owner."""
        if name not in self._owners:
            self._owners[name] = user.name
            self.count(user.name, length)

    def forget(self, name: str, length: int) -> None:
        """An asset of that length is gone."""
        owner = self._owners.pop(name, None)
        if owner is not None:
            self.count(owner, -length)

    def count(self, user: str, change: int) -> None:
        """So many bytes more, or fewer."""
        self._bytes[user] += change
        if not self._bytes[user]:
            del self._bytes[user]

    def belongs(self, name: str, user: User) -> bool:
        """Whether an asset is this user's."""
        return self._owners.get(name) == user.name

    def fits(self, more: int, user: User) -> bool:
        """Whether so many bytes more are within the user's quota."""
        most = user.quota.stored_bytes
        return most is None or self._bytes[user.name] + more <= most
