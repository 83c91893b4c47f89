"""The decoded first frame as the source of all that does not change, with every library encoder.

No band: whole frames. An encoder as it is by default is compared with itself when all around the
mouth is, from frame 1 on, what the first frame decodes to, and with options that keep its first
frame from depending on later ones (without them x264, x265 and SVT-AV1 encode another first frame
than alone, and the later ones repair the difference: 50 to 120 % more bytes).
Prints a row per scene and encoder: process CPU of the encoding (median of rounds that alternate;
the first frame's encode and decode are in it), bytes and PSNR at the largest CRF, between those
that were measured, at which the mouth is as good and the rest at most 0.3 dB worse.

    python ci/still_rows/first_frame.py [--frames N] [--rounds N] [--encoders a,b]
        [--framings 512x512@1,...]
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass, field, replace
from statistics import median

import av
import numpy as np
from encoding import BASE, Encoded, Truth, decoded, measure, truth_of
from scenes import FPS, PORTRAITS, Framing, Scene, make_scenes

from musetalk_fast.types import BT709
from musetalk_fast.video.codec_table import CODECS
from musetalk_fast.video.compositor import StillCompositor, planes_of
from musetalk_fast.video.encoder_choices import EncoderChoices
from musetalk_fast.video.encoder_settings import EncoderSettings

os.environ.setdefault("SVT_LOG", "0")
GOP = 250
"""Frames of a segment."""
REST = 0.3
FRAMINGS = {each.name: each for each in (Framing(512, 512, 1.0), Framing(1920, 1080, 1.0))}


@dataclass(frozen=True)
class Case:
    """How an encoder is tried.

    Attributes:
        crfs: in order.
        decoder: FFmpeg's name.
        options: with them the first frame does not depend on later ones.
    """

    crfs: tuple[int, ...]
    decoder: str
    options: tuple[tuple[str, str], ...] = ()


CASES = {
    "libx264": Case((20, 22, 24), "h264", (("x264-params", f"{BASE}:ipratio=1.5"),)),
    "libx265": Case(
        *((22, 25, 28), "hevc"),
        (("x265-params", "log-level=none:info=0:cutree=0:scenecut=0:qcomp=0.98:ipratio=1.5"),),
    ),
    "libvpx-vp9": Case((30, 32), "libvpx-vp9"),
    "libsvtav1": Case((21, 25, 29, 33), "libdav1d", (("svtav1-params", "enable-tf=0:aq-mode=0"),)),
}


def default_settings(encoder: str, crf: int) -> EncoderSettings:
    codec = CODECS[encoder]
    options = codec.options_for(EncoderChoices(quality=crf), codec.pix_fmt)
    return EncoderSettings(encoder, "mp4", codec.pix_fmt, options, 250, 1)


def frames_of(scene: Scene, around: av.VideoFrame | None = None) -> list[av.VideoFrame]:
    """All frames; after the first one with the samples of another around the mouth."""
    compositor = StillCompositor(scene.planes, scene.face, FPS, BT709)
    made = []
    for index in range(len(scene.crops)):
        shown = compositor.compose(scene.frame(index), index)
        kept = av.VideoFrame(shown.width, shown.height, shown.format.name)
        planes_of(shown).copy_to(planes_of(kept))
        kept.pts, kept.time_base = index, shown.time_base
        kept.colorspace, kept.color_range = shown.colorspace, shown.color_range
        kept.color_primaries, kept.color_trc = shown.color_primaries, shown.color_trc
        made.append(kept)
        if index == 0 and around is not None:
            compositor.settle(planes_of(around))
    return made


def encode(settings: EncoderSettings, frames: list[av.VideoFrame]) -> tuple[Encoded, float]:
    """The stream, and the process CPU of making it."""
    context = av.CodecContext.create(settings.codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    settings.configure(context, frames[0].width, frames[0].height, FPS, BT709)
    context.flags |= av.codec.context.Flags.global_header.value
    began = time.process_time()
    packets = [packet for frame in [*frames, None] for packet in context.encode(frame)]
    data = [bytes(packet) for packet in packets]
    headers = bytes(context.extradata or b"")
    del context
    return Encoded(headers, data), time.process_time() - began


def decoded_first(
    settings: EncoderSettings, case: Case, scene: Scene
) -> tuple[av.VideoFrame, float]:
    """The first frame encoded alone and decoded, and the process CPU of both."""
    first = frames_of(replace(scene, crops=scene.crops[:1]))
    stream, spent = encode(settings, first)
    began = time.process_time()
    (shown,) = decoded(case.decoder, stream)
    return shown, spent + time.process_time() - began


@dataclass
class Run:
    """An encoder at a CRF, and what came of it."""

    settings: EncoderSettings
    frames: list[av.VideoFrame]
    before: float
    """CPU of the first frame's encode and decode."""
    spent: list[float] = field(default_factory=list)
    stream: Encoded | None = None

    def encode(self) -> None:
        self.stream, secs = encode(self.settings, self.frames)
        # Per frame of a segment: the first frame's encode and decode come once in it.
        self.spent.append(self.before / GOP + secs / len(self.frames))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--encoders", default=",".join(CASES))
    parser.add_argument("--framings", default=",".join(FRAMINGS))
    asked = parser.parse_args()
    print("| scene | encoder | CRF | default ms | ms/frame | mouth dB | rest dB | bytes | same |")
    print("|---|---|---|---|---|---|---|---|---|")
    for framing in asked.framings.split(","):
        portrait = PORTRAITS["portrait"]
        _, scene = make_scenes("portrait", portrait, FRAMINGS[framing], asked.frames)
        for encoder in asked.encoders.split(","):
            _compare(scene, encoder, asked.rounds)


def _compare(scene: Scene, encoder: str, rounds: int) -> None:
    case, truth = CASES[encoder], truth_of(scene)
    stock = Run(default_settings(encoder, CODECS[encoder].default), frames_of(scene), 0)
    runs = []
    for crf in case.crfs:
        settings = default_settings(encoder, crf)
        settings = replace(settings, options={**settings.options, **dict(case.options)})
        first, spent = decoded_first(settings, case, scene)
        runs.append(Run(settings, frames_of(scene, first), spent))
    for _ in range(rounds):
        for run in (stock, *runs):
            run.encode()
    _print(scene, truth, stock, runs, case)


def _print(scene: Scene, truth: Truth, stock: Run, runs: list[Run], case: Case) -> None:
    size, cpu, rest, mouth = _point(scene, truth, stock, case)
    columns = np.array([_point(scene, truth, run, case) for run in runs]).T
    for crf in np.arange(case.crfs[-1], case.crfs[0] - 0.05, -0.1):
        size_then, cpu_then, rest_then, mouth_then = (
            float(np.interp(crf, case.crfs, column)) for column in columns
        )
        if mouth_then >= mouth and rest_then >= rest - REST:
            break
    same = all(_is_same(run, case) for run in runs)
    print(
        f"| {scene.name} | {stock.settings.codec} | {crf:.1f} "
        f"| {1000 * cpu:.2f} | {1000 * cpu_then:.2f} "
        f"| {mouth:.2f} {mouth_then - mouth:+.2f} | {rest:.2f} {rest_then - rest:+.2f} "
        f"| {100 * size_then / size - 100:+.1f} % | {'yes' if same else 'no'} |",
        flush=True,
    )


def _point(scene: Scene, truth: Truth, run: Run, case: Case) -> tuple[float, float, float, float]:
    """Bytes of a segment, CPU of a frame, PSNR around the mouth and of it."""
    assert run.stream is not None
    made = measure(scene, run.stream, truth, case.decoder)
    later = (run.stream.size - run.stream.first) * (GOP - 1) / (len(scene.crops) - 1)
    return run.stream.first + later, median(run.spent), made.rest, made.mouth


def _is_same(run: Run, case: Case) -> bool:
    """Whether the first frame of the stream has the luma that is the later frames' source."""
    assert run.stream is not None
    shown = planes_of(next(decoded(case.decoder, run.stream))).samples(0)
    later = planes_of(run.frames[1]).samples(0)
    return bool((shown[0] == later[0]).all() and (shown[-1] == later[-1]).all())


if __name__ == "__main__":
    main()
