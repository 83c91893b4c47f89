"""Streams for `decoders.sh`, and the MD5s of what FFmpeg makes of their pictures.

Composed and whole pictures, with B pictures and without, with either entropy coder, in two sizes,
of several segments each.

    python ci/still_rows/streams.py FOLDER
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import av
from encoding import BASE, NO_B, encode_whole, settings
from scenes import FPS, PORTRAITS, Framing, Scene, make_scenes

from musetalk_fast.types import BT709
from musetalk_fast.video.band import band_of
from musetalk_fast.video.band_segment import StillBand
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.still_rows import BandChoice

FRAMES, SEGMENTS = 20, 3
SIZES = ((512, 512), (486, 614))
"""Of the second, five units of two pixels are cropped at the right and at the lower edge."""
VARIANTS = {"B3": "", "B0": NO_B}
CODERS = {"cabac": 1, "cavlc": 0}


def make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for size in SIZES:
        _, scene = make_scenes(
            "portrait", PORTRAITS["portrait"], Framing(*size, 0.8), FRAMES * SEGMENTS
        )
        for variant, coder in product(VARIANTS, CODERS):
            more = f":ipratio=1.5{VARIANTS[variant]}:cabac={CODERS[coder]}"
            encoder = settings("veryfast", 21.5, BASE + more)
            whole = encode_whole(scene, encoder)
            data = whole.headers + b"".join(whole.packets)
            for kind, stream in (("composed", _composed(scene, encoder)), ("whole", data)):
                path = folder / f"{kind}-{variant}-{coder}-{size[0]}x{size[1]}.264"
                path.write_bytes(stream)
                sums = [hashlib.md5(picture).hexdigest() for picture in _decoded(path)]
                assert len(sums) == FRAMES * SEGMENTS, path
                path.with_suffix(".md5").write_text("\n".join([f"{size[0]} {size[1]}", *sums]))


def _composed(scene: Scene, encoder: EncoderSettings) -> bytes:
    layout = band_of(scene.face, scene.planes.width, scene.planes.height)
    assert layout is not None
    band = StillBand.encode(BandChoice(encoder, layout), scene.planes, scene.face, FPS, BT709)
    compositor = band.compositor()
    packets: list[av.Packet] = []
    for number in range(SEGMENTS):
        made = band.encoder(compositor, number)
        for index in range(FRAMES):
            frame = compositor.compose(scene.frame(number * FRAMES + index), index)
            packets += made.encode(frame)
        packets += made.encode(None)
        assert not made.unproven
    return band.still.headers + b"".join(map(bytes, packets))


def _decoded(path: Path) -> Iterator[bytes]:
    with av.open(str(path), format="h264", options={"err_detect": "explode"}) as container:
        container.streams.video[0].thread_count = 1
        for frame in container.decode(video=0):
            yield frame.to_ndarray().tobytes()


if __name__ == "__main__":
    make(Path(sys.argv[1]))
