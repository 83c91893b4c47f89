"""The band of a still avatar: where it stands, and that composing changes no pixel of it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from musetalk_fast.kernels.h264 import Layout
from musetalk_fast.kernels.h264_bits import UnsupportedStreamError
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.types import BT709, Box, CropEncoding, Face, Rows
from musetalk_fast.video import band_encoder
from musetalk_fast.video.band import GUARD_ROWS, band_of, moved, rows_of
from musetalk_fast.video.band_encoder import BandEncoder, ComposedPacket, encode_still_rows
from musetalk_fast.video.band_probe import probe_band
from musetalk_fast.video.compositor import StillCompositor, planes_of
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.wire.messages import Frame

FPS = Fraction(25)
PARAMS = "mvrange=32:mbtree=0:scenecut=0:qcomp=0.98:direct=spatial:ipratio=1.5:cpu-independent=1"
FRAMES = 6


def face(top: int, height: int = 20) -> Face:
    mask = np.full((height, 40), 200, np.uint8)
    return Face(0, Box(20, top - 30, 60, height + 40), Box(30, top, 40, height), mask)


@pytest.mark.parametrize(
    ("top", "height", "total", "expected"),
    [
        (200, 20, 512, (8, 10)),  # rows 12 and 13, four more on either side
        (0, 20, 512, (0, 6)),
        (500, 12, 512, (27, 5)),
        (60, 20, 180, (0, 9)),  # nothing is left above
        (0, 1, 512, (0, 6)),  # as many rows before the lower guard as it has
    ],
)
def test_the_rows_of_a_band(top: int, height: int, total: int, expected: tuple[int, int]) -> None:
    layout = band_of(face(top, height), 130, total)
    assert layout == Layout(9, *expected, -(-total // 16), GUARD_ROWS)


def test_where_all_rows_change_there_is_no_band() -> None:
    assert band_of(face(40, 100), 130, 180) is None


def picture(width: int, height: int) -> Planes:
    rng = np.random.default_rng(1)
    planes = Planes.allocate(LAYOUTS["yuv420p"], width, height)
    for number, level in enumerate((120, 110, 140)):
        samples = planes.samples(number)
        rows, columns = np.mgrid[: samples.shape[0], : samples.shape[1]]
        waves = level + 40 * np.sin(rows / 7) + 30 * np.cos(columns / 5)
        samples[...] = np.clip(waves + rng.normal(0, 2, waves.shape), 16, 235)
    return planes


def crop(index: int) -> Frame:
    pixels = np.random.default_rng(index).integers(0, 256, (256, 256, 3), np.uint8)
    return Frame(
        index=index, source=0, encoding=CropEncoding.RAW, data=pixels.tobytes(), rows=Rows(0, 256)
    )


def decoded(stream: bytes) -> list[np.ndarray]:  # type: ignore[type-arg]
    context = av.CodecContext.create("h264", "r")
    context.options = {"err_detect": "explode"}
    packets = [*context.parse(stream), *context.parse(b"")]
    frames = [frame for packet in packets for frame in context.decode(packet)]
    return [frame.to_ndarray() for frame in [*frames, *context.decode(None)]]


@pytest.mark.parametrize("size", [(128, 256), (130, 250)])
@pytest.mark.parametrize("top", [0, 120, 220])
def test_static_rows_stand_and_the_mouth_moves(size: tuple[int, int], top: int) -> None:
    width, height = size
    avatar, place = picture(width, height), face(top)
    layout = band_of(place, width, height)
    assert layout is not None
    options = {"crf": "20", "preset": "veryfast", "x264-params": PARAMS}
    settings = EncoderSettings("libx264", "mp4", "yuv420p", options, 250, 1)
    still = encode_still_rows(settings, avatar, layout, FPS, BT709)
    rows = rows_of(avatar, layout.first_row, layout.rows)
    compositor = StillCompositor(rows, moved(place, layout), FPS, BT709)
    whole = StillCompositor(avatar, place, FPS, BT709)
    encoder = BandEncoder(settings, still, FPS, BT709)
    packets: list[ComposedPacket] = []
    truth = []
    for index in range(FRAMES):
        frame = compositor.compose(crop(index), index)
        packets += encoder.encode(frame)
        truth.append(whole.compose(crop(index), index).to_ndarray().copy())
        if index == 0:
            compositor.settle(encoder.decode_first(planes_of(frame)))
    packets += encoder.encode(None)
    assert sorted(packet.pts for packet in packets) == [*range(FRAMES)]
    assert [packet.is_key for packet in packets] == [True] + [False] * (FRAMES - 1)
    assert all(packet.is_proven for packet in packets)
    pictures = decoded(still.headers + b"".join(packet.data for packet in packets))
    assert [each.shape for each in pictures] == [each.shape for each in truth]
    luma = slice(top, top + 20), slice(30, 70)
    for shown, wanted in zip(pictures, truth, strict=True):
        outside = np.ones(height, bool)
        outside[layout.first_row * 16 : (layout.first_row + layout.rows) * 16] = False
        np.testing.assert_array_equal(shown[:height][outside], pictures[0][:height][outside])
        error = np.abs(shown[luma].astype(int) - wanted[luma])
        assert error.mean() < 8, "the crop of another frame differs by more than 30"


def test_the_probe_composes_and_compares(monkeypatch: pytest.MonkeyPatch) -> None:
    params = {"crf": "20", "preset": "veryfast", "x264-params": "cpu-independent=1"}
    settings = EncoderSettings("libx264", "mp4", "yuv420p", params, 250, 1)
    assert probe_band(settings) is None
    assert probe_band(replace(settings, codec="libx265")) == "not with these settings"

    def refuse(*_given: object) -> None:
        raise UnsupportedStreamError("a PPS of another kind")

    monkeypatch.setattr(band_encoder, "compose", refuse)
    assert probe_band(settings) == "a PPS of another kind"
