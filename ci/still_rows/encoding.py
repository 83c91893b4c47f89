"""A scene encoded as a whole and as a band, decoded, and measured."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from numpy.typing import NDArray
from scenes import FPS, Scene

from musetalk_fast.types import BT709
from musetalk_fast.video.band import band_of, moved, rows_of
from musetalk_fast.video.band_encoder import BandEncoder, encode_still_rows
from musetalk_fast.video.compositor import StillCompositor, planes_of
from musetalk_fast.video.encoder_settings import EncoderSettings

BASE = "mvrange=32:mbtree=0:scenecut=0:qcomp=0.98:direct=spatial:cpu-independent=1"
NO_B = ":weightp=0:bframes=0:rc-lookahead=0"


@dataclass(frozen=True)
class Measure:
    bytes: int
    mouth: float
    worst: float
    rest: float
    alarms: int = 0


def settings(preset: str, crf: float, params: str = "") -> EncoderSettings:
    options = {"crf": f"{crf:g}", "preset": preset}
    if params:
        options["x264-params"] = params
    return EncoderSettings("libx264", "mp4", "yuv420p", options, 250, 1)


def originals(scene: Scene, count: int) -> list[NDArray[np.uint8]]:
    compositor = StillCompositor(scene.planes, scene.face, FPS, BT709)
    return [compositor.compose(scene.frame(i), i).to_ndarray().copy() for i in range(count)]


def encode_whole(scene: Scene, encoder: EncoderSettings, count: int) -> tuple[bytes, int]:
    context = av.CodecContext.create("libx264", "w")
    encoder.configure(context, scene.planes.width, scene.planes.height, FPS, BT709)
    context.flags |= 1 << 22
    context.open()
    compositor = StillCompositor(scene.planes, scene.face, FPS, BT709)
    packets = []
    for index in range(count):
        packets += context.encode(compositor.compose(scene.frame(index), index))
    packets += context.encode(None)
    data = b"".join(map(bytes, packets))
    return bytes(context.extradata) + data, len(data)


def encode_band(scene: Scene, encoder: EncoderSettings, count: int) -> tuple[bytes, int, int]:
    layout = band_of(scene.face, scene.planes.width, scene.planes.height)
    assert layout is not None
    still = encode_still_rows(encoder, scene.planes, layout, FPS, BT709)
    band = rows_of(scene.planes, layout.first_row, layout.rows)
    compositor = StillCompositor(band, moved(scene.face, layout), FPS, BT709)
    made = BandEncoder(encoder, still, FPS, BT709)
    packets = []
    for index in range(count):
        frame = compositor.compose(scene.frame(index), index)
        packets += made.encode(frame)
        if index == 0:
            compositor.settle(made.decode_first(planes_of(frame)))
    packets += made.encode(None)
    data = b"".join(each.data for each in packets)
    alarms = sum(not each.is_proven for each in packets)
    return still.headers + data, len(data), alarms


def decode(stream: bytes) -> list[NDArray[np.uint8]]:
    context = av.CodecContext.create("h264", "r")
    packets = [*context.parse(stream), *context.parse(b"")]
    frames = [frame for packet in packets for frame in context.decode(packet)]
    return [frame.to_ndarray() for frame in [*frames, *context.decode(None)]]


def measure(
    scene: Scene, stream: bytes, size: int, truth: list[NDArray[np.uint8]], alarms: int = 0
) -> Measure:
    height = scene.planes.height
    mouths, rests = [], []
    box = scene.face.mask_box
    for shown, wanted in zip(decode(stream), truth, strict=True):
        error = (shown[:height].astype(np.float32) - wanted[:height]) ** 2
        of_mouth = error[box.y : box.y + box.height, box.x : box.x + box.width]
        mouths.append(float(of_mouth.mean()))
        rests.append(float((error.sum() - of_mouth.sum()) / (error.size - of_mouth.size)))
    return Measure(size, _psnr(np.mean(mouths)), _psnr(max(mouths)), _psnr(np.mean(rests)), alarms)


def _psnr(mse: float) -> float:
    return float(10 * np.log10(255**2 / max(mse, 1e-9)))
