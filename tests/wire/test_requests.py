"""The documents of both sides survive JSON, and are refused by name where they cannot be."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musetalk_fast.errors import ProtocolError
from musetalk_fast.types import AvatarOptions, Box, CropEncoding, SourceRun
from musetalk_fast.wire.json_object import JsonObject
from musetalk_fast.wire.media_types import STREAM_MEDIA_TYPES
from musetalk_fast.wire.requests import AvatarRequest, FramesRequest, Health, Info

NAME, OTHER = "0a" * 32, "0b" * 32

OPTIONS = st.builds(
    AvatarOptions,
    face=st.sampled_from(["largest", "left", "right", "0", "12"]),
    face_box=st.none() | st.just(Box(-1, 2, 30, 40)),
    face_center=st.none() | st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
    bbox_shift=st.integers(-1000, 1000),
    extra_margin=st.integers(0, 1000),
)
FRAMES = FramesRequest(
    avatar=NAME,
    options=AvatarOptions(face_center=(3, 4)),
    faces=OTHER,
    audio=OTHER,
    fps=Fraction(30000, 1001),
    start=10,
    stop=30,
    sources=(SourceRun(0, 1, 15), SourceRun(14, -1, 5)),
    encoding=CropEncoding.PNG,
    window=True,
)
HEALTH = Health(
    status="healthy", version="1", model_loaded=True, gpu_available=True, gpu_name="X", engine="e"
)
INFO = Info(
    engine="e",
    model="m",
    is_preview=True,
    crop_size=256,
    encodings=tuple(CropEncoding),
    wires=STREAM_MEDIA_TYPES,
    max_fps=240.0,
    max_size=8192,
    max_streams=4,
    max_asset_bytes=1 << 30,
    max_source_frames=1000,
)


def again(document: dict[str, Any]) -> Any:
    return orjson.loads(orjson.dumps(document))


@given(OPTIONS, st.integers(0, 50), st.none() | st.integers(50, 99))
def test_avatar_request(options: AvatarOptions, start: int, stop: int | None) -> None:
    request = AvatarRequest(avatar=NAME, options=options, start=start, stop=stop)
    assert AvatarRequest.from_json(again(request.to_json())) == request


def test_other_documents() -> None:
    assert FramesRequest.from_json(again(FRAMES.to_json())) == FRAMES
    assert Health.from_json(again(HEALTH.to_json())) == HEALTH
    assert Info.from_json(again(INFO.to_json())) == INFO


def test_what_is_not_said_has_its_default() -> None:
    assert AvatarRequest.from_json({"avatar": NAME}) == AvatarRequest(
        avatar=NAME, options=AvatarOptions()
    )
    as_list = again(FRAMES.to_json())
    for name in ("options", "faces", "encoding", "window"):
        del as_list[name]
    assert FramesRequest.from_json(as_list) == replace(
        FRAMES, options=AvatarOptions(), faces=None, encoding=CropEncoding.RAW, window=False
    )


def test_an_empty_range_needs_no_sources() -> None:
    document = again(FRAMES.to_json()) | {"stop": 10, "sources": []}
    assert FramesRequest.from_json(document).sources == ()


BAD = {
    "avatar": ["", "0A" * 32, "0a" * 31, "../../etc/passwd", 7, None],
    "audio": ["0a", None],
    "faces": ["x", 3],
    "fps": [[25], [0, 1], [25, 0], 25, [25.0, 1], [-25, 1], [1 << 40, 1], None],
    "start": [-1, "0", 1.5, 1 << 32, None],
    "stop": [9, 1 << 32, True, None],
    "sources": [
        [],
        [[0, 1, 19]],
        [[0, 1, 21]],
        [[0, 2, 20]],
        [[3, -1, 20]],
        [[0, 1, 20, 0]],
        [[-1, 0, 20]],
        [[0, 0, 40], [0, 0, -20]],
        [[0, 0, 20], [0, 0, 0]],
        [[0, 0, 1]] * 10_001,
        "all",
        None,
    ],
    "encoding": ["webp", 3],
    "window": ["yes", 1],
    "options": [
        [],
        {"face_box": [0, 0, 0, 5]},
        {"face_box": [0, 0, 1 << 40, 5]},
        {"face_center": [1]},
        {"bbox_shift": 1001},
        {"extra_margin": -1},
        {"face": 5},
        {"smooth": 1},
    ],
}


@pytest.mark.parametrize("name", BAD)
def test_members_out_of_bounds(name: str) -> None:
    for value in BAD[name]:
        document = again(FRAMES.to_json()) | {name: value}
        if value is None and name in ("faces", "options"):
            continue
        with pytest.raises(ProtocolError) as caught:
            FramesRequest.from_json(document)
        assert name in str(caught.value) or name == "options"


@pytest.mark.parametrize("document", [None, [], "x", 3, {}])
def test_documents_that_are_none(document: object) -> None:
    for kind in (AvatarRequest, FramesRequest, Health, Info):
        with pytest.raises(ProtocolError):
            kind.from_json(document)


def test_another_protocol_is_named() -> None:
    for document, kind in ((HEALTH.to_json(), Health), (INFO.to_json(), Info)):
        with pytest.raises(ProtocolError, match="protocol 2"):
            kind.from_json(document | {"protocol": 2})


def test_encodings_of_the_future_are_left_out() -> None:
    document = again(INFO.to_json()) | {"encodings": ["avif", "png"]}
    assert Info.from_json(document).encodings == (CropEncoding.PNG,)


@pytest.mark.parametrize(
    "options", [{"a": "\ud800"}, {"\ud800": "a"}, {"a": "\0"}, {"a" * 201: "a"}, {"a": 1}]
)
def test_a_mapping_holds_short_printable_texts(options: dict[str, Any]) -> None:
    members = JsonObject({"right": {"crf": "20"}, "wrong": options}, "the plan")
    assert members.mapping("right") == {"crf": "20"}
    with pytest.raises(ProtocolError, match="wrong must be an object of short, printable texts"):
        members.mapping("wrong")
