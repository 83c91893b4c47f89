"""`POST /infer`: the interface of other MuseTalk servers."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from aiohttp import web

from musetalk_fast.engines.base import CropRequest
from musetalk_fast.kernels.png import encode_png
from musetalk_fast.media.image import load_still
from musetalk_fast.server.auth import USER
from musetalk_fast.server.avatar_cache import ReadyAvatar
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.full_frame_paster import FullFramePaster
from musetalk_fast.server.infer_audio import decode_speech
from musetalk_fast.server.infer_encoder import InferEncoder
from musetalk_fast.server.job_registry import Job
from musetalk_fast.server.request_body import expect_later, open_json
from musetalk_fast.server.services import SERVICES, Loaded, Services
from musetalk_fast.server.store import AssetStore
from musetalk_fast.server.stream_response import MessageResponse
from musetalk_fast.server.users import User
from musetalk_fast.threads import run_in_thread
from musetalk_fast.types import AvatarOptions, Crop, CropEncoding, Face, Picture, SourceRun
from musetalk_fast.wire.infer_request import InferInput, read_infer_request
from musetalk_fast.wire.job_state import JobKind
from musetalk_fast.wire.messages import Frame, Message, Start

ROUTES = web.RouteTableDef()

_PIECE = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the body says; its files are assets, named by the SHA-256 of their bytes."""

    image: str
    path: Path
    wav: str
    fps: Fraction
    frames: int
    options: AvatarOptions


@ROUTES.post("/infer", expect_handler=expect_later)
async def post_infer(request: web.Request) -> web.StreamResponse:
    """Respond with every frame of the recording as a full PNG; streamed, not buffered."""
    services, user = request.app[SERVICES], request[USER]
    loaded, limits, started = services.loaded, services.limits, time.monotonic()
    with ExitStack() as slot:
        # From now on: the memory that bodies may take is everybody's.
        slot.enter_context(services.quotas.stream(user))
        async with AsyncExitStack() as memory:
            with services.limiter.expect():
                body = await memory.enter_async_context(open_json(request, limits.max_infer_bytes))
                given = await run_in_thread(partial(read_infer_request, body, limits.max_fps))
                slot.enter_context(services.limiter.take())
            response = MessageResponse(request, InferEncoder(given.fps, started), services)
            work = _Work(response, services, loaded, user)
            return await response.run(lambda _response: work.run(given, memory))


class _Work:
    """What a request is answered with, once its body is read."""

    def __init__(
        self, response: MessageResponse, services: Services, loaded: Loaded, user: User
    ) -> None:
        self._response = response
        self._services = services
        self._loaded = loaded
        self._user = user

    async def run(self, given: InferInput, memory: AsyncExitStack) -> None:
        """Keep the files in the store, then make frames of them.

        Args:
            memory: of the body; free once its files are in the store.
        """
        response = self._response
        with (
            ExitStack() as leases,
            self._services.jobs.open(JobKind.INFER, self._user) as job,
        ):
            asked = await response.during(self._keep(given, leases))
            job.avatar, job.audio = asked.image, asked.wav
            await memory.aclose()
            with self._services.quotas.frames(self._user, asked.frames, lambda: job.made):
                await self._make(asked, job)

    async def _keep(self, given: InferInput, leases: ExitStack) -> _Asked:
        """Store the files of the body; they stay there as long as `leases`."""
        store, longest_secs = self._services.store, self._services.limits.max_infer_secs
        image = await _keep_picture(store, given.files.pop("image"), self._user)
        path = leases.enter_context(store.lease(image))
        with store.draft(self._user) as draft:
            speech = await decode_speech(draft, partial(given.files.pop, "audio"), longest_secs)
            await store.adopt(speech.wav_sha256, speech.wav, self._user)
            leases.enter_context(store.lease(speech.wav_sha256))
        return _Asked(
            image=image,
            path=path,
            wav=speech.wav_sha256,
            fps=given.fps,
            frames=max(1, math.ceil(speech.duration * given.fps)),
            options=AvatarOptions(bbox_shift=given.bbox_shift),
        )

    async def _make(self, asked: _Asked, job: Job) -> None:
        response, loaded = self._response, self._loaded
        await response.during(self._services.store.verify(asked.image))
        picture = await response.during(asyncio.to_thread(_picture, asked.path))
        ready = await response.during(loaded.avatars.get((asked.image, asked.options), job.user))
        pasting = FullFramePaster(picture, _only_face(ready))
        recording = await response.during(loaded.recordings.get(asked.wav, job.user))
        await _send(response, job, loaded, asked, _requests(ready, recording, asked), pasting)


async def _keep_picture(store: AssetStore, data: memoryview, user: User) -> str:
    """Its name in the store."""
    name = (await asyncio.to_thread(hashlib.sha256, data)).hexdigest()
    if not await store.holds(name):
        await store.receive(name, _pieces(data), len(data), user)
    return name


async def _pieces(data: memoryview) -> AsyncIterator[bytes]:
    for start in range(0, len(data), _PIECE):
        yield bytes(data[start : start + _PIECE])


def _picture(path: Path) -> Picture:
    """The avatar, before anything is prepared: a video is refused at once."""
    return load_still(path, background="white", resolution=None).rgb


def _only_face(ready: ReadyAvatar) -> Face:
    if len(ready.windows) > 1:
        raise RefusalError(
            *(422, "MTF-IMAGE-FORMAT"),
            f"this call takes pictures that stand still; this one has {len(ready.windows)} frames",
            "use POST /v1/frames for one that moves",
        )
    ready.check((SourceRun(0, 0, 1),))
    face = ready.avatar.faces[0]
    assert face is not None  # as checked
    return face


async def _send(
    response: MessageResponse,
    job: Job,
    loaded: Loaded,
    asked: _Asked,
    requests: Iterator[CropRequest],
    pasting: FullFramePaster,
) -> None:
    info = loaded.info
    await response.send(Start(engine=info.name, model=info.model, start=0, stop=asked.frames))
    sent = 0
    with loaded.batcher.open(requests, asked.frames, job.user) as crops:
        job.streams(asked.frames, lambda: crops.made)
        while batch := await response.during(crops.take()):
            await response.send_all(_frames(pasting, sent, batch))
            sent += len(batch)
            job.sent(len(batch))
    await response.end(sent)


def _requests(ready: ReadyAvatar, recording: object, asked: _Asked) -> Iterator[CropRequest]:
    fps = (asked.fps.numerator, asked.fps.denominator)
    for index in range(asked.frames):
        yield CropRequest(ready.avatar, 0, recording, index, fps)


def _frames(pasting: FullFramePaster, first: int, crops: Sequence[Crop]) -> Iterator[Message]:
    """Full frames; made in a thread."""
    for number, crop in enumerate(crops):
        png = encode_png(pasting.frame(crop), level=1)
        yield Frame(index=first + number, source=0, encoding=CropEncoding.PNG, data=png)
