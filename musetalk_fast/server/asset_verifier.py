"""Reads assets again before they are used: a disk may have changed them."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path

from musetalk_fast.server.store_files import FileState, state_of, verified_state
from musetalk_fast.threads import CancelFlag, run_in_thread

_VERIFIED_SECS = 600.0
"""How long an asset whose file does not change counts as whole without being read again."""


class AssetVerifier:
    """Which assets have the bytes of their names. One is read at a time.

    Args:
        folder: of the assets.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._whole: dict[str, tuple[FileState, float]] = {}
        self._reading = asyncio.Lock()

    def add(self, name: str) -> None:
        """An asset's bytes were hashed while they were written."""
        self._note(name, state_of(self._folder / name))

    def forget(self, name: str) -> None:
        """An asset has gone."""
        self._whole.pop(name, None)

    def is_known(self, name: str) -> bool:
        """Whether an asset was whole a short time ago, and its file has not changed since."""
        state, since = self._whole.get(name, (None, 0.0))
        is_fresh = state is not None and time.monotonic() - since < _VERIFIED_SECS
        return is_fresh and state == state_of(self._folder / name)

    async def is_whole(self, name: str) -> bool:
        """Read an asset, in a thread."""
        flag = CancelFlag()
        async with self._reading:
            read = partial(verified_state, self._folder / name, name, flag)
            state = await run_in_thread(read, flag.set)
        self._note(name, state)
        return state is not None

    def _note(self, name: str, state: FileState | None) -> None:
        if state is None:
            self.forget(name)
        else:
            self._whole[name] = (state, time.monotonic())
