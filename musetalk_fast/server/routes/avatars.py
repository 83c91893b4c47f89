"""`POST /v1/avatars`: prepare an avatar, send its faces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aiohttp import web

from musetalk_fast.engines.base import EngineInfo
from musetalk_fast.server.auth import USER
from musetalk_fast.server.avatar_cache import ReadyAvatar
from musetalk_fast.server.error_responses import RefusalError
from musetalk_fast.server.job_registry import Job
from musetalk_fast.server.request_body import expect_later, read_json
from musetalk_fast.server.services import SERVICES
from musetalk_fast.server.stream_response import MessageResponse, wire_encoder
from musetalk_fast.types import Face
from musetalk_fast.wire.job_state import JobKind
from musetalk_fast.wire.messages import FaceMessage, Message, Start
from musetalk_fast.wire.requests import MAX_REQUEST_BYTES, AvatarRequest

ROUTES = web.RouteTableDef()

_FACES_AT_ONCE = 16


@ROUTES.post("/v1/avatars", expect_handler=expect_later)
async def post_avatars(request: web.Request) -> web.StreamResponse:
    """Stream `start`, a `face` per source frame, `end`; progress and heartbeats before them."""
    services, user = request.app[SERVICES], request[USER]
    loaded = services.loaded
    services.quotas.check(user)
    asked = AvatarRequest.from_json(await read_json(request, MAX_REQUEST_BYTES))
    key = (asked.avatar, asked.options)

    async def work(response: MessageResponse) -> None:
        with (
            services.limiter.take(),
            services.quotas.stream(user),
            services.store.lease(asked.avatar),
            services.jobs.open(JobKind.AVATARS, user, asked.avatar) as job,
        ):
            avatars = loaded.avatars
            ready = await response.during(
                avatars.get(key, job.user), lambda: job.prepares(avatars.progress(key))
            )
            await _send_faces(response, job, loaded.info, ready, asked)

    return await MessageResponse(request, wire_encoder(request), services).run(work)


async def _send_faces(
    response: MessageResponse,
    job: Job,
    info: EngineInfo,
    ready: ReadyAvatar,
    asked: AvatarRequest,
) -> None:
    faces = ready.avatar.faces
    stop = len(faces) if asked.stop is None else asked.stop
    if not asked.start <= stop <= len(faces):
        last = "the last" if asked.stop is None else stop
        raise RefusalError(
            *(422, "MTF-REQUEST"),
            f"source frames {asked.start} to {last} are asked for, there are {len(faces)}",
        )
    await response.send(
        Start(engine=info.name, model=info.model, faces=ready.digest, start=asked.start, stop=stop)
    )
    job.streams(stop - asked.start)
    for first in range(asked.start, stop, _FACES_AT_ONCE):
        last = min(first + _FACES_AT_ONCE, stop)
        await response.send_all(_messages(faces, first, last))
        job.sent(last - first)
    await response.end(
        stop - asked.start,
        {
            "faces": ready.digest,
            "source_frames": len(faces),
            "width": ready.avatar.width,
            "height": ready.avatar.height,
        },
    )


def _messages(faces: Sequence[Face | None], first: int, last: int) -> Iterator[Message]:
    return (_message(source, faces[source]) for source in range(first, last))


def _message(source: int, face: Face | None) -> FaceMessage:
    if face is None:
        return FaceMessage(source=source)
    return FaceMessage(source=source, box=face.box, mask_box=face.mask_box, mask=face.mask)
