"""How far an untouched crop changes the codes of its own source frame, in HDR and in SDR.

    python ci/hdr_edges.py [PHOTO ...]

A photo, its light below the knee of the tone curve, becomes a lossless 10-bit 4:2:0 clip in HLG, in
PQ and in BT.709. The picture that an engine sees of it goes back where it came from. Prints, of 10
bits, the change of luma and chroma by percentiles. In HDR an untouched crop is given back what an
engine does not see of its source, so there is none; `by table` says what it would be without. In
SDR edges of colour change: chroma of half the resolution is spread over its neighbours for an
engine's RGB, and the mean of that is not what it was.
"""

from __future__ import annotations

import argparse
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.media.video import VideoSource
from musetalk_fast.media.video.engine_view import EngineView
from musetalk_fast.media.video.tone_curve import HLG, PQ, WHITE, ToneCurve
from musetalk_fast.media.video.tone_tables import crop_table
from musetalk_fast.types import Box, ColourTags, CropEncoding, Face, Rows, SourceRun
from musetalk_fast.video.compositor import planes_of
from musetalk_fast.video.video_compositor import ShownFrame, VideoCompositor
from musetalk_fast.wire.messages import Frame

ROOT = Path(__file__).parents[1]
PHOTOS = [ROOT / "examples/portrait.png", ROOT / "tests/data/grace_hopper.jpg"]
DEEP = LAYOUTS["yuv420p10le"]
FPS, SIDE = Fraction(25), 256
KNEE = (88 / WHITE) ** (1 / 2.4)
SPACES = {
    "HLG": ColourTags(matrix=9, range=1, primaries=9, transfer=HLG),
    "PQ": ColourTags(matrix=9, range=1, primaries=9, transfer=PQ),
    "SDR": ColourTags(matrix=1, range=1, primaries=1, transfer=1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", type=Path, nargs="*", default=PHOTOS)
    heads = ("median", "95 %", "99.9 %", "most")
    print(" " * 38, *(f"{head:>6}" for head in heads), "above 4")
    with tempfile.TemporaryDirectory() as folder:
        for photo in parser.parse_args().photo:
            for name, tags in SPACES.items():
                clip = _clip(Path(folder) / "clip.mkv", photo, tags)
                _measure(photo, name, clip, gives_back=True)
                if name != "SDR":
                    _measure(photo, f"{name} by table", clip, gives_back=False)


def _clip(path: Path, photo: Path, tags: ColourTags) -> Path:
    with Image.open(photo) as opened:
        width, height = (side // 2 * 2 for side in opened.size)
        rgb = np.asarray(opened.convert("RGB").crop((0, 0, width, height))) / 255 * KNEE
    codes = np.rint(ToneCurve(tags, 1000.0).codes(rgb))
    frame = av.VideoFrame(width, height, DEEP.name)
    planes = planes_of(frame)
    planes.samples(0)[...] = codes[..., 0]
    for number in (1, 2):
        blocks = codes[..., number].reshape(height // 2, 2, width // 2, 2)
        planes.samples(number)[...] = np.rint(blocks.mean(axis=(1, 3)))
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, DEEP.name
        context = stream.codec_context
        context.colorspace, context.color_range = tags.matrix, tags.range
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def _measure(photo: Path, name: str, clip: Path, *, gives_back: bool) -> None:
    source = VideoSource(clip, keeps_hdr=True)
    size = (source.width, source.height)
    box = Box((size[0] - SIDE) // 4 * 2, 16, SIDE, SIDE)
    place = np.s_[box.y : box.y + SIDE, box.x : box.x + SIDE]
    crop = np.ascontiguousarray(source.picture(0)[place])
    (own,) = source.planes(SourceRun(0, 1, 1), DEEP)
    face = Face(0, box, box, np.full((SIDE, SIDE), 255, np.uint8))
    curve = source.tone_curve
    table = None if curve is None else crop_table(curve)
    seen = EngineView(curve, DEEP) if gives_back and curve is not None else None
    shown = iter([ShownFrame(0, own, face)])
    compositor = VideoCompositor(shown, size, DEEP, FPS, source.colour, table=table, seen=seen)
    message = Frame(
        index=0, source=0, encoding=CropEncoding.RAW, data=crop.tobytes(), rows=Rows(0, SIDE),
        width=SIDE,
    )  # fmt: skip
    made = planes_of(compositor.compose(message, 0))
    bright = crop.max(axis=-1) >= 16  # next to black a level of 8 bits is 7 codes of PQ
    for number, label in enumerate(("Y", "Cb", "Cr")):
        every = 2 if number else 1
        part = tuple(slice(each.start // every, each.stop // every) for each in place)
        before, after = (each.samples(number)[part].astype(int) for each in (own, made))
        change = np.abs(after - before)[bright[::every, ::every]]
        middle, most, nearly = np.percentile(change, (50, 95, 99.9))
        figures = (middle, most, nearly, change.max())
        print(f"{photo.name:20} {name:12} {label:4}", *(f"{each:6.0f}" for each in figures), end="")
        print(f" {(change > 4).mean():7.2%}")


if __name__ == "__main__":
    main()
