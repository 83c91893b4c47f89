"""Avatars that are ready: prepared once for their content and options."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path

from musetalk_fast.engines.base import Engine, PreparedAvatar
from musetalk_fast.kernels.paste import window
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.single_flight import JobControl, SingleFlight
from musetalk_fast.server.store import AssetStore
from musetalk_fast.types import ALL_ROWS, AvatarOptions, Face, Rows, SourceRun
from musetalk_fast.wire.face_digest import faces_digest
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


def avatar_cache(engine: Engine, store: AssetStore, thread: Executor, keep: int) -> Avatars:
    """Prepares avatars in a thread, one after the other, and keeps the last ones."""

    async def make(key: AvatarKey, watch: JobControl) -> ReadyAvatar:
        name, options = key
        with store.lease(name) as path:
            await store.verify(name)
            work = partial(_prepare, engine, path, options, watch)
            return await asyncio.get_running_loop().run_in_executor(thread, work)

    return SingleFlight(make, keep)


def _prepare(engine: Engine, path: Path, options: AvatarOptions, watch: JobControl) -> ReadyAvatar:
    def on_face(source: int, total: int, _face: Face | None) -> None:
        watch.progress = Progress(stage="prepare", done=source + 1, total=total)

    avatar = engine.prepare_avatar(path, options, on_face, watch.check)
    faces = tuple(avatar.faces)
    return ReadyAvatar(
        avatar=avatar,
        digest=faces_digest(faces),
        windows=tuple(None if face is None else window(face) for face in faces),
        missing=tuple(accumulate((face is None for face in faces), initial=0)),
    )
