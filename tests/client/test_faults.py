"""What a server can do wrong, and the error it becomes; no output is left behind."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest
from aiohttp import web
from scripted_server import (
    FACE,
    STALL,
    Script,
    digest,
    frame,
    full_stream,
    message,
    serving,
    start,
)

from musetalk_fast import (
    AvatarSettings,
    OutputSettings,
    ProcessingSettings,
    ServerSettings,
    Settings,
    errors,
    render_async,
)
from musetalk_fast.types import Box, Face

REPOSITORY = Path(__file__).parents[2]
PORTRAIT = REPOSITORY / "examples/portrait.png"
SPEECH = REPOSITORY / "tests/data/short.wav"
Request = dict[str, object]


async def _render(url: str, folder: Path, timeout_secs: float = 20.0, max_retries: int = 0) -> None:
    settings = Settings(
        server=ServerSettings(url=url, timeout_secs=timeout_secs),
        avatar=AvatarSettings(face_check=False),
        output=OutputSettings(preset="ultrafast", sound="none"),
        processing=ProcessingSettings(max_retries=max_retries),
    )
    await render_async(PORTRAIT, SPEECH, folder / "out.mp4", settings)


async def _fails(
    script: Script, folder: Path, timeout_secs: float = 20.0, max_retries: int = 0
) -> errors.MuseTalkError:
    async with serving(script) as url:
        with pytest.raises(errors.MuseTalkError) as caught:
            await _render(url, folder, timeout_secs, max_retries)
    assert os.listdir(folder) == []  # noqa: PTH208 - asyncio's rule forbids the other
    assert url in (caught.value.where or "")
    return caught.value


def _change(number: int, new: bytes) -> object:
    def frames(request: Request) -> list[bytes]:
        messages = full_stream(request)
        messages[number] = new
        return messages

    return frames


async def test_a_faultless_script_renders(tmp_path: Path) -> None:
    script = Script()
    async with serving(script) as url:
        await _render(url, tmp_path)
    assert (tmp_path / "out.mp4").stat().st_size > 0
    assert len(script.put_bodies) == 2


async def test_a_window_of_rows_that_is_too_small_is_refused(tmp_path: Path) -> None:
    script = Script(frames=lambda request: full_stream(request, rows=16))
    assert isinstance(await _fails(script, tmp_path), errors.FrameShapeError)


CASES = {
    "frame out of order": (_change(3, frame(7)), errors.FrameOrderError, 69),
    "frame twice": (_change(3, frame(1)), errors.FrameOrderError, 69),
    "frame of another source": (_change(3, frame(2, source=9)), errors.FrameShapeError, 69),
    "wrong shape": (_change(3, frame(2, width=100)), errors.FrameShapeError, 69),
    "wrong checksum": (
        _change(3, frame(2)[:-1] + b"\0"),
        errors.ChecksumError,
        69,
    ),
    "10 GB length field": (
        _change(3, message("frame", None, b"", encoding=1, index=2, length=0xFFFFFFFF)),
        errors.MessageSizeError,
        69,
    ),
    "not the wire": (lambda _request: [b"<html>" * 100], errors.ProtocolError, 69),
    "stream cut": (lambda request: full_stream(request)[:9], errors.StreamCutError, 69),
    "cut inside a message": (
        lambda request: [*full_stream(request)[:9], frame(8)[:1000]],
        errors.StreamCutError,
        69,
    ),
    "500 in mid-stream": (
        lambda request: [
            *full_stream(request)[:9],
            message("error", {"code": "MTF-X", "message": "engine broke", "retryable": True}),
        ],
        errors.ServerFailedError,
        69,
    ),
    "end too early": (
        lambda request: [
            start(request),
            frame(0),
            message("end", {"count": 1, "digest": digest([start(request), frame(0)])}),
        ],
        errors.FrameOrderError,
        69,
    ),
    "wrong digest at the end": (
        lambda request: [
            *full_stream(request)[:-1],
            message("end", {"count": 75, "digest": "00000000"}),
        ],
        errors.ChecksumError,
        69,
    ),
    "range of another segment": (
        lambda request: full_stream(request | {"start": 1}),
        errors.FrameOrderError,
        69,
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_fault_in_the_stream(name: str, tmp_path: Path) -> None:
    frames, kind, code = CASES[name]
    error = await _fails(Script(frames=frames), tmp_path)  # type: ignore[arg-type]
    assert isinstance(error, kind)
    assert error.exit_code == code
    assert error.hint


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (500, errors.ServerFailedError, 69),
        (502, errors.ServerFailedError, 69),
        (401, errors.NotAuthorisedError, 77),
        (429, errors.ServerBusyError, 75),
        (503, errors.ServerBusyError, 75),
        (422, errors.ServerRefusedError, 65),
    ],
)
async def test_refusal(
    status: int, kind: type[errors.MuseTalkError], code: int, tmp_path: Path
) -> None:
    script = Script(frames_status=status, frames_headers={"Retry-After": "7"})
    error = await _fails(script, tmp_path)
    assert isinstance(error, kind)
    assert (error.exit_code, error.message) == (code, "made to fail")
    if isinstance(error, errors.ServerBusyError):
        assert error.retry_after == 7


async def test_limits_are_checked_before_anything_is_sent(tmp_path: Path) -> None:
    script = Script(info={"max_size": 500})
    error = await _fails(script, tmp_path, max_retries=5)
    assert (error.token, error.exit_code) == ("MTF-SERVER-LIMIT", 65)
    assert error.message == "an avatar of 512x512 pixels; its limit is 500 a side"
    assert script.requests == []


async def test_what_cannot_change_is_asked_once(tmp_path: Path) -> None:
    """A proxy with a limit of its own answers in the server's place."""
    page = "<html>\r\n<head><title>413 Request Entity Too Large</title></head>"
    script = Script(
        put_answer=lambda: web.Response(status=413, text=page, content_type="text/html")
    )
    error = await _fails(script, tmp_path, max_retries=5)
    assert (error.token, error.exit_code) == ("MTF-SERVER-LIMIT", 65)
    assert error.message == "answered 413: Request Entity Too Large"
    assert "client_max_body_size" in (error.hint or "")
    assert len(script.requests) <= 2  # avatar and recording are sent at once


async def test_a_crop_that_is_none_is_asked_for_twice(tmp_path: Path) -> None:
    """Its checksum is right: it is what the server has made, and no connection's fault."""
    bad = message("frame", None, b"no", encoding=1, index=1, rows=(0, 256), width=256)
    script = Script(
        frames=lambda request: [start(request), frame(0), bad, STALL], stall=asyncio.Event()
    )
    error = await _fails(script, tmp_path, max_retries=5)
    assert isinstance(error, errors.FrameShapeError)
    assert error.message == "frame 1 has 2 bytes; its 256 rows need 196608"
    assert "damages" not in (error.hint or "")
    assert script.requests.count("POST") == 2


async def test_wrong_protocol(tmp_path: Path) -> None:
    script = Script()
    script.health["protocol"] = 2
    error = await _fails(script, tmp_path)
    assert isinstance(error, errors.NotAServerError)
    assert "2" in error.message


async def test_a_foreign_program_is_named(tmp_path: Path) -> None:
    script = Script(health={"hello": "world"})
    error = await _fails(script, tmp_path)
    assert isinstance(error, errors.NotAServerError)
    assert "builtin" in (error.hint or "")


async def test_a_server_that_falls_silent(tmp_path: Path) -> None:
    script = Script(
        frames=lambda request: [*full_stream(request)[:5], STALL], stall=asyncio.Event()
    )
    error = await _fails(script, tmp_path, timeout_secs=0.5)
    assert isinstance(error, errors.ServerUnreachableError)
    assert "0.5 s" in error.message


async def test_no_server_listens(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(errors.ServerUnreachableError) as caught:
            await _render(url, tmp_path)
    assert caught.value.exit_code == 69
    assert "refused" in str(caught.value)


@pytest.mark.parametrize(
    "face",
    [
        Face(0, Box(200, 60, 120, 140), Box(500, 130, 100, 70), FACE.mask),
        Face(0, Box(0, 0, 1 << 20, 1 << 20), Box(210, 130, 100, 70), FACE.mask),
        Face(0, Box(200, 60, 120, 140), Box(210, 130, 50, 70), FACE.mask),
    ],
    ids=["mask beyond the picture", "gigantic box", "mask of another shape"],
)
async def test_a_face_that_does_not_fit(face: Face, tmp_path: Path) -> None:
    error = await _fails(Script(face=face), tmp_path)
    assert isinstance(error, errors.ProtocolError)
