"""`POST /v1/frames`: make the crops of a range of frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from aiohttp import web

from musetalk_fast.engines.base import CropRequest
from musetalk_fast.errors import FacesDifferError
from musetalk_fast.server.auth import USER
from musetalk_fast.server.avatar_cache import ReadyAvatar
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.job_registry import Job
from musetalk_fast.server.limits import Limits
from musetalk_fast.server.request_body import expect_later, read_json
from musetalk_fast.server.services import SERVICES, Loaded
from musetalk_fast.server.stream_response import MessageResponse, wire_encoder
from musetalk_fast.types import ALL_ROWS, Crop
from musetalk_fast.wire.crop_codec import encode_crop
from musetalk_fast.wire.job_state import JobKind
from musetalk_fast.wire.messages import Frame, Message, Start
from musetalk_fast.wire.requests import MAX_REQUEST_BYTES, FramesRequest

ROUTES = web.RouteTableDef()


@ROUTES.post("/v1/frames", expect_handler=expect_later)
async def post_frames(request: web.Request) -> web.StreamResponse:
    """Stream `start`, a `frame` for every index in order, `end`; heartbeats in between."""
    services, user = request.app[SERVICES], request[USER]
    loaded, store = services.loaded, services.store
    services.quotas.check(user)
    asked = FramesRequest.from_json(await read_json(request, MAX_REQUEST_BYTES))
    _check_rate(asked, services.limits)

    async def work(response: MessageResponse) -> None:
        with (
            services.limiter.take(),
            services.quotas.stream(user),
            store.lease(asked.avatar),
            store.lease(asked.audio),
            services.jobs.open(JobKind.FRAMES, user, asked.avatar, asked.audio) as job,
            services.quotas.frames(user, asked.stop - asked.start, lambda: job.made),
        ):
            ready = await _avatar(response, job, loaded, asked)
            recording = await response.during(loaded.recordings.get(asked.audio, job.user))
            await _send_frames(response, job, loaded, ready, recording, asked)

    return await MessageResponse(request, wire_encoder(request), services).run(work)


def _check_rate(asked: FramesRequest, limits: Limits) -> None:
    if asked.fps > limits.max_fps:
        raise RefusalError(
            422, "MTF-REQUEST", f"{float(asked.fps):g} frames a second are asked for",
            f"at most {limits.max_fps:g}",
        )  # fmt: skip


async def _avatar(
    response: MessageResponse, job: Job, loaded: Loaded, asked: FramesRequest
) -> ReadyAvatar:
    key = (asked.avatar, asked.options)
    avatars = loaded.avatars
    ready = await response.during(
        avatars.get(key, job.user), lambda: job.prepares(avatars.progress(key))
    )
    if asked.faces is not None and asked.faces != ready.digest:
        raise FacesDifferError(
            "the faces are not those of the request",
            hint="the server's engine or model has changed: begin the render again",
        )
    ready.check(asked.sources)
    return ready


async def _send_frames(
    response: MessageResponse,
    job: Job,
    loaded: Loaded,
    ready: ReadyAvatar,
    recording: object,
    asked: FramesRequest,
) -> None:
    await response.send(
        Start(
            engine=loaded.info.name,
            model=loaded.info.model,
            faces=ready.digest,
            start=asked.start,
            stop=asked.stop,
            encoding=asked.encoding,
        )
    )
    count = asked.stop - asked.start
    due = frame_sources(asked)
    with loaded.batcher.open(_requests(asked, ready, recording), count, job.user) as crops:
        job.streams(count, lambda: crops.made)
        while batch := await response.during(crops.take()):
            shown = list(islice(due, len(batch)))
            await response.send_all(_messages(asked, ready, shown, batch))
            job.sent(len(batch))
    await response.end(count)


def frame_sources(asked: FramesRequest) -> Iterator[tuple[int, int]]:
    """Each frame's index and source frame, in order."""
    index = asked.start
    for run in asked.sources:
        for step in range(run.count):
            yield index, run.first + run.step * step
            index += 1


def _requests(asked: FramesRequest, ready: ReadyAvatar, recording: object) -> Iterator[CropRequest]:
    fps = (asked.fps.numerator, asked.fps.denominator)
    for index, source in frame_sources(asked):
        yield CropRequest(ready.avatar, source, recording, index, fps)


def _messages(
    asked: FramesRequest,
    ready: ReadyAvatar,
    shown: Sequence[tuple[int, int]],
    crops: Sequence[Crop],
) -> Iterator[Message]:
    """The frames of a batch; made in a thread, as PNG and JPEG take their time."""
    for (index, source), crop in zip(shown, crops, strict=True):
        rows = ready.rows(source) if asked.window else ALL_ROWS
        data = encode_crop(crop, asked.encoding, rows)
        yield Frame(index=index, source=source, encoding=asked.encoding, data=data, rows=rows)
