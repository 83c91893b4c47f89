"""A render's job: its plan, its job directory, its manifest, and its inputs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from musetalk_fast.errors import EngineDiffersError, FacesDifferError, OutputWriteError
from musetalk_fast.media.image import Asset
from musetalk_fast.planning import Inputs, Plan, Segment
from musetalk_fast.rendering.face_table import FaceTable, open_face_table
from musetalk_fast.rendering.face_table_writer import FaceTableWriter
from musetalk_fast.rendering.faceless import FacelessFrames
from musetalk_fast.rendering.jobdir import FACES, JobDirectory
from musetalk_fast.rendering.manifest import Manifest, manifest_from_bytes, manifest_to_bytes
from musetalk_fast.rendering.planned_input import FileState
from musetalk_fast.rendering.shared_avatars import SharedAvatars
from musetalk_fast.threads import run_in_thread
from musetalk_fast.types import EngineIdentity
from musetalk_fast.video.parts import Part
from musetalk_fast.wire.face_digest import FacesDigest


class JobState:
    """A plan and its job directory.

    Engine, model and faces are established by the first server, or by an earlier run; a server that
    differs is refused.

    Attributes:
        manifest: None until the first server is ready.
        faces: likewise; one for each source frame.
        faceless: which source frames have none, and what is shown for them.
        established_at: when this run's first server was, by `time.monotonic`; None until then.
    """

    def __init__(self, plan: Plan, jobdir: JobDirectory) -> None:
        self.plan = plan
        self.jobdir = jobdir
        self.manifest: Manifest | None = None
        self.faces: FaceTable | None = None
        self.faceless = FacelessFrames(np.ones(1, bool), plan.no_face)
        self._load()
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

    @asynccontextmanager
    async def receiving(self, source_frames: int) -> AsyncIterator[FaceTableWriter | FacesDigest]:
        """Takes the faces that a server finds; they are stored only if none are yet."""
        if self.manifest is not None:
            yield FacesDigest()
            return
        writer = FaceTableWriter(self.jobdir.path / FACES, source_frames)
        try:
            yield writer
        finally:
            await run_in_thread(writer.discard)

    async def establish(
        self, offered: Manifest, faces: FaceTableWriter | FacesDigest, where: str
    ) -> bool:
        """Store the manifest of the first server; refuse one that differs from it.

        Args:
            faces: of `receiving`, all of them.

        Returns:
            Whether it is this run's first.

        Raises:
            errors.EngineDiffersError, errors.FacesDifferError: another manifest came first.
            errors.OutputWriteError: it cannot be stored.
        """
        async with self._establishing:
            is_first = self.established_at is None
            if self.manifest is None:
                assert isinstance(faces, FaceTableWriter)
                await run_in_thread(partial(self._keep, offered, faces))
            if self.established_at is None:
                self.established_at = time.monotonic()
        self.check_engine(offered.engine, where)
        assert self.manifest is not None
        ours = self.manifest
        if (ours.digest, ours.makes_full_frames) != (offered.digest, offered.makes_full_frames):
            raise FacesDifferError(
                "it finds other faces in the avatar than the render began with", where=where
            )
        return is_first

    def _keep(self, offered: Manifest, faces: FaceTableWriter) -> None:
        """Store the manifest and its faces; another machine may have been first."""
        manifest = manifest_to_bytes(offered)
        self._load()
        if self.manifest is not None:
            return
        path = self.jobdir.path / FACES
        # A damaged table counts as absent, and is replaced.
        table = faces.commit(manifest) if path.exists() else faces.commit_if_absent(manifest)
        if table is not None:
            self._use(offered, table)
            return
        self._load()
        if self.manifest is None:
            raise OutputWriteError("another process keeps damaging the faces", where=str(path))

    def _load(self) -> None:
        """Load what was stored, if it is valid."""
        table = open_face_table(self.jobdir.path / FACES)
        manifest = None if table is None else manifest_from_bytes(table.manifest)
        if table is not None and manifest is not None and manifest.source_frames == table.count:
            self._use(manifest, table)

    def _use(self, manifest: Manifest, table: FaceTable) -> None:
        self.manifest, self.faces = manifest, table
        if table.count:
            self.faceless = FacelessFrames(table.presence(), self.plan.no_face)


@dataclass(frozen=True, slots=True, eq=False)
class RenderJob:
    """The state of a job with its inputs.

    Attributes:
        picture: the avatar as servers get it.
        states: of the plan's inputs' files before they were read; none if they are not known.
        avatars: what other renders know of their avatars.
    """

    state: JobState
    inputs: Inputs
    picture: Asset
    states: tuple[FileState | None, ...] = ()
    avatars: SharedAvatars = field(default_factory=SharedAvatars)

    @property
    def plan(self) -> Plan:
        """What is to be made."""
        return self.state.plan
