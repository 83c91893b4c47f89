"""Composes a few small pictures, to see whether this machine's encoder allows it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from musetalk_fast.kernels.h264_bits import UnsupportedStreamError
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.types import BT709, Box, CropEncoding, Face
from musetalk_fast.video.band_check import check_pictures
from musetalk_fast.video.band_encoder import BandEncoder, ComposedPacket
from musetalk_fast.video.band_segment import StillBand
from musetalk_fast.video.compositor import planes_of
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.still_rows import choose_band
from musetalk_fast.wire.messages import Frame

_FPS = Fraction(25)
_WIDTH, _HEIGHT = 128, 512
_FRAMES = 4


def probe_band(encoder: EncoderSettings) -> str | None:
    """Compose a few pictures, decode and compare them; None if that went well, else the reason.

    Args:
        encoder: of full pictures.
    """
    face = Face(0, Box(32, 200, 64, 80), Box(40, 240, 48, 32), np.full((32, 48), 255, np.uint8))
    choice = choose_band(encoder, face, _WIDTH, _HEIGHT)
    if choice is None:
        return "not with these settings"
    avatar = Planes.allocate(LAYOUTS[encoder.pix_fmt], _WIDTH, _HEIGHT)
    for component in range(3):
        avatar.samples(component)[...] = 128
    try:
        _compose(StillBand.encode(choice, avatar, face, _FPS, BT709))
    except UnsupportedStreamError as error:
        return str(error)
    return None


def _compose(band: StillBand) -> None:
    """Raise what keeps pictures from being composed, whether they are proven or not."""
    compositor = band.compositor()
    encoder = BandEncoder(band.choice.encoder, band.still, band.fps, band.colour)
    packets: list[ComposedPacket] = []
    for index in range(_FRAMES):
        data = bytes([60 + 40 * index]) * (256 * 256 * 3)
        frame = Frame(index=index, source=0, encoding=CropEncoding.RAW, data=data)
        shown = compositor.compose(frame, index)
        if index == 0:
            decoded = encoder.decode_first(planes_of(shown))
        packets += encoder.encode(shown)
        compositor.settle(decoded)
    packets += encoder.encode(None)
    headers, layout = (band.still.headers, encoder.headers), band.choice.layout
    composed, alone = [each.data for each in packets], [each.band for each in packets]
    check_pictures(composed, alone, headers, layout)
