"""What `--quality` is worth with each library encoder: luma PSNR of the mouth, and bytes.

Two portraits whose whole crop flickers, as a neural renderer's does, at 512x512; every encoder at
the values that its scale has for some qualities, decoded by another library than it was made with.

    python ci/quality.py [--frames N] [--qualities 0,35,70,100]
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import av
import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "still_rows"))
os.environ.setdefault("SVT_LOG", "0")

from encoding import decoded
from first_frame import default_settings, encode, frames_of
from scenes import PORTRAITS, Framing, Scene, make_scenes

from musetalk_fast.types import Box
from musetalk_fast.video.codec import QUALITIES
from musetalk_fast.video.codec_table import CODECS
from musetalk_fast.video.compositor import planes_of

DECODERS = {
    "libx264": "h264",
    "libx265": "hevc",
    "libvpx-vp9": "libvpx-vp9",
    "libsvtav1": "libdav1d",
}


def psnr(shown: list[av.VideoFrame], given: list[av.VideoFrame], box: Box) -> float:
    """Of the luma inside a rectangle, over all frames."""
    rows, columns = slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)
    errors = [
        np.square(
            planes_of(one).samples(0)[rows, columns].astype(np.int32)
            - planes_of(other).samples(0)[rows, columns]
        ).mean()
        for one, other in zip(shown, given, strict=True)
    ]
    return float(10 * np.log10(255**2 / np.mean(errors)))


def row(encoder: str, quality: int, scenes: list[Scene]) -> str:
    """A line of the table."""
    crf, cells = CODECS[encoder].own_quality(quality), []
    for scene in scenes:
        given = frames_of(scene)
        stream, _ = encode(default_settings(encoder, crf), given)
        shown = list(decoded(DECODERS[encoder], stream))
        size = sum(map(len, stream.packets)) / len(given)
        cells.append(f"{psnr(shown, given, scene.face.mask_box):.1f} dB, {size:.0f} B")
    return f"| {encoder} | {quality} | {crf} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--qualities", default=",".join(map(str, QUALITIES)))
    asked = parser.parse_args()
    framing = Framing(512, 512, 1.0)
    scenes = [make_scenes(*each, framing, asked.frames)[1] for each in PORTRAITS.items()]
    print(f"| encoder | quality | own | {' | '.join(PORTRAITS)} |")
    print("|---|---|---|" + "---|" * len(PORTRAITS))
    for quality in map(int, asked.qualities.split(",")):
        for encoder in DECODERS:
            print(row(encoder, quality, scenes), flush=True)


if __name__ == "__main__":
    main()
