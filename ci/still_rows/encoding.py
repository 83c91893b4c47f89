"""A scene encoded as a whole and as a band, decoded, and measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray
from scenes import FPS, Scene, mouth_luma

from musetalk_fast.kernels.planes import Planes
from musetalk_fast.types import BT709
from musetalk_fast.video.band import band_of
from musetalk_fast.video.band_segment import StillBand
from musetalk_fast.video.compositor import StillCompositor, planes_of
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.still_rows import BandChoice

BASE = "mvrange=32:mbtree=0:scenecut=0:qcomp=0.98:b-adapt=0:direct=spatial:cpu-independent=1"
NO_B = ":weightp=0:bframes=0:rc-lookahead=0"
"""The variant without B-frames: more bytes, so that only exactness is tried with it."""
_REST_STEP = 8
"""Of every so many frames the picture around the mouth is measured."""


@dataclass(frozen=True)
class Truth:
    """Luma before encoding: all mouths, and the picture around them."""

    mouths: list[NDArray[np.uint8]]
    picture: NDArray[np.uint8]


@dataclass(frozen=True)
class Encoded:
    """A stream: its parameter sets, its packets in coding order, and unproven pictures."""

    headers: bytes
    packets: list[bytes]
    alarms: int = 0

    @property
    def first(self) -> int:
        """Bytes of the first picture."""
        return len(self.packets[0])

    @property
    def size(self) -> int:
        """Bytes of all pictures."""
        return sum(map(len, self.packets))


@dataclass(frozen=True)
class Measure:
    """PSNR of luma, in dB: of the mouths, of the worst of them, of all around them."""

    mouth: float
    worst: float
    rest: float


def settings(preset: str, crf: float, params: str = "") -> EncoderSettings:
    options = {"crf": f"{crf:g}", "preset": preset}
    if params:
        options["x264-params"] = params
    return EncoderSettings("libx264", "mp4", "yuv420p", options, 250, 1)


def _luma(planes: Planes) -> NDArray[np.uint8]:
    return cast("NDArray[np.uint8]", planes.samples(0))


def truth_of(scene: Scene) -> Truth:
    compositor = StillCompositor(scene.planes, scene.face, FPS, BT709)
    mouths = [
        mouth_luma(_luma(planes_of(compositor.compose(scene.frame(i), i))), scene.face).copy()
        for i in range(len(scene.crops))
    ]
    return Truth(mouths, _luma(scene.planes))


def encode_whole(scene: Scene, encoder: EncoderSettings) -> Encoded:
    context = av.CodecContext.create(encoder.codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    encoder.configure(context, scene.planes.width, scene.planes.height, FPS, BT709)
    context.flags |= av.codec.context.Flags.global_header.value
    context.open()
    compositor = StillCompositor(scene.planes, scene.face, FPS, BT709)
    packets = []
    for index in range(len(scene.crops)):
        packets += context.encode(compositor.compose(scene.frame(index), index))
    packets += context.encode(None)
    return Encoded(bytes(context.extradata or b""), [bytes(each) for each in packets])


def encode_band(scene: Scene, encoder: EncoderSettings) -> Encoded:
    layout = band_of(scene.face, scene.planes.width, scene.planes.height)
    assert layout is not None
    choice = BandChoice(encoder, layout)
    band = StillBand.encode(choice, scene.planes, scene.face, FPS, BT709)
    compositor = band.compositor()
    made = band.encoder(compositor, 0)
    packets = []
    for index in range(len(scene.crops)):
        packets += made.encode(compositor.compose(scene.frame(index), index))
    packets += made.encode(None)
    return Encoded(band.still.headers, [bytes(each) for each in packets], made.unproven)


def decoded(codec: str, stream: Encoded) -> Iterator[av.VideoFrame]:
    """All frames; `codec` is the decoder's name."""
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, av.VideoCodecContext)
    context.extradata = stream.headers or None
    context.thread_count = 1
    for data in stream.packets:
        yield from context.decode(av.Packet(data))
    yield from context.decode(None)


def measure(scene: Scene, stream: Encoded, truth: Truth, codec: str = "h264") -> Measure:
    mouths, rests, count = [], [], 0
    for index, frame in enumerate(decoded(codec, stream)):
        count += 1
        shown = _luma(planes_of(frame))
        mouth = _squares(mouth_luma(shown, scene.face), truth.mouths[index])
        mouths.append(mouth / truth.mouths[index].size)
        if index % _REST_STEP == 0:
            outside = _squares(shown, truth.picture)
            outside -= _squares(
                mouth_luma(shown, scene.face), mouth_luma(truth.picture, scene.face)
            )
            rests.append(outside / (shown.size - truth.mouths[index].size))
    if count != len(truth.mouths):
        raise SystemExit(f"{count} frames came of {len(truth.mouths)}")
    return Measure(_psnr(np.mean(mouths)), _psnr(max(mouths)), _psnr(np.mean(rests)))


def _squares(shown: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> float:
    error = shown.astype(np.int16) - wanted
    return float(np.square(error, dtype=np.int32).sum(dtype=np.int64))


def _psnr(mse: float | np.floating) -> float:
    return float(10 * np.log10(255**2 / max(mse, 1e-9)))
