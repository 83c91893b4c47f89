"""A fair queue: users take turns, whatever the number of what each of them waits for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class _Waiting:
    users: Collection[str]
    granted: asyncio.Event = field(default_factory=asyncio.Event)


class FairQueue:
    """Lets one piece of work run at a time, in an event loop.

    Next is the user whose last turn is longest ago; of that user's work, what came first.
    """

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._is_taken = False
        self._turns = 0
        self._user = ""
        self._last_turns: dict[str, int] = {}

    @asynccontextmanager
    async def turn(self, users: Collection[str]) -> AsyncIterator[None]:
        """Wait for the turn of one of these users, which lasts as long as the context is open.

        Args:
            users: who wait for this work; they may change while it waits.
        """
        own = _Waiting(users)
        self._waiting.append(own)
        self._update()
        self._grant()
        try:
            await own.granted.wait()
            yield
        finally:
            if own in self._waiting:
                self._waiting.remove(own)
            else:
                self._is_taken = False
                self._grant()

    def _update(self) -> None:
        """Whoever comes is before the user who has the turn; who has gone is forgotten."""
        users = sorted({user for each in self._waiting for user in each.users} | {self._user})
        self._last_turns = {user: self._last_turns.get(user, self._turns - 1) for user in users}

    def _grant(self) -> None:
        if self._is_taken or not self._waiting:
            return
        self._update()
        turn, at = min((self._last_turn(each), at) for at, each in enumerate(self._waiting))
        chosen = self._waiting.pop(at)
        self._turns += 1
        self._user = next(each for each in chosen.users if self._last_turns[each] == turn)
        self._last_turns[self._user] = self._turns
        self._is_taken = True
        chosen.granted.set()

    def _last_turn(self, work: _Waiting) -> int:
        return min(self._last_turns[user] for user in work.users)
