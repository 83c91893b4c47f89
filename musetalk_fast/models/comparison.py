"""Compares a models folder with the hub's digests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from musetalk_fast.engines.musetalk.file_status import file_size
from musetalk_fast.errors import WeightsDifferError
from musetalk_fast.events import OnEvent
from musetalk_fast.models.digest import ContentName, OnBytes, feed
from musetalk_fast.models.hub import Hub
from musetalk_fast.models.published_files import MUSETALK_10_UNET, MUSETALK_15_UNET, PublishedFile
from musetalk_fast.models.pull_record import RecordedFile
from musetalk_fast.models.transfer_progress import TransferProgress
from musetalk_fast.threads import CancelFlag, run_in_thread


async def compare(
    folder: Path, names: Mapping[PublishedFile, ContentName], hub: Hub, on_event: OnEvent
) -> list[RecordedFile]:
    """Read files that are there.

    Args:
        names: what the hub says that they are.

    Raises:
        errors.WeightsDifferError: some are others; all of them are named.
        errors.WeightsMissingError: one cannot be read.
    """
    progress = TransferProgress("verify", sum(each.size for each in names.values()), on_event)
    found, differing = [], []
    for file, name in names.items():
        progress.file = file.name
        path, flag = folder / file.name, CancelFlag()
        reading = partial(_sha256_if_right, path, name, _checking(flag, progress))
        sha256 = await run_in_thread(reading, flag.set)
        if sha256 is None:
            differing.append(f"{file.name} {await _what_else(path, file, hub)}")
        else:
            found.append(recorded(file, name, sha256))
    if differing:
        raise WeightsDifferError(f"not as published: {', '.join(differing)}", where=str(folder))
    return found


def recorded(file: PublishedFile, name: ContentName, sha256: str) -> RecordedFile:
    """A file whose content is what the hub says."""
    origin = f"{file.repository}@{file.revision}"
    return RecordedFile(
        name=file.name, size=name.size, sha256=sha256, origin=origin, etag=name.etag
    )


def _sha256_if_right(path: Path, name: ContentName, on_bytes: OnBytes) -> str | None:
    if file_size(path) not in (None, name.size):
        return None
    hashers = name.hashers()
    feed(path, hashers, on_bytes)
    return hashers[-1].hexdigest() if hashers[0].hexdigest() == name.etag else None


async def _what_else(path: Path, file: PublishedFile, hub: Hub) -> str:
    """What a file is that is not the published one, in words that follow its name."""
    if file.name == MUSETALK_15_UNET.name:
        old, flag = await hub.content_name(MUSETALK_10_UNET), CancelFlag()
        reading = partial(_sha256_if_right, path, old, lambda _count: flag.check())
        if await run_in_thread(reading, flag.set):
            return "holds the weights of MuseTalk 1.0, which belong into musetalk/pytorch_model.bin"
    return "has another content"


def _checking(flag: CancelFlag, progress: TransferProgress) -> OnBytes:
    def count(length: int) -> None:
        flag.check()
        progress.found(length)

    return count
