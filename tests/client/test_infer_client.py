"""Servers that know only POST /infer: ours, and an independent one in a process of its own."""

from __future__ import annotations

import asyncio
import json
import math
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from infer_server_process import avatar, infer_server, opened, padded, pattern_server, recording

from musetalk_fast import errors
from musetalk_fast.client.infer import InferRequest, check_infer_options, open_infer
from musetalk_fast.client.negotiate import NegotiatedServer, probe
from musetalk_fast.kernels.png import decode_png
from musetalk_fast.types import AvatarOptions
from musetalk_fast.wire.media_types import BINARY, INFER
from musetalk_fast.wire.messages import FullFrame

SAMPLES = 11_111
"""0.694 s: 17.36 frames at 25, 20.8 at 30000/1001."""
NTSC = Fraction(30000, 1001)


def _request(folder: Path, fps: Fraction = Fraction(25), samples: int = SAMPLES) -> InferRequest:
    frames = math.ceil(samples * fps / 16_000)
    sound = padded(folder, samples, frames / fps)
    size = {"width": 320, "height": 240}
    return InferRequest(png=avatar(), recording=sound, fps=fps, frames=frames, **size)


async def _frames(server: NegotiatedServer, request: InferRequest) -> list[FullFrame]:
    async with open_infer(server.connection, request) as stream:
        return [frame async for frames in stream for frame in frames]


async def _check(address: str, request: InferRequest, **settings: Any) -> None:
    async with opened(address, **settings) as server:
        assert server.wire == INFER
        frames = await _frames(server, request)
    assert [frame.index for frame in frames] == list(range(request.frames))
    for frame in frames:
        rgb = decode_png(frame.data, 1 << 20)
        assert rgb.shape == (240, 320, 3)
        if server.info.engine == "infer":
            assert rgb[0, 0].tolist() == [frame.index, 0, 7]


STYLES: dict[str, dict[str, object]] = {
    "close-delimited": {"framing": "close"},
    "chunked": {"framing": "chunked", "piece": 10_007},
    "with a length": {"framing": "length"},
    "pretty": {"pretty": True, "framing": "chunked"},
    "turned": {"order": "turned"},
    "turned and pretty in small pieces": {"order": "turned", "pretty": True, "piece": 4001},
    "escaped": {"escapes": True, "framing": "chunked"},
}


@pytest.mark.parametrize("style", STYLES)
async def test_an_independent_server(style: str, tmp_path: Path) -> None:
    with infer_server(**STYLES[style]) as address:
        await _check(address, _request(tmp_path))


@pytest.mark.long
@pytest.mark.parametrize("fps", [Fraction(25), NTSC, Fraction(24), Fraction(60), Fraction(50)])
@pytest.mark.parametrize("rounding", ["floor", "round", "ceil"])
async def test_every_way_to_round_gives_the_frames_of_the_plan(
    rounding: str, fps: Fraction, tmp_path: Path
) -> None:
    with infer_server(rounding=rounding) as address:
        for samples in (SAMPLES, 16_000, 1):
            await _check(address, _request(tmp_path, fps, samples))


@pytest.mark.parametrize("fps", [Fraction(25), NTSC])
async def test_our_own_server(fps: Fraction, tmp_path: Path) -> None:
    with pattern_server() as address:
        await _check(address, _request(tmp_path, fps), wire="infer")


async def test_a_recording_is_read_from_its_file(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    request = _request(tmp_path, samples=3_000_001)
    with infer_server(journal=str(journal), distinct=3, size=[320, 240]) as address:
        async with opened(address) as server:
            frames = await _frames(server, request)
    assert len(frames) == request.frames == 4688
    sent = json.loads(journal.read_text().splitlines()[-1])
    padded = 44 + request.frames * 640 * 2
    wanted = {"image": avatar(), "audio": bytes(padded), "fps": 25, "bbox_shift": 0}
    texts = sum(-(-len(wanted[name]) // 3) * 4 for name in ("image", "audio"))  # type: ignore[arg-type]
    assert sent["size"] == texts + len('{"image":"","audio":"","fps":25,"bbox_shift":0}')


async def test_the_wire_is_found_out() -> None:
    with infer_server() as infer_only, pattern_server() as ours:
        async with opened(infer_only) as server:
            assert (server.wire, server.info.engine, server.info.model) == (INFER, "infer", "2.3.1")
        async with opened(ours) as server:
            assert (server.wire, server.info.engine) == (BINARY, "pattern")
        async with opened(ours, wire="infer") as server:
            assert (server.wire, server.info.engine) == (INFER, "pattern")
        assert await probe(infer_only)
        assert await probe(ours)


@pytest.mark.parametrize(
    ("health", "kind"),
    [
        ({"status": "healthy"}, errors.NotAServerError),
        ({"status": "healthy", "model_loaded": "yes"}, errors.NotAServerError),
        ({"status": "healthy", "model_loaded": True, "protocol": 2}, errors.NotAServerError),
        (["healthy"], errors.NotAServerError),
        (None, errors.NotAServerError),
        ({"status": "loading", "model_loaded": False}, errors.ServerBusyError),
        ({"status": "starting", "model_loaded": True}, errors.ServerBusyError),
    ],
)
async def test_what_says_other_things_is_no_such_server(
    health: object, kind: type[errors.ServerError]
) -> None:
    with infer_server(health=health) as address:
        with pytest.raises(kind):
            async with opened(address):
                pass
        assert await probe(address) is (kind is errors.ServerBusyError)


INFO = {
    "engine": "theirs", "model": "1", "is_preview": False, "protocol": 1, "crop_size": 256,
    "encodings": ["raw"], "wires": [BINARY.media_type], "max_fps": 60, "max_size": 4096,
    "max_streams": 2, "max_asset_bytes": 1 << 20,
}  # fmt: skip


async def test_who_has_the_frames_wire_too_is_asked_for_crops() -> None:
    """Its /health may be that of the contract alone."""
    with infer_server(info=[200, INFO]) as address:
        async with opened(address) as server:
            assert (server.wire, server.info.engine) == (BINARY, "theirs")
        async with opened(address, wire="infer") as server:
            assert (server.wire, server.info.engine) == (INFER, "infer")


async def test_who_cannot_say_now_whether_it_has_it_is_not_guessed_at() -> None:
    with infer_server(info=[503, {}]) as address, pytest.raises(errors.ServerBusyError):
        async with opened(address):
            pass


async def test_a_configured_infer_wire_needs_no_health(tmp_path: Path) -> None:
    with infer_server(health=None) as address:
        await _check(address, _request(tmp_path), wire="infer")


FAULTS: dict[str, tuple[dict[str, object], type[errors.MuseTalkError], str]] = {
    "cut": ({"frame": "cut"}, errors.StreamCutError, "before frame 3"),
    "cut with framing": (
        {"frame": "cut", "framing": "chunked"},
        errors.StreamCutError,
        "before frame 3",
    ),
    "too few": ({"most": 5}, errors.FrameOrderError, "5 frames came; the response says 18"),
    "another size": ({"size": [64, 64]}, errors.FrameShapeError, "64x64 pixels, not 320x240"),
    "no /infer": ({"no_infer": True}, errors.NotAServerError, "404"),
    "FastAPI's refusal": (
        {"status": 422, "body": {"detail": [{"loc": ["body"], "msg": "field required"}]}},
        errors.ServerRefusedError,
        "answered 422: field required",
    ),
    "a refusal in a word": (
        {"status": 500, "body": {"detail": "CUDA out of memory"}},
        errors.ServerFailedError,
        "answered 500: CUDA out of memory",
    ),
    "busy": ({"status": 503, "body": {}}, errors.ServerBusyError, "503"),
    "not what was asked for": (
        {"body": ["x"]},
        errors.ProtocolError,
        'answered 200 with application/json: ["x"]',
    ),
    "nothing": ({"body": ""}, errors.ProtocolError, "answered 200 and nothing more"),
    "white space": ({"body": "\n \n"}, errors.ProtocolError, "answered 200 and nothing more"),
    "a page": (
        {"body": "\n<html><title>Sign in</title>"},
        errors.ProtocolError,
        "with application/json: Sign in",
    ),
    "a proxy's limit": (
        {"status": 413, "body": "<html>\r\n<head><title>413 Request Entity Too Large</title>"},
        errors.ServerLimitError,
        "answered 413: Request Entity Too Large",
    ),
    "no frames, but why": (
        {"body": {"error": "CUDA out of memory"}},
        errors.ServerFailedError,
        "CUDA out of memory",
    ),
    "no frames": ({"body": {"status": "success"}}, errors.ProtocolError, "has no frames"),
    "failed inside": (
        {"body": {"status": "error", "message": "no GPU"}},
        errors.ServerFailedError,
        "no GPU",
    ),
    "no face": (
        {"body": {"status": "error", "code": "MTF-NO-FACE", "message": "none there"}},
        errors.NoFaceError,
        "none there",
    ),
    "another rate": (
        {"body": {"status": "success", "total_frames": 0, "fps": 30, "frames": []}},
        errors.FrameOrderError,
        "0 frames came where 18 were expected",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_named(name: str, tmp_path: Path) -> None:
    options, kind, message = FAULTS[name]
    with infer_server(**options) as address:
        async with opened(address) as server:
            with pytest.raises(errors.MuseTalkError) as caught:
                await _frames(server, _request(tmp_path))
    assert type(caught.value) is kind
    assert message in caught.value.message
    assert caught.value.where == address


async def test_a_server_may_think_before_it_answers_but_not_for_ever(tmp_path: Path) -> None:
    with infer_server(secs=2) as address:
        async with opened(address, timeout_secs=0.3) as server:
            assert len(await _frames(server, _request(tmp_path))) == 18  # 0.3 s and 10 x 0.72 s
            with pytest.raises(errors.ServerUnreachableError, match="silent for"):
                await _frames(server, _request(tmp_path, samples=1))  # 0.3 s and 10 x 0.04 s


async def test_a_healthy_server_may_load_its_model_with_the_first_request(tmp_path: Path) -> None:
    """As musetalk-client-rs's does with its start script; loading may take all the longer."""
    health = {"status": "healthy", "version": "0.1.0", "model_loaded": False}
    with infer_server(secs=1.5, health=health) as address:
        async with opened(address, timeout_secs=0.3) as server:
            assert not server.model_loaded
            assert "not loaded" in server.notes[0]
            request = _request(tmp_path, samples=1)
            async with open_infer(
                server.connection, request, model_loaded=server.model_loaded
            ) as stream:
                assert [len(frames) async for frames in stream] == [1]
            with pytest.raises(errors.ServerUnreachableError, match="silent for"):
                await _frames(server, request)


async def test_letting_go_ends_the_request(tmp_path: Path) -> None:
    with infer_server(distinct=2, level=0) as address:  # 350 MB
        async with opened(address) as server:
            request = _request(tmp_path, samples=16_000 * 60)
            async with open_infer(server.connection, request) as stream:
                async for frames in stream:
                    assert frames[0].index == 0
                    break
            for ticks in range(20):  # at many places: a cancellation must not be lost anywhere
                waiting = asyncio.create_task(_frames(server, request))
                await asyncio.sleep(0.003 * ticks)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
            assert len(await _frames(server, _request(tmp_path))) == 18


def test_the_contract_has_no_word_for_other_faces() -> None:
    check_infer_options(AvatarOptions(bbox_shift=5), "there")
    with pytest.raises(errors.ServerRefusedError, match="--silence hold cannot be done"):
        check_infer_options(AvatarOptions(), "there", needs_crops=["--silence hold"])
    for options in (AvatarOptions(face="left"), AvatarOptions(extra_margin=3)):
        with pytest.raises(errors.ServerRefusedError, match="POST /infer"):
            check_infer_options(options, "there")
    with pytest.raises(errors.ServerLimitError, match="takes a still picture"):
        check_infer_options(AvatarOptions(), "there", moves=True)


COMMAND = """
import atexit, runpy, sys
from pathlib import Path

def report():
    # Not getrusage: its peak includes the parent process's.
    status = Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) // 1024)

atexit.register(report)
sys.argv[0] = "musetalk-fast"
runpy.run_module("musetalk_fast", run_name="__main__", alter_sys=True)
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_render_of_1000_frames_takes_no_more_than_250_megabytes(tmp_path: Path) -> None:
    (tmp_path / "avatar.png").write_bytes(avatar(512, 512))
    (tmp_path / "speech.wav").write_bytes(recording(640_000))
    flags = ["--wire", "infer", "--preset", "ultrafast", "--sound", "none", "--no-face-check"]
    with infer_server(framing="chunked", distinct=4, level=0) as address:  # 786 kB a picture
        done = subprocess.run(
            [
                *(sys.executable, "-c", COMMAND, "render", "-q", *flags, "-s", address),
                *("-i", "avatar.png", "-a", "speech.wav", "-o", "out.mp4"),
            ],
            cwd=tmp_path,
            env=os.environ | {"XDG_CONFIG_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    with av.open(str(tmp_path / "out.mp4")) as video:
        assert video.streams.video[0].frames == 1000
    assert int(done.stdout) < 250
