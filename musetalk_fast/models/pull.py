"""Fills a models folder: what is there is compared with the hub's digests, the rest is brought."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from musetalk_fast.client.backoff import backoff_secs
from musetalk_fast.engines.musetalk.file_status import is_file
from musetalk_fast.errors import HubBusyError, HubError, OutputWriteError, WeightsDifferError
from musetalk_fast.events import OnEvent, WarningEvent
from musetalk_fast.models.comparison import compare, recorded
from musetalk_fast.models.digest import ContentName
from musetalk_fast.models.download import Download
from musetalk_fast.models.folder_lock import lock_models
from musetalk_fast.models.hub import SILENCE_SECS, Hub
from musetalk_fast.models.hub_access import HubAccess
from musetalk_fast.models.partial_file import partial_bytes
from musetalk_fast.models.published_files import MUSETALK_15, PublishedFile
from musetalk_fast.models.pull_record import read_record, write_record
from musetalk_fast.models.retry_policy import Attempts, Pause
from musetalk_fast.models.transfer_progress import TransferProgress
from musetalk_fast.models.weight_names import converted_name
from musetalk_fast.storage import write_errors

_SPARE_BYTES = 64 << 20
"""Of a disk, left free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a pull has done.

    Attributes:
        folder: which is complete now.
        brought: names of the files that came.
        kept: of those that were there.
        bytes: of those that came.
    """

    folder: str
    brought: tuple[str, ...]
    kept: tuple[str, ...]
    bytes: int


async def pull(
    folder: Path,
    access: HubAccess,
    on_event: OnEvent,
    *,
    files: Sequence[PublishedFile] = MUSETALK_15,
    pause: Pause = backoff_secs,
    silence_secs: float = SILENCE_SECS,
) -> Pulled:
    """Make a models folder complete. What is there is never replaced nor removed.

    Args:
        folder: made if need be.
        pause: between attempts.

    Raises:
        errors.HubError: the leaf that says what went wrong; what came is kept.
        errors.WeightsDifferError: a file is there that is not the published one.
        errors.OutputBusyError: another pull is at work.
        errors.OutputError: the folder cannot be written, or the disk has too little space.
    """
    with ExitStack() as stack:
        lock_models(folder, stack)
        if access.token and not access.may_send_token:
            message = "HF_TOKEN is not sent: the hub's address is not https"
            on_event(WarningEvent(message=message, token="MTF-HUB-TOKEN"))
        async with Hub(access, silence_secs) as hub:
            return await _Pull(hub, folder, on_event, pause).run(files)


class _Pull:
    def __init__(self, hub: Hub, folder: Path, on_event: OnEvent, pause: Pause) -> None:
        self._hub = hub
        self._folder = folder
        self._on_event = on_event
        self._pause = pause
        self._record = read_record(folder)

    async def run(self, files: Sequence[PublishedFile]) -> Pulled:
        names = {file: await self._content_name(file) for file in files}
        there = {file: name for file, name in names.items() if self._is_there(file)}
        for entry in await compare(self._folder, there, self._hub, self._on_event):
            self._record[entry.name] = entry
        write_record(self._folder, self._record)
        missing = {
            file: name
            for file, name in names.items()
            if file not in there and not self._is_converted(file, name)
        }
        _check_space(self._folder, missing)
        await self._bring(missing)
        self._name_outdated(files)
        return Pulled(
            folder=str(self._folder),
            brought=tuple(file.name for file in missing),
            kept=tuple(file.name for file in names if file not in missing),
            bytes=sum(name.size for name in missing.values()),
        )

    async def _content_name(self, file: PublishedFile) -> ContentName:
        """What the hub says; a busy one is asked again, an absent one is said at once."""
        attempts = Attempts(self._pause, self._retrying)
        while True:
            try:
                return await self._hub.content_name(file)
            except HubBusyError as error:
                await attempts.failed(error, progressed=False)

    def _is_there(self, file: PublishedFile) -> bool:
        """Whether anything has its name, a link that leads nowhere included."""
        path = self._folder / file.name
        with write_errors(path):
            return path.exists() or path.is_symlink()

    def _is_converted(self, file: PublishedFile, name: ContentName) -> bool:
        """Whether it is there in its other form, made of this very content."""
        other = self._record.get(converted_name(file.name) or "")
        if other is None or other.etag != name.etag:
            return False
        return is_file(self._folder / other.name)

    async def _bring(self, missing: Mapping[PublishedFile, ContentName]) -> None:
        """Download file after file; each is recorded as soon as it is in its place."""
        total = sum(name.size for name in missing.values())
        progress = TransferProgress("pull", total, self._on_event)
        download = Download(self._hub, progress, self._retrying, self._pause)
        for file, name in missing.items():
            progress.file = file.name
            sha256 = await download.fetch(file, name, self._folder / file.name)
            self._record[file.name] = recorded(file, name, sha256)
            write_record(self._folder, self._record)

    def _name_outdated(self, files: Sequence[PublishedFile]) -> None:
        """Warn of files that were converted of others than are there now, and are read instead."""
        for file in files:
            own, other = self._record.get(file.name), converted_name(file.name)
            made = self._record.get(other or "")
            if own is None or made is None or made.etag == own.sha256:
                continue
            if is_file(self._folder / made.name):
                message = (
                    f"{made.name} was made of another {file.name}, and is read in its place: move "
                    "it away, then run `musetalk-fast models convert` again"
                )
                self._on_event(WarningEvent(message=message, token=WeightsDifferError.token))

    def _retrying(self, error: HubError, secs: float) -> None:
        message = f"{error.message}: asked again in {secs:.1f} s"
        self._on_event(WarningEvent(message=message, token=error.token))


def _check_space(folder: Path, missing: Mapping[PublishedFile, ContentName]) -> None:
    """Compare what is to come with the free space of each disk: a part of a folder may be a link.

    Raises:
        errors.OutputWriteError: there is too little.
    """
    needs: dict[int, tuple[Path, int]] = {}
    for file, name in missing.items():
        target = folder / file.name
        with write_errors(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
            disk = target.parent.stat().st_dev
        place, needed = needs.get(disk, (target.parent, 0))
        needs[disk] = place, needed + name.size - partial_bytes(target, name)
    for place, needed in needs.values():
        with write_errors(place):
            free = shutil.disk_usage(place).free
        if free < needed + _SPARE_BYTES:
            raise OutputWriteError(
                f"{needed} bytes are to come, and {free} are free on this disk",
                where=str(place),
                hint="free space, or name a folder on another disk with --models-dir",
            )
