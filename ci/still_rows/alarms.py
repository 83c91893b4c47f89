"""How often the proof of a composed picture fails, over varied frames, and whether it had to.

Encodes segments of 10 s of the sample portraits in random framings, with speech of random tempo,
level and noise, half of them with a mouth that flickers, and counts the pictures that are not
proven. Each such segment is decoded: its band has to be that of the band alone even so. A seed
gives the same segments again. Fails if a pixel differs.

    python ci/still_rows/alarms.py [--minutes N] [--size WxH] [--preset P] [--seed N]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
from encoding import BASE, NO_B, settings
from numpy.typing import NDArray
from PIL import Image
from scenes import FPS, PORTRAITS, ROOT, SPEECH, Framing, framed

from musetalk_fast.engines.base import CropRequest, never_cancelled
from musetalk_fast.engines.preview.engine import PreviewEngine
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.media.image import Still
from musetalk_fast.media.speech import load_speech
from musetalk_fast.media.still_source import StillSource
from musetalk_fast.media.wav import open_speech
from musetalk_fast.types import BT709, AvatarOptions, Crop, CropEncoding, Face, Rows, SourceRun
from musetalk_fast.video.band import band_of
from musetalk_fast.video.band_encoder import (
    BandEncoder,
    ComposedPacket,
    StillRows,
    encode_still_rows,
)
from musetalk_fast.video.band_segment import BandCompositor
from musetalk_fast.video.compositor import planes_of
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.wire.messages import Frame

sys.path.insert(0, str(ROOT / "tests/video"))

from band_streams import Segment, compare, decode

SEGMENT = 250
"""Frames: 10 s."""
SEGMENTS_A_TRACK = 3
"""Each is encoded twice: with the engine's mouth, and with one that flickers."""
RATE = 16000


@dataclass
class Count:
    segments: int = 0
    pictures: int = 0
    without_band: int = 0
    unproven_segments: int = 0
    unproven_pictures: int = 0
    wrong_pictures: int = 0
    encoding_secs: float = 0.0
    by_variant: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Shown:
    """A portrait in its framing, and what the engine makes of it."""

    name: str
    planes: Planes
    face: Face
    crops: tuple[Crop, ...]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="of video")
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--preset", default="veryfast")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    width, height = map(int, asked.size.split("x"))
    count, wanted = Count(), asked.minutes * 60 * FPS
    for shown in _shown(random.Random(asked.seed), width, height):
        _portrait(shown, asked.preset, count)
        print(json.dumps(vars(count)), flush=True)
        if count.pictures >= wanted:
            break
    return 1 if count.wrong_pictures else 0


def _shown(rng: random.Random, width: int, height: int) -> Iterator[Shown]:
    engine, voices = PreviewEngine(), _voices()
    while True:
        portrait = rng.choice(list(PORTRAITS))
        framing = Framing(width, height, rng.uniform(0.45, 1.3))
        pixels = framed(PORTRAITS[portrait], framing)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "picture.png"
            Image.fromarray(pixels).save(path)
            avatar = engine.prepare_avatar(path, AvatarOptions(), lambda *_: None, never_cancelled)
        source = StillSource(Still(path, pixels, "", ()))
        planes = next(source.planes(SourceRun(0, 0, 1), LAYOUTS["yuv420p"]))
        frames = SEGMENT * SEGMENTS_A_TRACK
        track = engine.prepare_audio(_speech(rng, voices, frames), never_cancelled)
        rate = (FPS.numerator, FPS.denominator)
        requests = [CropRequest(avatar, 0, track, index, rate) for index in range(frames)]
        crops = tuple(crop for request in requests for crop in engine.infer([request]))
        yield Shown(f"{portrait} {framing.name}", planes, avatar.faces[0], crops)


def _voices() -> list[NDArray[np.int16]]:
    with tempfile.TemporaryDirectory() as folder:
        files = (SPEECH, ROOT / "tests/data/short.wav")
        return [
            np.array(open_speech(load_speech(file, Path(folder), lambda _secs: None).wav))
            for file in files
        ]


def _speech(rng: random.Random, voices: list[NDArray[np.int16]], frames: int) -> NDArray[np.int16]:
    """Both recordings in turn, each time of another beginning, tempo, level and noise."""
    made, size = [], frames * RATE // 25
    while sum(map(len, made)) < size:
        voice = rng.choice(voices)
        start, tempo, level = rng.randrange(len(voice) // 2), rng.uniform(0.6, 1.7), rng.random()
        places = np.arange(start, len(voice) - 1, tempo)
        grain = np.random.default_rng(rng.getrandbits(32)).normal(0, 200, len(places))
        samples = np.interp(places, np.arange(len(voice)), voice) * (0.2 + 1.2 * level)
        made.append(np.clip(samples + grain * rng.random(), -32768, 32767).astype(np.int16))
    return np.concatenate(made)[:size]


def _portrait(shown: Shown, preset: str, count: Count) -> None:
    layout = band_of(shown.face, shown.planes.width, shown.planes.height)
    if layout is None:
        count.without_band += 1
        return
    for number, flickers in product(range(SEGMENTS_A_TRACK), (False, True)):
        variant = ("B3", "B0")[(number + flickers) % 2]
        encoder = settings(preset, 21.5, f"{BASE}:ipratio=1.5{NO_B if variant == 'B0' else ''}")
        crops = shown.crops[number * SEGMENT : (number + 1) * SEGMENT]
        if flickers:
            crops = tuple(_flickering(crops, np.random.default_rng(count.segments)))
        began = time.process_time()
        still = encode_still_rows(encoder, shown.planes, layout, FPS, BT709)
        segment = _encode(shown, encoder, still, crops)
        count.encoding_secs += time.process_time() - began
        unproven = segment.unproven
        count.segments += 1
        count.pictures += len(segment.packets)
        tally = count.by_variant.setdefault(variant, [0, 0])
        tally[0] += len(segment.packets)
        tally[1] += len(unproven)
        if unproven:
            count.unproven_segments += 1
            count.unproven_pictures += len(unproven)
            found = compare(decode(still.headers + segment.data), [segment], layout)
            count.wrong_pictures += len({*found.band, *found.still})
            print(f"{shown.name}, {variant}, segment {number}: {unproven} not proven; {found}")


def _flickering(crops: tuple[Crop, ...], rng: np.random.Generator) -> Iterator[Crop]:
    """Crops that shift by parts of a pixel, brighten and carry noise of their own."""
    grains = [np.rint(rng.normal(0, 1.3, (256, 256, 1))).astype(np.int16) for _ in range(8)]
    shift, gain = 0.0, 0.0
    for crop in crops:
        shift = float(np.clip(0.8 * shift + rng.normal(0, 0.3), -1, 1))
        gain = 0.8 * gain + rng.normal() * 0.6
        whole = crop.astype(np.int16)
        beside = np.roll(whole, 1 if shift > 0 else -1, axis=int(rng.integers(2)))
        grain = np.roll(grains[rng.integers(8)], rng.integers(256, size=2), (0, 1))
        made = whole + (((beside - whole) * round(abs(shift) * 64)) >> 6) + grain + round(gain)
        yield np.clip(made, 0, 255).astype(np.uint8)


def _encode(
    shown: Shown, encoder: EncoderSettings, still: StillRows, crops: tuple[Crop, ...]
) -> Segment:
    compositor = BandCompositor(shown.planes, shown.face, still.layout, FPS, BT709)
    made = BandEncoder(encoder, still, FPS, BT709)
    packets: list[ComposedPacket] = []
    for index, crop in enumerate(crops):
        message = Frame(
            index=index,
            source=0,
            encoding=CropEncoding.RAW,
            data=crop.tobytes(),
            rows=Rows(0, 256),
        )
        frame = compositor.compose(message, index)
        decoded = None if index else made.decode_first(planes_of(frame))
        packets += made.encode(frame)
        if decoded is not None:
            compositor.settle(decoded)
    packets += made.encode(None)
    return Segment(tuple(packets), made.headers)


if __name__ == "__main__":
    sys.exit(main())
