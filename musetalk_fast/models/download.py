"""Downloads one file from the hub: resumed, retried, verified by digest."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from pathlib import Path

import aiohttp

from musetalk_fast.client.backoff import backoff_secs
from musetalk_fast.errors import HubError, HubUnreachableError, WeightsDifferError
from musetalk_fast.models.digest import CHUNK_BYTES, ContentName
from musetalk_fast.models.hub import Hub
from musetalk_fast.models.partial_file import PartialFile
from musetalk_fast.models.published_files import PublishedFile
from musetalk_fast.models.retry_policy import Attempts, OnRetry, Pause
from musetalk_fast.models.transfer_progress import TransferProgress
from musetalk_fast.threads import CancelFlag, run_in_thread

_HELD_SECS = 0.5


class Download:
    """Brings one file.

    Args:
        progress: of all files of the pull.
        pause: between attempts.
    """

    def __init__(
        self,
        hub: Hub,
        progress: TransferProgress,
        on_retry: OnRetry,
        pause: Pause = backoff_secs,
    ) -> None:
        self._hub = hub
        self._progress = progress
        self._on_retry = on_retry
        self._pause = pause

    async def fetch(self, file: PublishedFile, name: ContentName, target: Path) -> str:
        """Bring a file that is not there; its SHA-256 in hexadecimal.

        Raises:
            errors.HubError: the leaf that says what went wrong; what came is kept.
            errors.WeightsDifferError: another file came into its place meanwhile.
            errors.OutputError: it cannot be written.
        """
        with closing(PartialFile(target, name)) as part:
            flag = CancelFlag()

            def count(length: int) -> None:
                flag.check()
                self._progress.found(length)

            await run_in_thread(partial(part.load, count), flag.set)
            await self._complete(part, file, name)
            if not part.is_right and part.was_continued:
                # A power cut may have left a hole in what was continued.
                self._restart(part)
                await self._complete(part, file, name)
            if not part.is_right:
                part.discard()
                raise HubError(
                    f"what the hub sent for {file.name} is not what it says of it ({name})",
                    where=file.origin,
                    hint="try again; a mirror or a proxy on the way may change what it passes on",
                )
            if not await run_in_thread(part.commit):
                raise WeightsDifferError("a file came here meanwhile", where=str(target))
            return part.sha256

    async def _complete(self, part: PartialFile, file: PublishedFile, name: ContentName) -> None:
        """Ask for what is missing until nothing is."""
        attempts = Attempts(self._pause, self._on_retry)
        while part.size < name.size:
            before = part.size
            try:
                await self._receive(part, file, name)
            except HubError as error:
                await attempts.failed(error, progressed=part.size > before)

    async def _receive(self, part: PartialFile, file: PublishedFile, name: ContentName) -> None:
        async with self._hub.content(file, name, part.size) as (start, pieces):
            if start != part.size:
                self._restart(part)
            async for chunk in _chunks(pieces):
                if part.size + len(chunk) > name.size:
                    raise HubError(f"more than the {name.size} bytes that it says", where=file.name)
                await run_in_thread(partial(part.write, chunk))
                self._progress.came(len(chunk))
        if part.size < name.size:
            raise HubUnreachableError("the response ended early", where=file.name)

    def _restart(self, part: PartialFile) -> None:
        self._progress.came(-part.size)
        part.restart()


async def _chunks(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """In lengths that are worth a thread, or what came in half a second, or before a failure."""
    held, failure, began = bytearray(), None, time.monotonic()
    try:
        async for piece in pieces:
            held += piece
            if len(held) >= CHUNK_BYTES or time.monotonic() - began >= _HELD_SECS:
                yield bytes(held)
                held.clear()
                began = time.monotonic()
    except (aiohttp.ClientError, OSError) as error:
        failure = error
    if held:
        yield bytes(held)
    if failure is not None:
        raise failure
