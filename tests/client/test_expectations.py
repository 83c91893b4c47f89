"""What a server may be asked for, and what may come: limits, and the order of frames."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import pytest

from musetalk_fast import errors
from musetalk_fast.client.address import parse_address
from musetalk_fast.client.frames import FrameCheck
from musetalk_fast.client.negotiate import NegotiatedServer, check_limits
from musetalk_fast.types import AvatarOptions, CropEncoding, EngineIdentity, SourceRun
from musetalk_fast.wire.media_types import BINARY
from musetalk_fast.wire.messages import End, Frame, Message, Start
from musetalk_fast.wire.requests import FramesRequest, Info

INFO = {
    "engine": "e", "model": "1", "protocol": 1, "crop_size": 256, "encodings": ["raw"],
    "wires": [BINARY.media_type], "max_fps": 60, "max_size": 4096, "max_streams": 2,
    "max_asset_bytes": 5000, "max_source_frames": 500,
}  # fmt: skip


def _check(**info: object) -> None:
    where = SimpleNamespace(address=parse_address("http://gpu:8000"))
    described = Info.from_json(INFO | info)
    server = NegotiatedServer(where, described, builtin=False, wire=BINARY)  # type: ignore[arg-type]
    assets = {"an avatar": 5000, "a recording": 4999}
    check_limits(server, CropEncoding.RAW, Fraction(60), (4096, 64), 500, assets)


@pytest.mark.parametrize(
    ("info", "message", "hint"),
    [
        ({"crop_size": 512}, "makes crops of 512 pixels; this client takes 256", "another server"),
        ({"encodings": ["jpeg"]}, "has no raw crops", "--frame-encoding: jpeg"),
        ({"encodings": ["webp"]}, "has no raw crops", "--frame-encoding: none"),
        ({"max_fps": 59}, "60 frames a second are more than its limit of 59", "--fps"),
        ({"max_size": 4095}, "an avatar of 4096x64 pixels; its limit is 4095 a side", "smaller"),
        ({"max_source_frames": 499}, "an avatar of 500 frames; its limit is 499", "cut the video"),
        ({"max_source_frames": None}, "takes no videos as avatars", "give a picture"),
        ({"max_asset_bytes": 4999}, "an avatar of 5000 bytes; its limit is 4999", "another server"),
    ],
)
def test_a_limit_is_named_with_the_value(info: dict[str, object], message: str, hint: str) -> None:
    _check()
    with pytest.raises(errors.ServerLimitError) as caught:
        _check(**info)
    assert (caught.value.where, caught.value.message) == ("http://gpu:8000", message)
    assert caught.value.exit_code == 65
    assert hint in (caught.value.hint or "")


REQUEST = FramesRequest(
    avatar="0" * 64,
    options=AvatarOptions(),
    faces=None,
    audio="0" * 64,
    fps=Fraction(25),
    start=176,
    stop=178,
    sources=(SourceRun(0, 0, 2),),
)
START = Start(engine="e", model="1", start=176, stop=178, encoding=CropEncoding.RAW)


def _frame(index: int) -> Frame:
    return Frame(index=index, source=0, encoding=CropEncoding.RAW, data=b"")


def _end(count: int) -> End:
    return End(count=count, digest="00000000")


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([_frame(176)], "frame 176 where the start was expected"),
        ([START, _frame(177)], "frame 177 where frame 176 was expected"),
        (
            [START, *map(_frame, (176, 177, 178))],
            "frame 178 where the end was expected",
        ),
        ([START, _frame(176), _end(1)], "the stream ends before frame 177"),
        ([START, *map(_frame, (176, 177)), _end(3)], "2 frames came; the end says 3"),
    ],
)
def test_frames_that_were_not_expected(messages: list[Message], said: str) -> None:
    check = FrameCheck(REQUEST, EngineIdentity("e", "1", is_preview=False), "x")
    for message in messages[:-1]:
        check.is_frame(message)
    with pytest.raises(errors.FrameOrderError) as caught:
        check.is_frame(messages[-1])
    assert caught.value.message.startswith(said)
