"""An HDR frame to SDR: a frame of every video avatar that is HDR."""

from __future__ import annotations

import time
from typing import Any

import av
import numpy as np
from av.filter import Graph

from benches.bench_inputs import HEIGHT, WIDTH
from musetalk_fast.media.video.tone_curve import ToneCurve
from musetalk_fast.media.video.tone_tables import tone_table
from musetalk_fast.types import ColourTags
from musetalk_fast.video.compositor import planes_of

HLG = ColourTags(matrix=9, range=1, primaries=9, transfer=18)


def _frame() -> av.VideoFrame:
    """Shades of skin, with some noise."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p10le")
    planes, rng = planes_of(frame), np.random.default_rng(1)
    for number, (low, high) in enumerate(((64, 700), (470, 512), (512, 570))):
        rows, columns = planes.samples(number).shape
        ramp = np.linspace(low, high, columns) + rng.normal(0, 4, (rows, columns))
        planes.samples(number)[...] = np.rint(ramp).clip(64, 940)
    frame.colorspace, frame.color_range = HLG.matrix, HLG.range
    frame.color_primaries, frame.color_trc = HLG.primaries, HLG.transfer
    frame.pts = 0
    return frame


def _ffmpeg(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    colours = f"colorspace={HLG.matrix}:range={HLG.range}"
    size = f"video_size={WIDTH}x{HEIGHT}:pix_fmt={frame.format.name}:time_base=1/25"
    names = "out_primaries=bt709:out_transfer=bt709:out_color_matrix=bt709:intent=perceptual"
    made = [
        graph.add("buffer", f"{size}:{colours}"),
        graph.add("scale", names),
        graph.add("format", "yuv420p"),
        graph.add("buffersink"),
    ]
    graph.link_nodes(*made).configure()
    return graph


def test_against_ffmpeg(compare: Any) -> None:
    frame, table = _frame(), tone_table(ToneCurve(HLG, 1000.0))
    source, target = planes_of(frame), planes_of(av.VideoFrame(WIDTH, HEIGHT, "yuv420p"))
    graph = _ffmpeg(frame)

    def theirs() -> av.VideoFrame:
        graph.vpush(frame)
        return graph.vpull()

    shown = planes_of(theirs())
    table.map(source, target)
    # Another curve, and light where ours is a display's: not equal, but no other picture.
    for number in range(3):
        found = [planes.samples(number).astype(float) for planes in (target, shown)]
        assert np.abs(found[0] - found[1]).mean() < 40
    compare(
        "kernel/tone-map-1080p",
        "an HLG frame of 1920x1080 to yuv420p of BT.709",
        lambda: table.map(source, target),
        "FFmpeg's scale, intent=perceptual",
        theirs,
        rounds=8,
        timer=time.process_time,
    )
