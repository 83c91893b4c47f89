"""docs/protocol.md is enough: who knows only that page reads the vectors and a live server."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import independent_client
import numpy as np
import pytest
from independent_client import crc32c, read_stream

sys.path.insert(0, str(Path(__file__).parent / "server"))

from server_process import Process, avatar, running, sha256, speech

import musetalk_fast
from musetalk_fast import errors
from musetalk_fast.kernels.crc32c import crc32c as fast_crc32c
from musetalk_fast.kernels.paste_rows import window
from musetalk_fast.server import request_body
from musetalk_fast.server.limits import Limits
from musetalk_fast.types import Box, CropEncoding, Face, Rows
from musetalk_fast.wire.face_digest import faces_digest
from musetalk_fast.wire.media_types import STREAM_MEDIA_TYPES, STREAM_WIRES
from musetalk_fast.wire.messages import (
    End,
    ErrorMessage,
    FaceMessage,
    Frame,
    Heartbeat,
    Message,
    Progress,
    Start,
)
from musetalk_fast.wire.requests import MAX_REQUEST_BYTES, MAX_RUNS
from musetalk_fast.wire.stream_encoder import StreamEncoder

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "docs/protocol.md").read_text()
STREAMS = ("faces", "frames", "failed")
BINARY, NDJSON = STREAM_MEDIA_TYPES
WIRES = dict(zip(STREAM_MEDIA_TYPES, STREAM_WIRES, strict=True))


def block(kind: str) -> str:
    """The only block of that kind."""
    (text,) = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


def vector(media_type: str, name: str) -> list[bytes]:
    """The messages of a stream of the page."""
    if media_type == NDJSON:
        return [line.encode() for line in block(f"ndjson {name}").splitlines(keepends=True)]
    return [bytes.fromhex(text) for text in block(f"hex {name}").split("\n\n")]


@pytest.fixture(params=[BINARY, NDJSON], ids=["binary", "ndjson"])
def media_type(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    with running() as process:
        yield process


def test_the_independent_client_is_one() -> None:
    assert "musetalk_fast" not in Path(independent_client.__file__).read_text()


def test_the_checksum_of_the_page() -> None:
    assert f"{crc32c(b'123456789'):08x}" == "e3069283"
    assert "e3069283" in PAGE


MASK = np.array([[0, 85, 170, 255], [255, 170, 85, 0], [1, 2, 3, 4]], np.uint8)
FACE = Face(0, Box(-5, 6, 70, 80), Box(0, 20, 4, 3), MASK)
FACES = faces_digest([FACE, None])
WHO = {"engine": "musetalk", "model": "1.5", "faces": FACES}
DETAILS = {"faces": FACES, "source_frames": 2, "width": 640, "height": 480}
PIXELS = np.full((1, 256, 3), (200, 120, 110), np.uint8)


def sent(name: str, media_type: str) -> list[Message]:
    """What the page says the vectors are, in our words, without the unknown message."""
    read = read_stream(media_type, b"".join(vector(media_type, name)))
    digest = read[-1].get("digest", "")
    if name == "faces":
        place = {"box": FACE.box, "mask_box": FACE.mask_box, "mask": MASK}
        return [
            Progress(stage="prepare", done=1, total=2),
            Start(start=0, stop=2, **WHO),  # type: ignore[arg-type]
            FaceMessage(source=0, **place),  # type: ignore[arg-type]
            FaceMessage(source=1),
            End(count=2, digest=digest, details=DETAILS),
        ]
    if name == "failed":
        return [
            ErrorMessage(
                code="MTF-ENGINE",
                message="the server failed",
                hint="look at the server's log",
                retryable=True,
            )
        ]
    png = CropEncoding.PNG
    data = read[2]["data"]
    return [
        Start(start=75, stop=76, encoding=png, **WHO),  # type: ignore[arg-type]
        Heartbeat(),
        Frame(index=75, source=0, encoding=png, data=data, rows=Rows(128, 1)),
        End(count=1, digest=digest),
    ]


@pytest.mark.parametrize("name", STREAMS)
def test_vectors_are_what_the_encoder_makes(name: str, media_type: str) -> None:
    vectors = vector(media_type, name)
    encode = WIRES[media_type].codec().encode
    made = [encode(message) for message in sent(name, media_type)]
    known = [text for text in vectors if b"skip me" not in text]
    assert len(made) == len(known)
    for ours, written in zip(made, known, strict=True):
        # The PNG of a mask is the compressor's business: its bytes may differ, not its pixels.
        if b"mask_box" not in ours or b"null" in ours:
            assert ours == written


@pytest.mark.parametrize("name", STREAMS)
def test_vectors_are_what_the_decoder_reads(name: str, media_type: str) -> None:
    decoder = WIRES[media_type].codec().Decoder()
    found = decoder.feed(b"".join(vector(media_type, name)))
    decoder.close()
    if name == "faces":
        face, end = found[2], found[-1]
        assert isinstance(face, FaceMessage)
        assert face.mask is not None
        assert (face.box, face.mask_box) == (FACE.box, FACE.mask_box)
        assert (face.mask == MASK).all()
        assert isinstance(end, End)
        assert end.details == DETAILS
    elif name == "frames":
        frame = found[2]
        assert isinstance(frame, Frame)
        assert (frame.index, frame.rows) == (75, Rows(128, 1))
        from server_process import pixels

        assert (pixels(frame) == PIXELS).all()
    names = [StreamEncoder(WIRES[NDJSON]).encode(message).split(b'"')[3] for message in found]
    read = read_stream(media_type, b"".join(vector(media_type, name)))
    assert names == [message["type"].encode() for message in read]


@pytest.mark.parametrize("name", STREAMS)
def test_both_wires_say_the_same(name: str) -> None:
    lines, headers = (read_stream(wire, b"".join(vector(wire, name))) for wire in (NDJSON, BINARY))
    for message in (lines[-1], headers[-1]):
        message.pop("digest", None)
    assert lines == headers


def test_the_binary_vectors_show_the_fields() -> None:
    for name in STREAMS:
        for message in block(f"hex {name}").split("\n\n"):
            header, *_ = message.splitlines()
            sizes = [len(field) // 2 for field in header.split()]
            assert sizes == [4, 1, 1, 1, 1, 4, 4, 2, 2, 2, 2, 4, 4]
    rows = re.findall(r"^\| (\d+) \| (\d) \|", PAGE, re.MULTILINE)
    assert [int(size) for _, size in rows] == sizes
    assert [int(place) for place, _ in rows] == [sum(sizes[:n]) for n in range(len(sizes))]


def test_the_window_of_the_page_is_the_codes() -> None:
    place: dict[str, Any] = {}
    exec(block("python window"), place)
    chance = random.Random(1)
    for _ in range(1000):
        box = Box(0, chance.randrange(-300, 300), 10, chance.choice((1, 7, 256, 430, 2048)))
        top = chance.randrange(box.height)
        inner = Box(0, box.y + top, 10, chance.randint(1, box.height - top))
        face = Face(0, box, inner, np.full((inner.height, 10), 255, np.uint8))
        found = place["window"](box.y, box.height, inner.y, inner.height)
        assert Rows(*found) == window(face)


LONGEST = 16_777_216


@pytest.mark.parametrize("more", [0, 1])
def test_what_the_limits_count(more: int) -> None:
    assert f"| {LONGEST:,} bytes | a line, with" in PAGE
    payload = bytes(LONGEST + more)
    head = struct.pack("<4sBBBBIIHHHHI", b"MTF1", 99, 1, 0, 0, 0, 0, 0, 0, 0, 0, len(payload))
    _is_taken(BINARY, head + struct.pack("<I", fast_crc32c(head + payload)) + payload, not more)

    start = b'{"type":"x","optional":true,"data":"'
    text = b"A" * (LONGEST - len(start) - len(b'","crc32c":"00000000"}\n') + more)
    _is_taken(NDJSON, _line(start + text + b'"'), not more)

    assert "| 65,535 bytes | a line up to" in PAGE
    for data in (b"", b',"data":"AAAA"'):
        start = b'{"type":"heartbeat","x":"'
        body = start + b"a" * (65_535 - len(start) - 1 + more) + b'"'
        # Data begins within the first 2,048 bytes: with more before it, the JSON is too long.
        _is_taken(NDJSON, _line(body + data), not more and not data)


def _line(body: bytes) -> bytes:
    return body + b',"crc32c":"%08x"}\n' % fast_crc32c(body)


def _is_taken(media_type: str, message: bytes, taken: bool) -> None:
    decoder = WIRES[media_type].codec().Decoder()
    if taken:
        decoder.feed(message)
        return
    with pytest.raises(errors.MessageSizeError):
        decoder.feed(message)


def request(
    server: Process, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, bytes]:
    host = server.address.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def upload(server: Process, data: bytes) -> str:
    status, _ = request(server, "PUT", f"/v1/assets/{sha256(data)}", data)
    assert status == 201
    return sha256(data)


def stream(server: Process, path: str, media_type: str, **body: Any) -> list[dict[str, Any]]:
    status, data = request(
        server,
        "POST",
        path,
        json.dumps(body).encode(),
        Accept=media_type,
        Content_Type="application/json",
    )
    assert status == 200, data
    return read_stream(media_type, data)


def mask_bytes(png: bytes) -> bytes:
    """Pixels of a mask, by a reader of PNG that is not ours."""
    import io

    from PIL import Image

    with Image.open(io.BytesIO(png)) as picture:
        assert picture.mode == "L"
        return picture.tobytes()


def test_an_independent_client_reads_a_live_server(server: Process, media_type: str) -> None:
    picture = upload(server, avatar(sources=3, faceless=[1], tag=media_type))
    sound = upload(server, speech(1.0, first=1 + (media_type == NDJSON)))
    start, *faces, end = stream(server, "/v1/avatars", media_type, avatar=picture)
    assert (start["type"], start["start"], start["stop"]) == ("start", 0, 3)
    assert [face["source"] for face in faces] == [0, 1, 2]
    hashed = b""
    for face in faces:
        if face["box"] is None:
            hashed += b"\0"
        else:
            hashed += b"\1" + struct.pack("<8i", *face["box"], *face["mask_box"])
            hashed += mask_bytes(face["data"])
    digest = hashlib.sha256(hashed).hexdigest()
    assert digest == start["faces"] == end["faces"]
    assert (end["count"], end["source_frames"], end["width"], end["height"]) == (3, 3, 640, 480)

    names = {"avatar": picture, "audio": sound, "faces": digest}
    start, *frames, end = stream(
        server,
        "/v1/frames",
        media_type,
        **names,
        fps=[30000, 1001],
        start=7,
        stop=10,
        sources=[[2, 0, 2], [0, 0, 1]],
        window=True,
    )
    assert (start["encoding"], end["count"]) == ("raw", 3)
    frames = [frame for frame in frames if frame["type"] == "frame"]
    assert [(frame["index"], frame["source"]) for frame in frames] == [(7, 2), (8, 2), (9, 0)]
    for frame in frames:
        first, count = frame["rows"]
        assert 0 < first < first + count <= 256
        # What the pattern engine paints: red is the index, blue the source frame.
        assert frame["data"] == bytes([frame["index"], 0, frame["source"]]) * (256 * count)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, NDJSON),
        ("*/*", NDJSON),
        ("application/*;q=0.5", NDJSON),
        (f"text/html, {NDJSON}", NDJSON),
        (f"{NDJSON}, {BINARY};q=0.1", BINARY),
        ("application/json", None),
    ],
)
def test_accept_chooses_the_wire(server: Process, accept: str | None, kind: str | None) -> None:
    name = sha256(avatar())
    request(server, "PUT", f"/v1/assets/{name}", avatar())
    headers = {"Content_Type": "application/json"} | ({"Accept": accept} if accept else {})
    body = json.dumps({"avatar": name}).encode()
    status, data = request(server, "POST", "/v1/avatars", body, **headers)
    assert status == (200 if kind else 406)
    if kind:
        assert read_stream(kind, data)[-1]["count"] == 1


STILL, SOUND = avatar(sources=3, faceless=[1], tag="refusals"), speech(0.2)
ASKED: dict[str, dict[str, Any]] = {
    "/v1/avatars": {"avatar": sha256(STILL)},
    "/v1/frames": {
        "avatar": sha256(STILL),
        "audio": sha256(SOUND),
        "fps": [25, 1],
        "start": 0,
        "stop": 2,
        "sources": [[0, 0, 2]],
    },
}
REFUSED: list[tuple[str, dict[str, Any] | bytes, int, str]] = [
    # 400 can be seen in the request alone ...
    ("/v1/frames", b"{", 400, "MTF-REQUEST"),
    ("/v1/frames", b"[]", 400, "MTF-WIRE"),
    ("/v1/frames", {"avatar": "x"}, 400, "MTF-WIRE"),
    ("/v1/frames", {"fps": [25.0, 1]}, 400, "MTF-WIRE"),
    ("/v1/frames", {"fps": [1 << 31, 1]}, 400, "MTF-WIRE"),
    ("/v1/frames", {"start": 3}, 400, "MTF-WIRE"),
    ("/v1/frames", {"sources": [[0, 0, 1]]}, 400, "MTF-WIRE"),
    ("/v1/frames", {"encoding": "webp"}, 400, "MTF-WIRE"),
    ("/v1/avatars", {"start": 2, "stop": 1}, 400, "MTF-WIRE"),
    ("/v1/avatars", {"options": {"bbox_shift": 1001}}, 400, "MTF-WIRE"),
    ("/v1/frames", b"[" * 50_001, 413, "MTF-REQUEST-SIZE"),
    ("/infer", {"image": "?", "audio": ""}, 400, "MTF-WIRE"),
    ("/infer", b"{", 400, "MTF-WIRE"),
    ("/infer", {"image": "", "audio": "", "fps": 241}, 400, "MTF-WIRE"),
    # ... 422 only by this server.
    ("/v1/frames", {"fps": [241, 1]}, 422, "MTF-REQUEST"),
    ("/v1/frames", {"sources": [[2, 1, 2]]}, 422, "MTF-REQUEST"),
    ("/v1/frames", {"sources": [[0, 1, 2]]}, 422, "MTF-NO-FACE"),
    ("/v1/avatars", {"stop": 4}, 422, "MTF-REQUEST"),
    ("/v1/frames", {"audio": sha256(STILL)}, 422, "MTF-AUDIO-FORMAT"),
    ("/v1/frames", {"avatar": "0" * 64}, 404, "MTF-ASSET-UNKNOWN"),
    ("/v1/frames", {"faces": "0" * 64}, 409, "MTF-SERVER-FACES"),
]


def test_which_refusal_when(server: Process) -> None:
    for data in (STILL, SOUND):
        request(server, "PUT", f"/v1/assets/{sha256(data)}", data)
    for path, change, status, code in REFUSED:
        body = change
        if isinstance(change, dict):
            body = json.dumps(ASKED.get(path, {}) | change).encode()
        assert isinstance(body, bytes)
        got, answer = request(server, "POST", path, body, Content_Type="application/json;x=y")
        assert (got, json.loads(answer)["code"]) == (status, code), (path, change)
        assert re.search(rf"^\| {status} \|.*`{code.removesuffix('FORMAT')}", PAGE, re.MULTILINE)


def test_how_uploads_are_framed(server: Process) -> None:
    data = b"an asset" * 9999
    path = f"/v1/assets/{sha256(data)}"
    host = server.address.removeprefix("http://")
    status, _ = request(server, "PUT", path, data, Content_Encoding="gzip")
    assert status == 400
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.request("PUT", path, iter([data[:100], data[100:]]), encode_chunked=True)
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["bytes"]) == (201, len(data))
    connection.close()
    other = data + b"!"
    head = f"PUT /v1/assets/{sha256(other)} HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\n"
    name, port = host.split(":")
    with socket.create_connection((name, int(port)), 30) as raw, raw.makefile("rb") as lines:
        raw.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(other))
        assert lines.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert lines.readline() == b"\r\n"
        raw.sendall(other)
        assert lines.readline() == b"HTTP/1.1 201 Created\r\n"


def test_streams_are_called_what_they_are(server: Process, media_type: str) -> None:
    request(server, "PUT", f"/v1/assets/{sha256(STILL)}", STILL)
    connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=30)
    headers = {"Accept": media_type, "Content-Type": "application/json"}
    body = json.dumps(ASKED["/v1/avatars"])
    connection.request("POST", "/v1/avatars", body, headers | {"Accept-Encoding": "gzip, br"})
    response = connection.getresponse()
    assert response.headers["Content-Type"] == media_type
    assert response.headers["Content-Encoding"] is None
    assert read_stream(media_type, response.read())[-1]["type"] == "end"
    connection.close()


def test_a_cut_stream_goes_on_from_the_last_good_index(server: Process, media_type: str) -> None:
    picture, sound = avatar(sources=9, tag=f"cut {media_type}"), speech(0.3)
    names = {"avatar": upload(server, picture), "audio": sha256(sound), "fps": [25, 1]}
    request(server, "PUT", f"/v1/assets/{sha256(sound)}", sound)
    full = stream(server, "/v1/frames", media_type, **names, start=0, stop=9, sources=[[0, 1, 9]])
    good = [message for message in full if message["type"] == "frame"][:4]
    remaining = stream(
        server, "/v1/frames", media_type, **names, start=4, stop=9, sources=[[4, 1, 5]]
    )
    frames = good + [message for message in remaining if message["type"] == "frame"]
    assert frames == [message for message in full if message["type"] == "frame"]


def test_the_curl_session(server: Process, tmp_path: Path) -> None:
    missing = [name for name in ("bash", "curl", "sha256sum") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not on this machine: {', '.join(missing)}")
    shutil.copy(REPOSITORY / "examples/portrait.png", tmp_path)
    shutil.copy(REPOSITORY / "tests/data/short.wav", tmp_path / "speech.wav")
    session = block("sh curl")
    assert session.startswith("SERVER=http://127.0.0.1:8000\n")
    done = subprocess.run(
        [
            "bash",
            "-euo",
            "pipefail",
            "-c",
            session.replace("http://127.0.0.1:8000", server.address),
        ],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "no_proxy": "*"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert '"status":"healthy"' in done.stdout
    faces = read_stream(NDJSON, (tmp_path / "faces.ndjson").read_bytes())
    assert [message["type"] for message in faces] == ["start", "face", "end"]
    frames = read_stream(NDJSON, (tmp_path / "frames.ndjson").read_bytes())
    assert [message["type"] for message in frames] == ["start", "frame", "frame", "frame", "end"]
    assert [message["index"] for message in frames[1:4]] == [0, 1, 2]
    assert frames[1]["data"].startswith(b"\x89PNG")


def test_the_limits_of_the_page_are_those_of_the_code() -> None:
    limits = Limits()
    for row in (
        f"| streams and preparations at a time | {limits.max_streams} (",
        f"| longest asset | {limits.max_asset_bytes >> 30} GiB (",
        f"| frames a second | {limits.max_fps:g} |",
        f"| longest side of an avatar | {limits.max_size} pixels |",
        f"| source frames of an avatar | {limits.max_source_frames:,};",
        (
            "| source frames of the avatars that are kept prepared | "
            f"{limits.prepared_frames:,} together, in {limits.avatars} avatars |"
        ),
        f"| all assets together | {limits.store_bytes >> 30} GiB (",
        f"| body of `/v1/avatars` and `/v1/frames` | {MAX_REQUEST_BYTES >> 20} MiB |",
        f"| runs of `sources` | {MAX_RUNS:,} |",
        f"| body of `/infer` | {limits.max_infer_bytes >> 20} MiB |",
        (
            "| values of the body of `/v1/avatars` and `/v1/frames` | "
            f"{request_body._MAX_VALUES:,} ("
        ),
        (
            f"| JSON bodies held at a time | {limits.max_body_bytes >> 20} MiB together, "
            f"{limits.short_body_bytes >> 20} MiB of them for bodies of at most "
            f"{MAX_REQUEST_BYTES >> 20} MiB |"
        ),
        (
            f"| a body | at least {limits.body_rate >> 10} KiB a second over "
            f"{limits.body_rate_secs:g} s, and {limits.body_secs / 3600:g} hours in all"
        ),
        f"| the head of a request | {limits.head_secs:g} s |",
        f"| a kept connection | is closed after {limits.idle_secs:g} s without a request |",
        f"| recording of `/infer` | {limits.max_infer_secs / 3600:g} hour |",
        (
            "| a client that takes no byte of a response | is disconnected after "
            f"{limits.stalled_secs:g} s"
        ),
        f"| streams after SIGTERM | may go on for {limits.drain_secs:g} s |",
    ):
        assert row in PAGE
    assert limits.heartbeat_secs < 5


def test_every_code_of_the_server_stands_in_the_page() -> None:
    sources = (Path(musetalk_fast.__file__).parent / "server").rglob("*.py")
    codes = {code for path in sources for code in re.findall(r'"(MTF-[A-Z-]+)"', path.read_text())}
    codes |= {"MTF-LOADING", "MTF-DRAINING"}  # put together from the status
    codes |= {errors.ProtocolError.token, errors.FacesDifferError.token, errors.UsageError.token}
    assert len(codes) > 12
    assert [code for code in sorted(codes) if f"`{code}`" not in PAGE] == []
    groups = tuple(re.findall(r"`(MTF-[A-Z]+-)\.\.\.`", PAGE))
    of_assets = re.compile("MTF-(IMAGE|VIDEO|AUDIO|FACE|NO-FACE)")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    tokens = {kind.token for kind in kinds if issubclass(kind, errors.MuseTalkError)}
    for token in filter(of_assets.match, tokens):
        assert f"`{token}`" in PAGE or token.startswith(groups)
