"""Faces are passed on as they come, each once and in order, and held to the server's digest."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web
from scripted_server import FACE, STALL, Script, digest, message, serving

from musetalk_fast import errors
from musetalk_fast.client.address import parse_address
from musetalk_fast.client.avatar_preparation import prepare_avatar
from musetalk_fast.client.connection import Connection
from musetalk_fast.kernels.png import encode_png
from musetalk_fast.types import AvatarOptions, Face
from musetalk_fast.wire.face_digest import FacesDigest, faces_digest
from musetalk_fast.wire.media_types import BINARY
from musetalk_fast.wire.requests import AvatarRequest

COUNT = 40
FACES = [None if source % 5 == 4 else replace(FACE, source=source) for source in range(COUNT)]
REQUEST = AvatarRequest(avatar="ab" * 32, options=AvatarOptions())


def _face(source: int, face: Face | None) -> bytes:
    if face is None:
        return message("face", {"source": source})
    places = {"source": source, "box": list(face.box), "mask_box": list(face.mask_box)}
    return message("face", places, encode_png(face.mask), encoding=3)


def _answer(faces: Sequence[Face | None], /, **end: object) -> list[bytes]:
    start = message("start", {"engine": "scripted", "model": "1", "start": 0, "stop": len(faces)})
    parts = [start, *(_face(source, face) for source, face in enumerate(faces))]
    reported = {"count": len(faces), "digest": digest(parts), "faces": faces_digest(faces)} | end
    return [*parts, message("end", reported)]


@dataclass
class Avatars(Script):
    """Says this of an avatar."""

    parts: list[bytes] = field(default_factory=list)

    async def post_avatars(self, request: web.Request) -> web.StreamResponse:
        return await self._stream(request, self.parts)


class Sink:
    """Keeps what it is given, and says when so many have come."""

    def __init__(self, enough: int = COUNT) -> None:
        self.faces: list[Face | None] = []
        self.has_enough = asyncio.Event()
        self._enough = enough
        self._loop = asyncio.get_running_loop()
        self._digest = FacesDigest()

    @property
    def digest(self) -> str:
        return self._digest.digest

    def add(self, faces: Sequence[Face | None]) -> None:
        self.faces += faces
        self._digest.add(faces)
        if len(self.faces) >= self._enough:
            self._loop.call_soon_threadsafe(self.has_enough.set)


async def _prepare(parts: list[bytes], sink: Sink, stall: asyncio.Event | None = None) -> None:
    async with (
        serving(Avatars(parts=parts, stall=stall)) as url,
        Connection(parse_address(url), 20) as connection,
    ):
        await prepare_avatar(connection, REQUEST, BINARY, (512, 512), COUNT, sink, lambda *_: None)


async def test_faces_are_passed_on_in_order() -> None:
    sink = Sink()
    await _prepare(_answer(FACES), sink)
    assert [face and face.source for face in sink.faces] == [face and face.source for face in FACES]
    assert sink.digest == faces_digest(FACES)


async def test_they_are_passed_on_before_the_last_one_has_come() -> None:
    """An hour of avatar has hundreds of megabytes of them."""
    sink = Sink(enough=COUNT // 2)
    parts = _answer(FACES)
    parts.insert(1 + COUNT // 2, STALL)
    preparing = asyncio.ensure_future(_prepare(parts, sink, sink.has_enough))
    await asyncio.wait_for(preparing, 30)
    assert len(sink.faces) == COUNT


BAD = {
    "one is missing": (_answer(FACES[:-1]), errors.FrameOrderError),
    "one too many": (_answer([*FACES, FACE]), errors.FrameOrderError),
    "twice": ([*_answer(FACES)[:3], _face(1, FACE)], errors.FrameOrderError),
    "out of order": ([*_answer(FACES)[:3], _face(3, FACE)], errors.FrameOrderError),
    "another count at the end": (_answer(FACES, count=COUNT - 1), errors.FrameOrderError),
    "another digest": (_answer(FACES, faces="ab" * 32), errors.ChecksumError),
    "no digest": (_answer(FACES, faces=None), errors.ChecksumError),
    "no face at all": (_answer([None] * COUNT), errors.NoFaceError),
    "no end": (_answer(FACES)[:-1], errors.StreamCutError),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_is_not_an_avatars_faces_is_refused(name: str) -> None:
    parts, error = BAD[name]
    with pytest.raises(error) as caught:
        await _prepare(parts, Sink())
    assert (caught.value.where or "").startswith("http://127.0.0.1:")
