"""Avatars that are ready: prepared once for their content and options."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path

from musetalk_fast.engines.base import Engine, PreparedAvatar
from musetalk_fast.kernels.paste_rows import window
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.fair_queue import FairQueue
from musetalk_fast.server.limits import Limits
from musetalk_fast.server.single_flight import JobControl, SingleFlight
from musetalk_fast.server.store import AssetStore
from musetalk_fast.types import ALL_ROWS, AvatarOptions, Face, Rows, SourceRun
from musetalk_fast.wire.face_digest import FacesDigest
from musetalk_fast.wire.messages import Progress

AvatarKey = tuple[str, AvatarOptions]
"""SHA-256 of the asset, and how the engine shall look at it."""

Avatars = SingleFlight[AvatarKey, "ReadyAvatar"]


@dataclass(frozen=True, slots=True, eq=False)
class ReadyAvatar:
    """A prepared avatar.

    Attributes:
        digest: of its faces.
        windows: the rows of a crop that each face's mask needs; None where there is no face.
        missing: `missing[n]` of the first n source frames have no face.
    """

    avatar: PreparedAvatar
    digest: str
    windows: tuple[Rows | None, ...]
    missing: tuple[int, ...]

    def rows(self, source: int) -> Rows:
        """The rows of a crop that a source frame needs; all where its mask is empty."""
        rows = self.windows[source]
        return rows if rows is not None and rows.count else ALL_ROWS

    def check(self, runs: tuple[SourceRun, ...]) -> None:
        """Refuse runs of source frames that are not there or have no face.

        Raises:
            RefusalError: 422.
        """
        for run in runs:
            last = run.first + run.step * (run.count - 1)
            low, high = min(run.first, last), max(run.first, last)
            if high >= len(self.windows):
                count = len(self.windows)
                raise RefusalError(
                    422, "MTF-REQUEST", f"source frame {high} of {count} is asked for"
                )
            if self.missing[high + 1] > self.missing[low]:
                raise RefusalError(
                    *(422, "MTF-NO-FACE", f"source frames {low} to {high} are not all with a face"),
                    "leave frames without a face out of the request",
                )


OnStage = Callable[[str], AbstractContextManager[None]]
"""Entered, in the engine's thread, around a stage of that name."""


def avatar_cache(
    engine: Engine, store: AssetStore, thread: Executor, limits: Limits, on_stage: OnStage
) -> Avatars:
    """Prepares avatars in a thread, one after the other, users in turn; keeps the last ones."""
    turns = FairQueue()

    def prepare(path: Path, options: AvatarOptions, watch: JobControl) -> ReadyAvatar:
        with on_stage("prepare_avatar"):
            return _Preparation(watch, limits.max_source_frames).run(engine, path, options)

    async def make(key: AvatarKey, watch: JobControl) -> ReadyAvatar:
        name, options = key
        # What is made takes about as much as what it is made of.
        with store.lease(name) as path, store.giving_way(partial(store.counted, name)):
            await store.verify(name)
            work = partial(prepare, path, options, watch)
            async with turns.turn(watch.users):
                return await asyncio.get_running_loop().run_in_executor(thread, work)

    return SingleFlight(make, limits.avatars, _source_frames, limits.prepared_frames)


def _source_frames(ready: ReadyAvatar) -> int:
    return len(ready.windows)


class _Preparation:
    """One avatar at work, in the engine's thread: takes each face as it comes.

    Args:
        most: source frames that an avatar may have.
    """

    def __init__(self, watch: JobControl, most: int) -> None:
        self._watch = watch
        self._most = most
        self._digest = FacesDigest()
        self._windows: list[Rows | None] = []

    def run(self, engine: Engine, path: Path, options: AvatarOptions) -> ReadyAvatar:
        """Prepare an avatar.

        Raises:
            RefusalError: 422, too many source frames.
        """
        avatar = engine.prepare_avatar(path, options, self._take, self._watch.check)
        if len(self._windows) != len(avatar.faces):
            raise ValueError(f"{len(self._windows)} of {len(avatar.faces)} faces were reported")
        return ReadyAvatar(
            avatar=avatar,
            digest=self._digest.digest,
            windows=tuple(self._windows),
            missing=tuple(accumulate((each is None for each in self._windows), initial=0)),
        )

    def _take(self, source: int, total: int, face: Face | None) -> None:
        if total > self._most:
            raise RefusalError(
                *(422, "MTF-REQUEST"),
                f"the avatar has {total} source frames; at most {self._most}",
                "cut the video, or lower its frame rate",
            )
        self._digest.add([face])
        self._windows.append(None if face is None else window(face))
        self._watch.progress = Progress(stage="prepare", done=source + 1, total=total)
