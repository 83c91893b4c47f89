"""Full frames from a server that knows only `POST /infer`."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction

import aiohttp

from musetalk_fast import errors
from musetalk_fast.client.connection import Connection
from musetalk_fast.client.http_errors import first_line, from_code, raise_for_refusal
from musetalk_fast.client.infer_request_body import InferBody, SizedWav
from musetalk_fast.client.stall import StallTimer
from musetalk_fast.kernels.png import SIGNATURE
from musetalk_fast.types import AvatarOptions
from musetalk_fast.wire.infer import Decoder, max_text_bytes
from musetalk_fast.wire.messages import ErrorMessage, FullFrame

_PATIENCE = 10
"""Seconds that a server may take for a second of the recording before it says anything."""
_LOG = "look at the server's log, and whether a proxy before it has answered"
_IHDR = struct.Struct(">8sI4sII")


@dataclass(frozen=True, slots=True, kw_only=True)
class InferRequest:
    """`POST /infer`: make all frames of a recording.

    Attributes:
        png: the avatar.
        recording: a WAV that ends with the last frame, or a sample later.
        frames: how many are due.
        width, height: of the avatar and so of each frame, in pixels.
    """

    png: bytes
    recording: SizedWav
    fps: Fraction
    frames: int
    width: int
    height: int
    bbox_shift: int = 0


def check_infer_options(
    options: AvatarOptions, where: str, *, moves: bool = False, needs_crops: Sequence[str] = ()
) -> None:
    """Refuse what `POST /infer` cannot express.

    Args:
        moves: the avatar is a video.
        needs_crops: flags of what is done to crops, where whole frames come.

    Raises:
        errors.ServerLimitError: a video.
        errors.ServerRefusedError: a choice of the face other than `bbox_shift`, or such a flag.
    """
    if moves:
        raise errors.ServerLimitError(
            "knows only POST /infer, which takes a still picture; the avatar is a video",
            where=where,
            hint="give a still picture, or choose a server that takes videos",
        )
    if needs_crops:
        flags = " and ".join(needs_crops)
        raise errors.ServerRefusedError(
            f"knows only POST /infer, which sends finished frames, so that {flags} cannot be done",
            where=where,
            hint=f"drop {flags}",
        )
    if options != AvatarOptions(bbox_shift=options.bbox_shift):
        raise errors.ServerRefusedError(
            "knows only POST /infer, which has no options for face and margin",
            where=where,
            hint="drop --face, --face-box, --face-center and --extra-margin",
        )


@asynccontextmanager
async def open_infer(
    connection: Connection, request: InferRequest, *, model_loaded: bool = True
) -> AsyncIterator[AsyncIterator[list[FullFrame]]]:
    """`POST /infer`; yield lists of frames as they arrive, every index once and in order.

    The recording is read while it is sent, and the response while it arrives: neither is ever
    in memory as a whole.

    Args:
        model_loaded: else the server loads it first, in silence, which may take the connection's
            `frame_timeout_secs`.

    Raises:
        errors.ProtocolError: the leaf that says how the response is not what was asked for.
        errors.ServerSlowError: line breaks, but no frame in time.
        errors.ServerError, errors.InputError: the server refuses or fails.
    """
    where = connection.address.name
    secs = request.frames / request.fps
    silence_secs = connection.timeout_secs
    if not model_loaded:
        silence_secs = max(silence_secs, connection.frame_timeout_secs)
    body = InferBody(request.png, request.recording, request.fps, request.bbox_shift)
    async with connection.request(
        "POST",
        "/infer",
        body=body.chunks,
        headers={"Content-Type": "application/json", "Content-Length": str(body.size)},
        silence_secs=silence_secs + _PATIENCE * float(secs),
    ) as response:
        if response.status == 404:
            raise errors.NotAServerError("/infer answered 404", where=where)
        await raise_for_refusal(response, where, connection.timeout_secs)
        first = StallTimer(connection.frame_timeout_secs + _PATIENCE * float(secs), "frame", where)
        frames = _frames(response, request, connection, first)
        async with aclosing(frames):
            yield frames


async def _frames(
    response: aiohttp.ClientResponse,
    request: InferRequest,
    connection: Connection,
    stall: StallTimer,
) -> AsyncGenerator[list[FullFrame], None]:
    where, silence_secs = connection.address.name, connection.timeout_secs
    decoder = Decoder(request.frames, max_text_bytes(request.width, request.height))
    clock = asyncio.get_running_loop().time
    begun = False
    try:
        chunk = await response.content.readany()
        spoke = clock()
        while chunk:
            begun = begun or _is_document(response, chunk)
            found = decoder.feed(chunk)
            frames = [frame for frame in found if frame.index < request.frames]
            for frame in frames:
                _check_size(frame, request)
            if frames:
                yield frames
            if found:
                stall = StallTimer(connection.frame_timeout_secs, "frame", where)
            stall.check()
            if found or chunk.isspace():  # our own server's keep-alive is a line break
                spoke = clock()
            elif clock() - spoke > silence_secs:
                # Bytes trickle in: no read took long, yet no frame came.
                raise errors.ServerSlowError(
                    f"no complete frame in {silence_secs:g} s", where=where
                )
            chunk = await _next(response, silence_secs)
        if not begun:
            raise errors.ProtocolError(f"answered {response.status} and nothing more", hint=_LOG)
        _check_end(decoder, request)
    except errors.MuseTalkError as error:
        error.where = error.where or where
        raise


def _is_document(response: aiohttp.ClientResponse, chunk: bytes) -> bool:
    """Whether the document begins here, or has to be waited for.

    Raises:
        errors.ProtocolError: something else begins, which is quoted.
    """
    text = chunk.lstrip()
    if text and text[:1] != b"{":
        words = f"answered {response.status} with {response.content_type}: {first_line(text)}"
        raise errors.ProtocolError(words.removesuffix(": "), hint=_LOG)
    return bool(text)


async def _next(response: aiohttp.ClientResponse, silence_secs: float) -> bytes:
    try:
        async with asyncio.timeout(silence_secs):
            return await response.content.readany()
    except TimeoutError:
        raise errors.ServerUnreachableError(f"silent for {silence_secs:g} s") from None


def _check_size(frame: FullFrame, request: InferRequest) -> None:
    if len(frame.data) < _IHDR.size:
        raise errors.FrameShapeError(f"frame {frame.index} is not a PNG")
    signature, _, name, width, height = _IHDR.unpack_from(frame.data)
    if signature != SIGNATURE or name != b"IHDR":
        raise errors.FrameShapeError(f"frame {frame.index} is not a PNG")
    if (width, height) != (request.width, request.height):
        raise errors.FrameShapeError(
            f"frame {frame.index} has {width}x{height} pixels, not {request.width}x{request.height}"
        )


def _check_end(decoder: Decoder, request: InferRequest) -> None:
    end = decoder.close()
    if isinstance(end, ErrorMessage):
        known = from_code(end.code, end.message, end.hint, "")
        raise known or errors.ServerFailedError(end.message, hint=end.hint)
    if end.fps is not None and abs(end.fps - request.fps) > request.fps / 1000:
        raise errors.ProtocolError(f"made at {end.fps:g} frames a second, not {request.fps}")
