"""`POST /infer`: the interface of other MuseTalk servers."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from aiohttp import web

from musetalk_fast.engines.base import CropRequest
from musetalk_fast.kernels.base64 import Base64Error, decode_into, decoded_size
from musetalk_fast.kernels.png import encode_png
from musetalk_fast.media.image import load_still
from musetalk_fast.server.avatar_cache import ReadyAvatar
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.full_frame_paster import FullFramePaster
from musetalk_fast.server.infer_audio import decode_speech
from musetalk_fast.server.infer_encoder import InferEncoder
from musetalk_fast.server.request_body import read_json
from musetalk_fast.server.services import SERVICES, Loaded, Services
from musetalk_fast.server.store import AssetStore
from musetalk_fast.server.stream_response import MessageResponse
from musetalk_fast.types import AvatarOptions, Crop, CropEncoding, SourceRun
from musetalk_fast.wire.json_object import JsonObject
from musetalk_fast.wire.messages import Frame, Message, Start

ROUTES = web.RouteTableDef()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the body says; its files are assets, named by the SHA-256 of their bytes."""

    image: str
    path: Path
    wav: str
    fps: Fraction
    frames: int
    options: AvatarOptions


@ROUTES.post("/infer")
async def post_infer(request: web.Request) -> web.StreamResponse:
    """Respond with every frame of the recording as a full PNG; streamed, not buffered."""
    services = request.app[SERVICES]
    loaded, started = services.loaded, time.monotonic()
    with services.limiter.take(), ExitStack() as leases:
        asked = await _read(request, services, leases)
        response = MessageResponse(
            request, InferEncoder(asked.fps, started), services.limits, services.encoders
        )
        return await response.run(lambda response: _work(response, loaded, asked))


async def _read(request: web.Request, services: Services, leases: ExitStack) -> _Asked:
    """Unpack the body; its files stay in the store as long as `leases`."""
    limits, store = services.limits, services.store
    members = JsonObject(await read_json(request, limits.max_infer_bytes), "the request")
    fps = Fraction(members.number("fps", 1, limits.max_fps) if members.has("fps") else 25)
    fps = fps.limit_denominator(1001)
    options = AvatarOptions(bbox_shift=members.integer("bbox_shift", -1000, 1000, default=0))
    image = await _keep_picture(store, members)
    path = leases.enter_context(store.lease(image))
    with store.draft() as draft:
        speech = await decode_speech(draft, partial(_file, members, "audio"), limits.max_infer_secs)
        await store.adopt(speech.wav_sha256, speech.wav)
        leases.enter_context(store.lease(speech.wav_sha256))
    return _Asked(
        image=image,
        path=path,
        wav=speech.wav_sha256,
        fps=fps,
        frames=max(1, math.ceil(speech.duration * fps)),
        options=options,
    )


async def _keep_picture(store: AssetStore, members: JsonObject) -> str:
    """Its name in the store."""
    data = await asyncio.to_thread(_file, members, "image")
    name = (await asyncio.to_thread(hashlib.sha256, data)).hexdigest()
    if name not in store:
        await store.receive(name, _once(data), len(data))
    return name


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _file(members: JsonObject, name: str) -> bytes:
    """A file of the body; in a thread."""
    text = members.raw_text(name)
    try:
        data = bytearray(decoded_size(text))
        decode_into(text, data)
    except Base64Error as error:
        raise RefusalError(400, "MTF-REQUEST", f"{name} is not base64: {error}") from None
    return bytes(data)


async def _work(response: MessageResponse, loaded: Loaded, asked: _Asked) -> None:
    ready = await response.during(loaded.avatars.get((asked.image, asked.options)))
    ready.check((SourceRun(0, 0, asked.frames),))
    recording = await response.during(loaded.recordings.get(asked.wav))
    pasting = await response.during(asyncio.to_thread(_pasting, asked.path, ready))
    await _send(response, loaded, asked, _requests(ready, recording, asked), pasting)


def _pasting(path: Path, ready: ReadyAvatar) -> FullFramePaster:
    face = ready.avatar.faces[0]
    assert face is not None  # checked with the source frames
    return FullFramePaster(load_still(path, background="white", resolution=None).rgb, face)


async def _send(
    response: MessageResponse,
    loaded: Loaded,
    asked: _Asked,
    requests: Iterator[CropRequest],
    pasting: FullFramePaster,
) -> None:
    info = loaded.info
    await response.send(Start(engine=info.name, model=info.model, start=0, stop=asked.frames))
    sent = 0
    with loaded.batcher.open(requests, asked.frames) as crops:
        while batch := await response.during(crops.take()):
            await response.send_all(partial(_frames, pasting, sent, batch))
            sent += len(batch)
    await response.end(sent)


def _requests(ready: ReadyAvatar, recording: object, asked: _Asked) -> Iterator[CropRequest]:
    fps = (asked.fps.numerator, asked.fps.denominator)
    for index in range(asked.frames):
        yield CropRequest(ready.avatar, 0, recording, index, fps)


def _frames(pasting: FullFramePaster, first: int, crops: Sequence[Crop]) -> list[Message]:
    """Full frames; runs in a thread."""
    return [
        Frame(
            index=first + number,
            source=0,
            encoding=CropEncoding.PNG,
            data=encode_png(pasting.frame(crop), level=1),
        )
        for number, crop in enumerate(crops)
    ]
