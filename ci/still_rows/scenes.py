"""Portraits that speak, for measuring encoders: every frame as planes, and where the mouth is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from musetalk_fast.engines.base import CropRequest, never_cancelled
from musetalk_fast.engines.preview.engine import PreviewAvatar, PreviewEngine
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.media.image import Still
from musetalk_fast.media.speech import load_speech
from musetalk_fast.media.still_source import StillSource
from musetalk_fast.media.wav import open_speech
from musetalk_fast.types import AvatarOptions, Crop, CropEncoding, Face, Picture, Rows, SourceRun
from musetalk_fast.wire.messages import Frame

ROOT = Path(__file__).parents[2]
FPS = Fraction(25)
PORTRAITS = {
    "portrait": ROOT / "examples/portrait.png",
    "hopper": ROOT / "tests/data/grace_hopper.jpg",
}
SPEECH = ROOT / "examples/speech.wav"


@dataclass(frozen=True)
class Framing:
    """A picture's size, and how much of it the portrait takes."""

    width: int
    height: int
    share: float
    """Of the picture's shorter side, less than 1 with a background around it."""

    @property
    def name(self) -> str:
        return f"{self.width}x{self.height}@{self.share:g}"


@dataclass(frozen=True)
class Scene:
    """A portrait that speaks."""

    name: str
    planes: Planes
    face: Face
    crops: tuple[Crop, ...]

    def frame(self, index: int) -> Frame:
        """As a decoder of messages gives it."""
        data = self.crops[index % len(self.crops)].tobytes()
        return Frame(index=index, source=0, encoding=CropEncoding.RAW, data=data, rows=Rows(0, 256))


def make_scenes(portrait: str, path: Path, framing: Framing, frames: int) -> tuple[Scene, Scene]:
    """A portrait in a framing, as the preview engine makes it, and with a mouth that flickers.

    Then the whole crop changes in every frame, as a neural renderer's does.
    """
    picture = framed(path, framing)
    with tempfile.TemporaryDirectory() as folder:
        shown = Path(folder) / "picture.png"
        Image.fromarray(picture).save(shown)
        engine = PreviewEngine()
        avatar = engine.prepare_avatar(shown, AvatarOptions(), lambda *_: None, never_cancelled)
        speech = load_speech(SPEECH, Path(folder), lambda _secs: None)
        track = engine.prepare_audio(np.array(open_speech(speech.wav)), never_cancelled)
    crops = tuple(_crops(engine, avatar, track, frames))
    source = StillSource(Still(path, picture, "", ()))
    planes = next(source.planes(SourceRun(0, 0, 1), LAYOUTS["yuv420p"]))
    name, face = f"{portrait} {framing.name}", avatar.faces[0]
    return (
        Scene(f"{name} preview", planes, face, crops),
        Scene(f"{name} flicker", planes, face, tuple(_flickering(crops))),
    )


def _crops(
    engine: PreviewEngine, avatar: PreviewAvatar, track: object, count: int
) -> Iterator[Crop]:
    rate = (FPS.numerator, FPS.denominator)
    for index in range(count):
        (crop,) = engine.infer([CropRequest(avatar, 0, track, index, rate)])
        yield crop


def framed(path: Path, framing: Framing) -> Picture:
    """The portrait in front of a blurred copy of itself that fills the picture."""
    width, height = framing.width, framing.height
    with Image.open(path) as opened:
        portrait = opened.convert("RGB")
    scale = framing.share * min(width / portrait.width, height / portrait.height)
    if framing.share >= 1:
        scale = framing.share * max(width / portrait.width, height / portrait.height)
    size = (round(portrait.width * scale), round(portrait.height * scale))
    canvas = portrait.resize((16, 16)).resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - size[0]) // 2, (height - size[1]) // (2 if framing.share < 1 else 4)
    canvas.paste(portrait.resize(size, Image.Resampling.LANCZOS), (left, top))
    noise = np.random.default_rng(3).normal(0, 1.2, (height, width, 1))
    return np.clip(np.asarray(canvas) + noise, 0, 255).astype(np.uint8)


def _flickering(crops: tuple[Crop, ...]) -> Iterator[Crop]:
    """Crops that shift by parts of a pixel, brighten and carry noise of their own."""
    rng = np.random.default_rng(1)
    shift, gain = np.zeros(2), 0.0
    for crop in crops:
        shift = 0.8 * shift + rng.normal(0, (0.25, 0.35))
        gain = 0.8 * gain + rng.normal() * 0.6
        coarse = Image.fromarray(rng.normal(0, 1.2, (64, 64)).astype(np.float32))
        noise = np.asarray(coarse.resize((256, 256), Image.Resampling.BICUBIC))
        moved = Image.fromarray(crop).transform(
            (256, 256),
            Image.Transform.AFFINE,
            (1, 0, shift[0], 0, 1, shift[1]),
            Image.Resampling.BICUBIC,
        )
        fine = rng.normal(0, 0.5, (256, 256))
        made = np.asarray(moved) + (noise + fine + gain)[:, :, None]
        yield np.clip(np.rint(made), 0, 255).astype(np.uint8)


def mouth_luma(picture: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
    """The mask's rectangle of a picture's luma."""
    box = face.mask_box
    return picture[box.y : box.y + box.height, box.x : box.x + box.width]
