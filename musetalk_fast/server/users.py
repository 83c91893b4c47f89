"""Users of a server, identified by key, and their quotas."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

LOCAL = "localhost"
"""The name of whoever comes over loopback or a Unix socket to a server without keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What one user may use; None: as much as the server has.

    Attributes:
        streams: streams and preparations at a time.
        frames_per_minute: frames asked for, on average.
        stored_bytes: assets kept on disk.
    """

    streams: int | None = None
    frames_per_minute: int | None = None
    stored_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class User:
    """Who sends a request.

    Attributes:
        name: of the key, never the key; of a server without keys, where the request came from.
        is_admin: sees and cancels the jobs of all.
    """

    name: str
    quota: Quota = Quota()
    is_admin: bool = False


class KeyRing:
    """The keys of a server; it holds their digests only.

    Args:
        users: by key.
    """

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = {_digest(key.encode()): user for key, user in users.items()}

    @classmethod
    def of_one(cls, key: str) -> KeyRing:
        """One key that all users share: each of them sees the jobs of all."""
        return cls({key: User("shared", is_admin=True)})

    def user(self, given: bytes) -> User | None:
        """Who has this key, or None. How long it takes reveals nothing about the keys."""
        return self._users.get(_digest(given))


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
