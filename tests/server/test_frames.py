"""Any range of frames, on both wires, in every encoding; and what is refused."""

from __future__ import annotations

import asyncio
import base64
import io
from typing import Any

import numpy as np
import pytest
from server_process import Client, avatar, frames_of, pixels, sha256, speech

from musetalk_fast.types import Rows
from musetalk_fast.wire.media_types import NDJSON, STREAM_WIRES, StreamWire
from musetalk_fast.wire.messages import End, FaceMessage, Progress, Start


@pytest.mark.parametrize("wire", STREAM_WIRES, ids=lambda wire: wire.name)
@pytest.mark.parametrize(("start", "stop"), [(0, 30), (7, 8), (250, 262), (5, 5)])
async def test_any_range(client: Client, start: int, stop: int, wire: StreamWire) -> None:
    body = await client.frames_body(start, stop)
    first, *_, end = messages = await client.messages("/v1/frames", body, wire)
    assert isinstance(first, Start)
    assert (first.start, first.stop, first.engine) == (start, stop, "pattern")
    assert isinstance(end, End)
    assert end.count == stop - start
    frames = frames_of(messages)
    assert [frame.index for frame in frames] == list(range(start, stop))
    for frame in frames:
        assert (pixels(frame)[1:, :, 0] == frame.index & 255).all()
        assert (pixels(frame)[1:, :, 1] == frame.index >> 8).all()


@pytest.mark.parametrize("wire", STREAM_WIRES, ids=lambda wire: wire.name)
@pytest.mark.parametrize("encoding", ["raw", "jpeg", "png"])
async def test_encodings(client: Client, encoding: str, wire: StreamWire) -> None:
    body = await client.frames_body(40, 43, encoding=encoding)
    frames = frames_of(await client.messages("/v1/frames", body, wire))
    assert [frame.encoding.value for frame in frames] == [encoding] * 3
    for frame in frames:
        assert np.abs(pixels(frame)[20:, :, 0].astype(int) - frame.index).max() <= 1


async def test_a_window_has_the_rows_of_the_mask(client: Client) -> None:
    full = await client.frames_body(0, 3)
    window = full | {"window": True}
    assert {f.rows for f in frames_of(await client.messages("/v1/frames", full))} == {Rows(0, 256)}
    (rows,) = {f.rows for f in frames_of(await client.messages("/v1/frames", window))}
    # The mask covers rows 120..239 of a box of 240: the lower half of the crop.
    assert 118 <= rows.first < 128
    assert rows.first + rows.count == 256


async def test_sources_are_followed(client: Client) -> None:
    sources = [[0, 1, 3], [2, -1, 3], [1, 0, 2]]
    body = await client.frames_body(10, 18, sources=sources, avatar=avatar(sources=3))
    frames = frames_of(await client.messages("/v1/frames", body))
    assert [frame.source for frame in frames] == [0, 1, 2, 2, 1, 0, 1, 1]
    assert [int(pixels(frame)[9, 9, 2]) for frame in frames] == [0, 1, 2, 2, 1, 0, 1, 1]


async def test_frames_beyond_the_sound_are_silence(client: Client) -> None:
    body = await client.frames_body(0, 60, audio=speech(secs=1.0))
    frames = frames_of(await client.messages("/v1/frames", body))
    sounding = [int(pixels(frame)[0, 0, 2]) for frame in frames]
    assert sounding == [255] * 25 + [0] * 35
    far = await client.frames_body(4_000_000_000, 4_000_000_002)
    frames = frames_of(await client.messages("/v1/frames", far))
    assert [int(pixels(frame)[0, 0, 2]) for frame in frames] == [0, 0]


async def test_the_same_range_gives_the_same_bytes(client: Client) -> None:
    body = await client.frames_body(3, 20)
    pair = await asyncio.gather(*(client.messages("/v1/frames", body) for _ in range(2)))
    ends = [messages[-1] for messages in pair]
    assert all(isinstance(end, End) for end in ends)
    assert ends[0] == ends[1]


async def test_many_streams_at_a_time(client: Client) -> None:
    bodies = [await client.frames_body(start, start + 40) for start in range(0, 400, 60)]
    found = await asyncio.gather(*(client.messages("/v1/frames", body) for body in bodies))
    for body, messages in zip(bodies, found, strict=True):
        assert [int(pixels(f)[9, 9, 0]) for f in frames_of(messages)] == [
            index & 255 for index in range(body["start"], body["stop"])
        ]


async def test_faces(client: Client) -> None:
    name = await client.put(avatar(sources=20, faceless=[3]))
    start, *faces, end = await client.messages("/v1/avatars", {"avatar": name})
    assert isinstance(start, Start)
    assert isinstance(end, End)
    assert start.faces == end.details["faces"]
    assert end.details == {"faces": start.faces, "source_frames": 20, "width": 640, "height": 480}
    assert [face.source for face in faces if isinstance(face, FaceMessage)] == list(range(20))
    assert [face.source for face in faces if getattr(face, "box", 1) is None] == [3]


async def test_a_range_of_faces(client: Client) -> None:
    name = await client.put(avatar(sources=20))
    body = {"avatar": name, "start": 5, "stop": 9}
    _, *faces, end = await client.messages("/v1/avatars", body, NDJSON)
    assert [face.source for face in faces if isinstance(face, FaceMessage)] == [5, 6, 7, 8]
    assert isinstance(end, End)
    assert end.details["source_frames"] == 20


async def test_options_are_another_avatar(client: Client) -> None:
    name = await client.put(avatar())
    starts = [
        (await client.messages("/v1/avatars", {"avatar": name, "options": options}))[0]
        for options in ({}, {"bbox_shift": 3}, {"bbox_shift": 0})
    ]
    digests = [start.faces for start in starts if isinstance(start, Start)]
    assert digests[0] != digests[1]
    assert digests[0] == digests[2]


async def test_a_long_preparation_reports_its_progress(client: Client) -> None:
    name = await client.put(avatar(sources=30, secs=0.1))
    messages = await client.messages("/v1/avatars", {"avatar": name})
    reported = [message for message in messages if isinstance(message, Progress)]
    assert reported
    assert all(message.total == 30 for message in reported)
    assert [message.done for message in reported] == sorted({message.done for message in reported})


async def test_faces_that_differ(client: Client) -> None:
    body = await client.frames_body(0, 3, faces="0" * 64)
    status, document = await client.refusal("/v1/frames", body)
    assert (status, document["code"]) == (409, "MTF-SERVER-FACES")
    start = (await client.messages("/v1/frames", body | {"faces": None}))[0]
    assert isinstance(start, Start)
    again = await client.messages("/v1/frames", body | {"faces": start.faces})
    assert len(frames_of(again)) == 3


UNKNOWN = sha256(b"never sent")


@pytest.mark.parametrize(
    ("members", "status", "code"),
    [
        ({"avatar": UNKNOWN}, 404, "MTF-ASSET-UNKNOWN"),
        ({"audio": UNKNOWN}, 404, "MTF-ASSET-UNKNOWN"),
        ({"avatar": "../etc/passwd"}, 400, "MTF-WIRE"),
        ({"fps": [241, 1]}, 422, "MTF-REQUEST"),
        ({"sources": [[1, 0, 3]]}, 422, "MTF-REQUEST"),
        ({"sources": [[0, 1, 3]]}, 422, "MTF-REQUEST"),
        ({"sources": [[0, 0, 4]]}, 400, "MTF-WIRE"),
        ({"encoding": "webp"}, 400, "MTF-WIRE"),
        ({"stop": -1}, 400, "MTF-WIRE"),
    ],
)
async def test_refused_frames(
    client: Client, members: dict[str, Any], status: int, code: str
) -> None:
    body = await client.frames_body(0, 3) | members
    found, document = await client.refusal("/v1/frames", body)
    assert (found, document["code"]) == (status, code)
    assert set(document) == {"code", "message", "hint"}
    assert document["message"].isprintable()


async def test_source_frames_without_a_face_are_refused(client: Client) -> None:
    picture = avatar(sources=9, faceless=[4])
    good = await client.frames_body(0, 3, avatar=picture, sources=[[1, 1, 3]])
    assert len(frames_of(await client.messages("/v1/frames", good))) == 3
    for run in ([4, 0, 3], [2, 1, 3], [6, -1, 3]):
        status, document = await client.refusal("/v1/frames", good | {"sources": [run]})
        assert (status, document["code"]) == (422, "MTF-NO-FACE")
        assert document["hint"]


@pytest.mark.parametrize("kind", ["NoFaceError", "FaceOptionsError", "ImageSizeError"])
async def test_what_the_engine_refuses(client: Client, kind: str) -> None:
    from musetalk_fast import errors

    name = await client.put(avatar(fail=kind))
    for _ in range(2):
        status, document = await client.refusal("/v1/avatars", {"avatar": name})
        assert status == 422
        assert document["code"] == getattr(errors, kind).token
        assert document["message"] == "as the avatar says"
        assert "/" not in document["message"]


async def test_a_range_of_faces_that_is_not_there(client: Client) -> None:
    name = await client.put(avatar(sources=3))
    for members, words in (
        ({"stop": 4}, "0 to 4 are asked for, there are 3"),
        ({"start": 7}, "7 to the last are asked for, there are 3"),
        ({"start": 7, "stop": 9}, "7 to 9 are asked for, there are 3"),
    ):
        status, document = await client.refusal("/v1/avatars", {"avatar": name} | members)
        assert status == 422
        assert words in document["message"]


WAV = speech(0.1)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"RIFF",
        b"ID3" + WAV[3:],
        WAV[:30],
        WAV[:-2],
        WAV[:40] + b"\xff\xff\xff\xff" + WAV[44:],
        WAV[:16] + b"\xff\xff\xff\x7f" + WAV[20:],
        WAV[:22] + b"\x02\x00" + WAV[24:],
        WAV[:24] + b"\x40\x1f\x00\x00" + WAV[28:],
        WAV[:20] + b"\x03\x00" + WAV[22:],
        WAV[:12] + WAV[36:],
        WAV[:12] + b"junk\x00\x00\x00\x00" * 100 + WAV[12:],
        speech(0.0),
    ],
    ids=[
        *("empty", "head only", "magic", "cut in format", "cut in samples", "data length"),
        *("format length", "stereo", "8 kHz", "float", "no format", "many chunks", "no samples"),
    ],
)
async def test_recordings_that_are_not_what_they_say(client: Client, damaged: bytes) -> None:
    body = await client.frames_body(0, 3, audio=damaged)
    status, document = await client.refusal("/v1/frames", body)
    assert status == 422
    assert document["code"].startswith("MTF-AUDIO")
    assert "16 kHz" in document["hint"]


async def test_a_wav_with_other_chunks_is_read(client: Client) -> None:
    extra = WAV[:12] + b"LIST\x03\x00\x00\x00abc\x00" + WAV[12:] + b"tail"
    body = await client.frames_body(0, 3, audio=extra)
    assert len(frames_of(await client.messages("/v1/frames", body))) == 3


async def test_an_engine_that_breaks_says_so_at_the_end(client: Client) -> None:
    from musetalk_fast.wire.messages import ErrorMessage

    body = await client.frames_body(0, 30, audio=speech(1.0, first=-13))
    last = (await client.messages("/v1/frames", body))[-1]
    assert isinstance(last, ErrorMessage)
    assert (last.code, last.retryable) == ("MTF-ENGINE", True)
    assert "inferred" not in last.message


async def test_only_the_stream_that_breaks_the_engine_fails(client: Client) -> None:
    good = await client.frames_body(0, 60)
    bad = await client.frames_body(0, 60, audio=speech(1.0, first=-13))
    results = await asyncio.gather(
        *(client.messages("/v1/frames", body) for body in (good, bad, good, bad))
    )
    assert [isinstance(messages[-1], End) for messages in results] == [True, False, True, False]


async def test_bodies(client: Client) -> None:
    url = f"{client.base}/v1/frames"
    cases: list[tuple[bytes, str, int]] = [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{}", "text/plain", 415),
        (b" " * ((1 << 20) + 1), "application/json", 413),
    ]
    for data, kind, status in cases:
        async with client.session.post(
            url, data=io.BytesIO(data), headers={"Content-Type": kind}
        ) as response:
            assert response.status == status
            assert set(await response.json()) == {"code", "message", "hint"}


@pytest.mark.parametrize("path", ["/v1/frames", "/infer"])
async def test_a_packed_body(client: Client, path: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with client.session.post(client.base + path, data=b"{}", headers=headers) as response:
        assert response.status == 400
        document = await response.json()
    assert document["code"] == "MTF-REQUEST"
    assert "gzip" in document["message"]


async def test_other_paths_methods_and_wires(client: Client) -> None:
    async with client.session.get(f"{client.base}/nothing") as response:
        assert response.status == 404
        assert (await response.json())["code"] == "MTF-REQUEST-PATH"
    async with client.session.get(f"{client.base}/v1/frames") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "POST"
    body = await client.frames_body(0, 1)
    async with client.post("/v1/frames", body, "text/html") as response:
        assert response.status == 406


async def test_curl_gets_ndjson(client: Client) -> None:
    body = await client.frames_body(0, 1)
    async with client.post("/v1/frames", body, "*/*") as response:
        assert response.content_type == NDJSON.media_type
        first, frame, end = (await response.text()).splitlines()
    assert first.startswith('{"type":"start",')
    assert end.startswith('{"type":"end",')
    data = frame.split('"data":"')[1].split('"')[0]
    assert len(base64.b64decode(data)) == 256 * 256 * 3
