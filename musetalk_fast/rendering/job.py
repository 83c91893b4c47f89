"""One planned render on one server: upload, prepare, generate, join."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from musetalk_fast import __version__
from musetalk_fast.client.avatars import PreparedFaces, prepare_avatar
from musetalk_fast.client.choice import ChosenServer, check_limits
from musetalk_fast.client.uploads import ensure_asset
from musetalk_fast.events import PlanEvent, ProgressEvent, SegmentEvent, UploadEvent
from musetalk_fast.inputs.image import Asset
from musetalk_fast.inputs.sound import SoundReader
from musetalk_fast.planning import Inputs, OnEvent, Plan, Segment
from musetalk_fast.rendering.progress import Meter
from musetalk_fast.rendering.segments import encode_segment, render_segment
from musetalk_fast.types import Face
from musetalk_fast.video.compositor import StillCompositor
from musetalk_fast.video.output import Joined, join
from musetalk_fast.video.parts import Part
from musetalk_fast.wire.requests import AvatarRequest, FramesRequest


class Job:
    """The steps of one render, in the order of its public methods.

    Args:
        threads: where slow work runs, so that the event loop stays free.
        folder: the parts folder.
    """

    def __init__(
        self,
        plan: Plan,
        inputs: Inputs,
        server: ChosenServer,
        folder: Path,
        threads: Executor,
        on_event: OnEvent,
    ) -> None:
        self._plan = plan
        self._inputs = inputs
        self._server = server
        self._folder = folder
        self._threads = threads
        self._on_event = on_event
        check_limits(server, plan.frame_encoding, plan.fps)

    async def prepare(self) -> tuple[Asset, PreparedFaces]:
        """Upload what the server lacks and have it find the face.

        Raises:
            errors.ServerError, errors.InputError: the server refuses or fails.
        """
        loop = asyncio.get_running_loop()
        picture = await loop.run_in_executor(self._threads, self._inputs.still.png)
        speech = self._inputs.speech
        await asyncio.gather(
            self._upload("avatar", picture.sha256, picture.data),
            self._upload("audio", speech.wav_sha256, speech.wav),
        )
        request = AvatarRequest(avatar=picture.sha256, options=self._plan.options)
        size = (self._plan.width, self._plan.height)
        return picture, await prepare_avatar(
            self._server.connection, request, size, 1, self._tell_prepared
        )

    async def generate(self, picture: Asset, prepared: PreparedFaces, meter: Meter) -> list[Part]:
        """Render all segments, in order.

        Raises:
            errors.ServerError, errors.OutputError: a segment failed.
        """
        face = next(face for face in prepared.faces if face is not None)
        parts = []
        async with meter.running():
            for segment in self._plan.segments:
                request = self._request(segment, picture, prepared)
                part = await self._render(segment, request, face, meter)
                parts.append(part)
                self._tell_finished(segment, part)
        return parts

    async def join(self, parts: list[Part]) -> Joined:
        """Join the parts, add the sound, rename onto the output.

        Raises:
            errors.OutputError: the parts do not fit, or writing failed.
        """
        plan, info = self._plan, self._server.info
        preview = " (a preview, not MuseTalk)" if info.is_preview else ""
        self._on_event(ProgressEvent(stage="join", done=0, total=1))
        joined = await asyncio.get_running_loop().run_in_executor(
            self._threads,
            partial(
                _join,
                plan,
                parts,
                {
                    "comment": f"lip-sync: engine {info.engine}{preview}, model {info.model}; "
                    f"musetalk-fast {__version__}"
                },
            ),
        )
        self._on_event(ProgressEvent(stage="join", done=1, total=1))
        return joined

    async def _upload(self, name: str, sha256: str, content: bytes | Path) -> None:
        await ensure_asset(
            self._server.connection,
            sha256,
            content,
            lambda sent, total: self._on_event(UploadEvent(asset=name, sent=sent, total=total)),
        )

    async def _render(
        self, segment: Segment, request: FramesRequest, face: Face, meter: Meter
    ) -> Part:
        plan = self._plan
        encode = partial(
            encode_segment,
            plan=plan,
            segment=segment,
            path=self._folder / f"{segment.number:08d}{plan.encoder.part_suffix}",
            make_compositor=partial(
                StillCompositor, self._inputs.still.rgb, face, plan.encoder, plan.fps
            ),
            meter=meter,
        )
        return await render_segment(
            self._server.connection, request, self._server.wire, encode, meter, self._threads
        )

    def _request(self, segment: Segment, picture: Asset, prepared: PreparedFaces) -> FramesRequest:
        plan = self._plan
        return FramesRequest(
            avatar=picture.sha256,
            options=plan.options,
            faces=prepared.digest,
            audio=self._inputs.speech.wav_sha256,
            fps=plan.fps,
            start=segment.start,
            stop=segment.stop,
            sources=plan.sources_of(segment),
            encoding=plan.frame_encoding,
            window=True,
        )

    def tell_plan(self) -> None:
        """Tell the caller what is going to be made."""
        plan = self._plan
        self._on_event(
            PlanEvent(
                avatar=str(plan.avatar),
                audio=str(plan.audio),
                output=str(plan.output),
                frames=plan.frames,
                fps=str(plan.fps),
                width=plan.width,
                height=plan.height,
                segments=len(plan.segments),
                encoder=plan.encoder.codec,
            )
        )

    def _tell_prepared(self, done: int, total: int) -> None:
        self._on_event(ProgressEvent(stage="prepare", done=done, total=total))

    def _tell_finished(self, segment: Segment, part: Part) -> None:
        self._on_event(
            SegmentEvent(
                number=segment.number, start=segment.start, stop=segment.stop, bytes=part.bytes
            )
        )


def _join(plan: Plan, parts: list[Part], metadata: dict[str, str]) -> Joined:
    with ExitStack() as stack:
        sound = stack.enter_context(SoundReader(plan.audio)).frames() if plan.sound else None
        return join(
            parts,
            plan.output,
            sound=sound,
            fps=plan.fps,
            encoder=plan.encoder,
            metadata=metadata,
        )
