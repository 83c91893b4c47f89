"""What stands in the parts folder of one plan: finished parts, and what they agree on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from functools import partial

from musetalk_fast.errors import EngineDiffersError, FacesDifferError
from musetalk_fast.planning import Plan, Segment
from musetalk_fast.rendering.jobdir import FACES, JobDirectory
from musetalk_fast.rendering.manifest import Manifest, manifest_from_bytes, manifest_to_bytes
from musetalk_fast.threads import run_in_thread
from musetalk_fast.types import EngineIdentity
from musetalk_fast.video.parts import Part
from musetalk_fast.wire.face_digest import PreparedFaces


class JobState:
    """A plan and its folder.

    Engine, model and faces are settled by the first server, or by an earlier run; a server that
    differs is of no use.

    Attributes:
        manifest: None until the first server is ready.
        established_at: when this run's first server was, by `time.monotonic`; None until then.
    """

    def __init__(self, plan: Plan, jobdir: JobDirectory) -> None:
        self.plan = plan
        self.jobdir = jobdir
        self.manifest = self._kept()
        self.established_at: float | None = None
        self._establishing = asyncio.Lock()

    def finished(self, segments: Iterable[Segment]) -> dict[int, Part]:
        """The parts of these segments that are there, by number."""
        if self.manifest is None:
            return {}
        return self.jobdir.finished(self.plan, segments, partial(self.manifest.label, self.plan))

    def check_engine(self, engine: EngineIdentity, where: str) -> None:
        """Refuse another engine or model.

        Raises:
            errors.EngineDiffersError: both are named.
        """
        if self.manifest is None or self.manifest.engine == engine:
            return
        ours = self.manifest.engine
        raise EngineDiffersError(
            f"its engine is {engine.name} {engine.model}; the render began with "
            f"{ours.name} {ours.model}",
            where=where,
        )

    async def establish(self, engine: EngineIdentity, faces: PreparedFaces, where: str) -> None:
        """Take the first server's word and keep it; hold the others to it.

        Raises:
            errors.EngineDiffersError, errors.FacesDifferError: another one came first.
            errors.OutputWriteError: it cannot be kept.
        """
        async with self._establishing:
            if self.manifest is None:
                self.manifest = await run_in_thread(partial(self._keep, Manifest(engine, faces)))
            if self.established_at is None:
                self.established_at = time.monotonic()
        self.check_engine(engine, where)
        if self.manifest.faces.digest != faces.digest:
            raise FacesDifferError(
                "it finds other faces in the avatar than the render began with", where=where
            )

    def _keep(self, manifest: Manifest) -> Manifest:
        """Write it down; another machine may have been first."""
        if self.jobdir.write_first(FACES, manifest_to_bytes(manifest)):
            return manifest
        kept = self._kept()
        if kept is None:  # damaged: as good as not there
            self.jobdir.write(FACES, manifest_to_bytes(manifest))
        return kept or manifest

    def _kept(self) -> Manifest | None:
        content = self.jobdir.read(FACES)
        return None if content is None else manifest_from_bytes(content)
