"""Setting up a server ends when it is cancelled, whatever else happens at that moment."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from musetalk_fast import errors
from musetalk_fast.client.pool import Member
from musetalk_fast.client.server_link import ServerLink
from musetalk_fast.rendering import session as session_module
from musetalk_fast.rendering.session import Session
from musetalk_fast.types import CropEncoding
from musetalk_fast.wire.face_digest import FacesDigest
from musetalk_fast.wire.media_types import BINARY


class Uploads:
    """The avatar's fails when `go` is set, the recording's never ends."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.begun = asyncio.Semaphore(0)

    async def __call__(self, _connection: object, sha256: str, *_rest: object) -> None:
        self.begun.release()
        if sha256 == "recording":
            await asyncio.Event().wait()
        await self.go.wait()
        raise errors.ServerUnreachableError("gone")


async def _server() -> Any:
    info = SimpleNamespace(
        engine="pattern",
        model="1",
        is_preview=False,
        crop_size=256,
        encodings=[CropEncoding.RAW],
        max_fps=60,
        max_size=64,
        max_asset_bytes=0,
        max_source_frames=1,
    )
    connection = SimpleNamespace(address=SimpleNamespace(name="a"))
    return SimpleNamespace(info=info, builtin=False, wire=BINARY, notes=(), connection=connection)


def _job() -> Any:
    return SimpleNamespace(
        plan=SimpleNamespace(
            frame_encoding=CropEncoding.RAW, fps=Fraction(25), width=64, height=64
        ),
        state=SimpleNamespace(
            check_engine=lambda *_: None, receiving=lambda _frames: nullcontext(FacesDigest())
        ),
        inputs=SimpleNamespace(
            speech=SimpleNamespace(wav_sha256="recording", wav=b""),
            avatar=SimpleNamespace(frames=1, seen_size=(64, 64), placement=None),
        ),
        picture=SimpleNamespace(sha256="avatar", data=b""),
    )


@pytest.mark.parametrize("moment", range(5))
async def test_a_cancellation_beside_a_failed_upload_is_not_lost(
    moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a worker continues when all frames have come, and the render waits for it forever."""
    uploads = Uploads()
    monkeypatch.setattr(session_module, "ensure_asset", uploads)
    session = Session(Member("a", ServerLink(_server), 3), _job(), lambda _event: None)
    ready = asyncio.ensure_future(session.ready())
    for _ in range(2):
        await asyncio.wait_for(uploads.begun.acquire(), 60)
    uploads.go.set()
    for _ in range(moment):
        await asyncio.sleep(0)
    cancelled = ready.cancel()
    (outcome,) = await asyncio.gather(ready, return_exceptions=True)
    expected = asyncio.CancelledError if cancelled else errors.ServerUnreachableError
    assert isinstance(outcome, expected)
