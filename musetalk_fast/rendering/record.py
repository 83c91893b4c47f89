"""What stands in the parts folder of one plan: finished parts, and what they agree on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from functools import partial

from musetalk_fast.errors import EngineDiffersError, FacesDifferError
from musetalk_fast.planning import Plan, Segment
from musetalk_fast.rendering.folder import FACES, PartsFolder
from musetalk_fast.rendering.settled import Settled, settled_from_bytes, settled_to_bytes
from musetalk_fast.types import Maker
from musetalk_fast.video.parts import Part
from musetalk_fast.wire.face_digest import PreparedFaces


class Record:
    """A plan and its folder.

    Engine, model and faces are settled by the first server, or by an earlier run; a server that
    differs is of no use.

    Attributes:
        settled: None until the first server is ready.
        settled_at: when this run's first server was, by `time.monotonic`; None until then.
    """

    def __init__(self, plan: Plan, folder: PartsFolder) -> None:
        self.plan = plan
        self.folder = folder
        self.settled = self._kept()
        self.settled_at: float | None = None
        self._settling = asyncio.Lock()

    def finished(self, segments: Iterable[Segment]) -> dict[int, Part]:
        """The parts of these segments that are there, by number."""
        if self.settled is None:
            return {}
        return self.folder.finished(self.plan, segments, partial(self.settled.label, self.plan))

    def check_maker(self, maker: Maker, where: str) -> None:
        """Refuse another engine or model.

        Raises:
            errors.EngineDiffersError: both are named.
        """
        if self.settled is None or self.settled.maker == maker:
            return
        ours = self.settled.maker
        raise EngineDiffersError(
            f"its engine is {maker.name} {maker.model}; the render began with "
            f"{ours.name} {ours.model}",
            where=where,
        )

    async def settle(self, maker: Maker, faces: PreparedFaces, where: str) -> None:
        """Take the first server's word and keep it; hold the others to it.

        Raises:
            errors.EngineDiffersError, errors.FacesDifferError: another one came first.
            errors.OutputWriteError: it cannot be kept.
        """
        async with self._settling:
            if self.settled is None:
                self.settled = await asyncio.to_thread(self._keep, Settled(maker, faces))
            if self.settled_at is None:
                self.settled_at = time.monotonic()
        self.check_maker(maker, where)
        if self.settled.faces.digest != faces.digest:
            raise FacesDifferError(
                "it finds other faces in the avatar than the render began with", where=where
            )

    def _keep(self, settled: Settled) -> Settled:
        """Write it down; another machine may have been first."""
        if self.folder.write_first(FACES, settled_to_bytes(settled)):
            return settled
        kept = self._kept()
        if kept is None:  # damaged: as good as not there
            self.folder.write(FACES, settled_to_bytes(settled))
        return kept or settled

    def _kept(self) -> Settled | None:
        content = self.folder.read(FACES)
        return None if content is None else settled_from_bytes(content)
