"""From the engine's box and mask to a decoded video, against MuseTalk's blending in float64.

The server makes boxes, masks and crops; the client composes and encodes without loss. At 60 frames
a second, of a sound of 60 ms: where MuseTalk's own scripts stop with an error.
"""

from __future__ import annotations

import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import musetalk_blending as musetalk
import numpy as np
import pytest
from PIL import Image
from test_musetalk_server import engine, server_with
from tiny_models import write_models, write_parser

from musetalk_fast import AvatarSettings, OutputSettings, ServerSettings, Settings, render_async
from musetalk_fast.engines.base import CropRequest, Engine
from musetalk_fast.engines.musetalk.face_parser import FaceParser
from musetalk_fast.media.face import FaceFinder, find_face
from musetalk_fast.media.face.parsing_square import mesh_labels
from musetalk_fast.types import AvatarOptions

FPS, SAMPLES = 60, 960
MARGIN = 14
OPTIONS = {"left_cheek_width": 60, "right_cheek_width": 110, "mask_blur": 0.1}


class Watched:
    """An engine whose crops are kept by frame."""

    def __init__(self, engine: Engine, crops: dict[int, np.ndarray]) -> None:
        self._engine = engine
        self._crops = crops

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def infer(self, batch: Sequence[CropRequest]) -> np.ndarray:
        made = self._engine.infer(batch)
        self._crops.update({each.frame: crop for each, crop in zip(batch, made, strict=True)})
        return made


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_models(tmp_path_factory.mktemp("labelled"))
    write_parser(folder)
    return folder


@pytest.fixture
def blip(tmp_path: Path) -> Path:
    path = tmp_path / "blip.wav"
    noise = np.random.default_rng(5).normal(size=SAMPLES) * 5000
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(noise.astype("<i2").tobytes())
    return path


def planes_of(path: Path) -> list[list[np.ndarray]]:
    with av.open(path) as container:
        return [
            [
                np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, : plane.width]
                for plane in frame.planes
            ]
            for frame in container.decode(video=0)
        ]


@pytest.mark.parametrize("masks_of", ["mesh", "parser"])
@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p"])
async def test_what_comes_out_is_musetalks_blend(
    masks_of, pix_fmt, labelled, portrait, blip, tmp_path, monkeypatch
) -> None:
    body = np.asarray(Image.open(portrait).convert("RGB"))
    found = find_face(body, AvatarOptions(extra_margin=MARGIN), FaceFinder())
    points = found.landmarks.points
    box = (found.box.x, found.box.y, found.box.x + found.box.width, found.box.y + found.box.height)
    seen: list[np.ndarray] = []
    ragged = musetalk.ragged_labels()

    def labels(_own: FaceParser, pictures: np.ndarray) -> np.ndarray:
        seen.extend(pictures)
        return np.stack([ragged] * len(pictures))

    monkeypatch.setattr(FaceParser, "labels", labels)
    crops: dict[int, np.ndarray] = {}
    make = engine(labelled, tmp_path, mask=masks_of, **OPTIONS)
    output = tmp_path / "out.mkv"
    async with server_with(lambda: Watched(make(), crops), tmp_path) as address:
        settings = Settings(
            server=ServerSettings(url=(address,)),
            output=OutputSettings(codec="ffv1", pix_fmt=pix_fmt, fps=FPS),
            avatar=AvatarSettings(extra_margin=MARGIN),
        )
        done = await render_async(portrait, blip, output, settings)
    shown = planes_of(output)
    assert done.frames == len(shown) == len(crops) == 4
    if masks_of == "parser":
        assert np.array_equal(seen[0], musetalk.seen_by_the_parser(body, box))
    else:
        assert not seen
        ragged = mesh_labels(points[:, :2].astype(np.float64), found.box)
    mask = musetalk.mask_of(musetalk.region_of(ragged, "jaw", 60, 110), box, 0.5, 0.1)
    for number, planes in enumerate(shown):
        wanted = musetalk.bt709(musetalk.blended(body, crops[number], box, mask))
        compare(planes, wanted, box, is_coarse=pix_fmt == "yuv420p")


def compare(
    planes: list[np.ndarray], wanted: list[np.ndarray], box: tuple[int, ...], *, is_coarse: bool
) -> None:
    """In the box; 4:2:0 chroma is the mean of four."""
    left, top, right, bottom = (each // 2 * 2 for each in box)
    part = slice(top, bottom), slice(left, right)
    for number, (plane, exact) in enumerate(zip(planes, wanted, strict=True)):
        if number and is_coarse:
            height, width = plane.shape
            means = exact.reshape(height, 2, width, 2).mean(axis=(1, 3))
            assert np.abs(plane - means)[tuple(_half(each) for each in part)].mean() <= 0.5
            continue
        error = np.abs(plane - exact)[part]
        assert error.mean() <= 0.5
        assert error.max() <= 3


def _half(part: slice) -> slice:
    return slice(part.start // 2, part.stop // 2)
