"""Makes a server ready for a render's frames: uploads assets, prepares the avatar."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from itertools import islice
from pathlib import Path

from musetalk_fast.client.avatar_preparation import prepare_avatar
from musetalk_fast.client.frames import FrameStream, open_frames
from musetalk_fast.client.infer import InferRequest, check_infer_options, open_infer
from musetalk_fast.client.negotiate import NegotiatedServer, check_limits
from musetalk_fast.client.pool import Member
from musetalk_fast.client.uploads import asset_size, ensure_asset
from musetalk_fast.events import OnEvent, ProgressEvent, ServerEvent, UploadEvent, WarningEvent
from musetalk_fast.media.avatar import AvatarSource
from musetalk_fast.planning import Plan, Segment
from musetalk_fast.rendering.face_table_writer import FaceTableWriter
from musetalk_fast.rendering.faceless import Span
from musetalk_fast.rendering.job import RenderJob
from musetalk_fast.rendering.manifest import Manifest
from musetalk_fast.tasks import run_all
from musetalk_fast.threads import run_in_thread
from musetalk_fast.types import EngineIdentity, Silence
from musetalk_fast.video.compositor import NoCrop
from musetalk_fast.wire.face_digest import FacesDigest
from musetalk_fast.wire.media_types import INFER, StreamWire
from musetalk_fast.wire.messages import Frame, FullFrame
from musetalk_fast.wire.requests import AvatarRequest, FramesRequest

_NO_CROPS_AT_ONCE = 16
"""Frames without a crop; as many as come of others."""


class Session:
    """Prepares one server for one render; once, and again after a failure."""

    def __init__(self, member: Member, job: RenderJob, on_event: OnEvent) -> None:
        self._member = member
        self._job = job
        self._on_event = on_event
        self._lock = asyncio.Lock()
        self._is_valid = False

    async def ready(self) -> bool:
        """Return once the server has all it needs, and agrees with the others.

        Returns:
            False: it was excluded meanwhile.

        Raises:
            errors.ServerError, errors.InputError: it refuses, fails, or differs from the others.
        """
        async with self._lock:
            await self._member.wait_backoff()  # after a failure of the worker that had the lock
            if self._member.excluded:
                return False
            if not self._is_valid:
                await self._set_up(await self._member.server())
                self._is_valid = True
        return True

    def invalidate(self) -> None:
        """The server failed: what it had may be gone."""
        self._is_valid = False

    @property
    def uses_infer(self) -> bool:
        """Whether the server knows only `POST /infer`."""
        return self._member.opened is not None and self._member.opened.wire == INFER

    def open_full_frames(self) -> AbstractAsyncContextManager[AsyncIterator[list[FullFrame]]]:
        """Ask for all frames as full frames; see `client.infer.open_infer`."""
        server, plan, inputs = self._member.opened, self._job.plan, self._job.inputs
        png = self._job.picture.data
        assert server is not None
        assert isinstance(png, bytes)  # `POST /infer` takes stills only
        request = InferRequest(
            png=png,
            recording=inputs.speech.padded(plan.frames / plan.fps),
            fps=plan.fps,
            frames=plan.frames,
            width=plan.width,
            height=plan.height,
            bbox_shift=plan.options.bbox_shift,
        )
        return open_infer(server.connection, request, model_loaded=server.model_loaded)

    def open_frames(
        self, segment: Segment, first: int
    ) -> AbstractAsyncContextManager[AsyncIterator[list[Frame] | list[NoCrop]]]:
        """A segment's frames from `first` on; see `client.frames.open_frames`.

        Those of source frames without a face are not asked for.
        """
        return aclosing(self._frames(segment, first))

    async def _frames(
        self, segment: Segment, first: int
    ) -> AsyncGenerator[list[Frame] | list[NoCrop], None]:
        state = self._job.state
        for span in state.faceless.spans(self._job.plan.sources_of(segment, first), first):
            if span.has_face:
                async with self._open_span(span) as stream:
                    async for frames in stream:
                        yield frames
            else:
                for batch in _without_crops(span):
                    yield batch

    def _open_span(self, span: Span) -> AbstractAsyncContextManager[FrameStream]:
        server, job = self._member.opened, self._job
        assert server is not None
        assert job.state.manifest is not None
        assert isinstance(server.wire, StreamWire)
        request = FramesRequest(
            avatar=job.picture.sha256,
            options=job.plan.options,
            faces=job.state.manifest.digest,
            audio=job.inputs.speech.wav_sha256,
            fps=job.plan.fps,
            start=span.start,
            stop=span.stop,
            sources=span.runs,
            encoding=job.plan.frame_encoding,
            window=not _needs_all_rows(job.inputs.avatar),
        )
        return open_frames(server.connection, request, server.wire, job.state.manifest.engine)

    async def _set_up(self, server: NegotiatedServer) -> None:
        plan, info, where = self._job.plan, server.info, self._member.name
        self._emit(server)
        await self._check(server)
        engine = EngineIdentity(info.engine, info.model, info.is_preview)
        state = self._job.state
        state.check_engine(engine, where)
        if not isinstance(server.wire, StreamWire):
            moves = self._job.inputs.avatar.rate is not None
            needs = _needs_crops(plan)
            check_infer_options(plan.options, where, moves=moves, needs_crops=needs)
            async with state.receiving(0) as faces:
                offered = Manifest(
                    engine=engine, digest=faces.digest, source_frames=0, makes_full_frames=True
                )
                await state.establish(offered, faces, where)
            return
        speech = self._job.inputs.speech
        source_frames = self._job.inputs.avatar.frames
        async with state.receiving(source_frames) as faces:
            await run_all(
                self._send_avatar(server, server.wire, faces),
                self._upload(server, "audio", speech.wav_sha256, speech.wav),
            )
            offered = Manifest(engine=engine, digest=faces.digest, source_frames=source_frames)
            is_first = await state.establish(offered, faces, where)
        state.faceless.check(plan.sources, str(plan.avatar))
        if is_first and (event := state.faceless.event()):
            self._on_event(event)

    async def _check(self, server: NegotiatedServer) -> None:
        plan, picture, wav = self._job.plan, self._job.picture, self._job.inputs.speech.wav
        assets = {
            name: await run_in_thread(partial(asset_size, content))
            for name, content in (("an avatar", picture.data), ("a recording", wav))
        }
        avatar = self._job.inputs.avatar
        size = avatar.seen_size
        check_limits(server, plan.frame_encoding, plan.fps, size, avatar.frames, assets)

    async def _upload(
        self, server: NegotiatedServer, name: str, sha256: str, content: bytes | Path
    ) -> None:
        def emit(sent: int, total: int) -> None:
            event = UploadEvent(server=self._member.name, asset=name, sent=sent, total=total)
            self._on_event(event)

        await ensure_asset(server.connection, sha256, content, emit)

    async def _send_avatar(
        self, server: NegotiatedServer, wire: StreamWire, faces: FaceTableWriter | FacesDigest
    ) -> None:
        picture = self._job.picture
        async with self._member.link.preparing(picture.sha256):
            await self._upload(server, "avatar", picture.sha256, picture.data)
            await self._prepare(server, wire, faces)

    async def _prepare(
        self, server: NegotiatedServer, wire: StreamWire, faces: FaceTableWriter | FacesDigest
    ) -> None:
        plan = self._job.plan
        request = AvatarRequest(avatar=self._job.picture.sha256, options=plan.options)

        def emit(done: int, total: int) -> None:
            self._on_event(ProgressEvent(stage="prepare", done=done, total=total))

        avatar = self._job.inputs.avatar
        size = avatar.seen_size
        await prepare_avatar(server.connection, request, wire, size, avatar.frames, faces, emit)

    def _emit(self, server: NegotiatedServer) -> None:
        if not self._member.link.announced:
            self._member.link.announced = True
            self._on_event(
                ServerEvent(
                    url=self._member.name,
                    engine=server.info.engine,
                    model=server.info.model,
                    builtin=server.builtin,
                    wire=server.wire.name,
                )
            )
            for note in server.notes:
                self._on_event(WarningEvent(message=f"{self._member.name}: {note}"))


def _without_crops(span: Span) -> Iterator[list[NoCrop]]:
    sources = (run.first + run.step * place for run in span.runs for place in range(run.count))
    frames = zip(range(span.start, span.stop), sources, strict=True)
    while batch := list(islice(frames, _NO_CROPS_AT_ONCE)):
        yield [NoCrop(index=index, source=source) for index, source in batch]


def _needs_all_rows(avatar: AvatarSource) -> bool:
    """Whether a row of the frame is made of more rows than the server knows of."""
    return avatar.placement is not None and avatar.placement.shrinks


def _needs_crops(plan: Plan) -> list[str]:
    """Flags of what cannot be done to finished frames."""
    flags = {
        "--silence hold": plan.silence is Silence.HOLD,
        "--match-colour": plan.match_colour,
    }
    return [flag for flag, is_set in flags.items() if is_set]
