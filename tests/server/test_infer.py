"""`POST /infer`, as other servers have it: one document, full frames, sent as it is made."""

from __future__ import annotations

import base64
import io
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from server_process import Client, client_of, running

from musetalk_fast.kernels.png import decode_png, encode_png
from musetalk_fast.server.full_frame_paster import FullFramePaster
from musetalk_fast.types import Box, Face

SIZE = (320, 240)


def _picture() -> bytes:
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    return encode_png(np.stack([x % 251, y, x // 2 + y // 2], axis=2).astype(np.uint8))


def _recording(secs: float, rate: int = 44_100) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(2)
        wav.setsampwidth(2)
        wav.setframerate(rate)
        wav.writeframes(bytes(int(secs * rate) * 4))
    return file.getvalue()


def _body(secs: float = 0.5, **members: object) -> dict[str, Any]:
    files = {"image": _picture(), "audio": _recording(secs)}
    return {name: base64.b64encode(data).decode() for name, data in files.items()} | members


async def test_full_frames(client: Client) -> None:
    async with client.post("/infer", _body(fps=10), "*/*") as response:
        assert response.status == 200
        assert response.content_type == "application/json"
        document = await response.json()
    assert document["status"] == "success"
    assert (document["total_frames"], document["fps"]) == (5, 10)
    assert document["processing_time_secs"] > 0
    assert [frame["index"] for frame in document["frames"]] == [0, 1, 2, 3, 4]
    picture = decode_png(_picture(), 1 << 20)
    for frame in document["frames"]:
        rgb = decode_png(base64.b64decode(frame["data"]), 1 << 20)
        assert rgb.shape == (240, 320, 3)
        changed = np.zeros((240, 320), bool)
        changed[120:180, 80:240] = True  # the engine's mask
        assert (rgb[~changed] == picture[~changed]).all()
        assert (rgb[130:180, 90:230, 0] == frame["index"]).all()


async def test_25_frames_a_second_by_default(client: Client) -> None:
    async with client.post("/infer", _body(0.2)) as response:
        document = await response.json()
    assert (document["total_frames"], document["fps"]) == (5, 25)


async def test_it_comes_as_it_is_made(tmp_path: Path) -> None:
    """Its first frames are there long before the last: nothing is held until the end."""
    with running(engine={"crop_secs": 0.05}) as process:
        async with (
            client_of(process.address) as client,
            client.post("/infer", _body(4.0)) as response,
        ):
            first = await response.content.readuntil(b'"index":1,')
            assert b'"index":0' in first
            assert b'"index":50' not in first
            document = json.loads(first + await response.content.read())
    assert len(document["frames"]) == 100


@pytest.mark.parametrize(
    ("members", "status"),
    [
        ({"image": "####"}, 400),
        ({"image": None}, 400),
        ({"audio": 5}, 400),
        ({"fps": 0}, 400),
        ({"fps": 1000}, 400),
        ({"bbox_shift": "up"}, 400),
        ({"image": base64.b64encode(b"no picture").decode()}, 422),
        ({"audio": base64.b64encode(b"no sound").decode()}, 422),
    ],
)
async def test_refusals(client: Client, members: dict[str, object], status: int) -> None:
    async with client.post("/infer", _body() | members) as response:
        assert response.status == status
        document = await response.json()
    assert set(document) == {"code", "message", "hint"}
    assert "/" not in document["message"]


async def test_a_full_store_gives_way_to_the_recording_not_to_the_picture() -> None:
    budget = 120 * 1024
    picture = _picture()
    with running(limits={"store_bytes": budget, "max_asset_bytes": budget}) as process:
        async with client_of(process.address) as client:
            await client.put(picture)  # the oldest: the first to go
            await client.put(bytes(budget - len(picture)))
            async with client.post("/infer", _body()) as response:
                assert response.status == 200, await response.text()
                assert (await response.json())["status"] == "success"


async def test_a_recording_that_is_too_long_once_it_is_unpacked() -> None:
    with running(limits={"max_infer_secs": 0.7}) as process:
        async with client_of(process.address) as client:
            status, document = await client.refusal("/infer", _body(4.0))
    assert (status, document["code"]) == (413, "MTF-REQUEST-SIZE")
    assert "0.7 s" in document["message"]


async def test_too_long() -> None:
    with running(limits={"max_infer_bytes": 10_000}) as process:
        async with client_of(process.address) as client:
            status, document = await client.refusal("/infer", _body())
    assert (status, document["code"]) == (413, "MTF-REQUEST-SIZE")


def test_pasting_an_own_picture_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (300, 300, 3), np.uint8)
    box = Box(20, 30, 256, 256)
    face = Face(0, box, box, np.full((256, 256), 255, np.uint8))
    crop = np.ascontiguousarray(picture[30:286, 20:276])
    assert (FullFramePaster(picture, face).frame(crop) == picture).all()


@pytest.mark.parametrize("box", [Box(-40, 100, 200, 180), Box(10, 20, 90, 400), Box(5, 5, 16, 17)])
def test_pasting_is_opencvs_bilinear(box: Box) -> None:
    import cv2

    rng = np.random.default_rng(2)
    picture, crop = (
        rng.integers(0, 256, (height, width, 3), np.uint8)
        for height, width in ((300, 200), (256, 256))
    )
    place = Box(max(box.x, 0), max(box.y, 0), 0, 0)
    place = place._replace(
        width=min(box.x + box.width, 200) - place.x, height=min(box.y + box.height, 300) - place.y
    )
    mask = rng.integers(0, 256, (place.height, place.width), np.uint8)
    found = FullFramePaster(picture, Face(0, box, place, mask)).frame(crop)
    # In floating point: OpenCV's own rounding of bytes adds up to a level.
    exact = crop.astype(np.float32)
    scaled = cv2.resize(exact, (box.width, box.height), interpolation=cv2.INTER_LINEAR)
    rows = slice(place.y - box.y, place.y - box.y + place.height)
    columns = slice(place.x - box.x, place.x - box.x + place.width)
    wanted = picture.astype(np.float64)
    target = wanted[place.y : place.y + place.height, place.x : place.x + place.width]
    target += (scaled[rows, columns] - target) * (mask[:, :, None] / 255)
    assert np.abs(found - wanted).max() < 0.51
