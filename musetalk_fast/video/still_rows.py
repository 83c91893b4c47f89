"""Whether the rows that never change are encoded once, and with which settings the others are."""

from __future__ import annotations

from dataclasses import dataclass, replace

from musetalk_fast.kernels.h264 import Layout
from musetalk_fast.types import Face
from musetalk_fast.video.band import band_of
from musetalk_fast.video.band_quality import band_quality, keeps_size
from musetalk_fast.video.encoder_settings import EncoderSettings

MAX_SHARE = 0.75
"""Of the rows in the band: of more, too little is left to be saved."""

SHORTEST_GOP = 50
"""Frames: of shorter ones, each begun with a picture encoded alone, nothing was measured."""

_PARAMS = "x264-params"
_BAND_PARAMS = (
    "mvrange=32",  # what the guard rows are made for
    "mbtree=0",  # lets an IDR picture depend on later ones: it could not be encoded first, alone
    "scenecut=0",
    "qcomp=0.98",  # with 1, x264 ignores ipratio in the first frame
    "b-adapt=0",  # choosing among B patterns takes up to 30 % of the time and saves 1 % of bytes
    "direct=spatial",  # what skipped macroblocks of B pictures are taken for
)


@dataclass(frozen=True, slots=True)
class BandChoice:
    """How a still avatar's band is encoded.

    Attributes:
        encoder: settings of both the band and, where it cannot be composed, of the full picture.
        layout: where the band stands.
    """

    encoder: EncoderSettings
    layout: Layout


def choose_band(encoder: EncoderSettings, face: Face, width: int, height: int) -> BandChoice | None:
    """How the band is encoded; None where the whole picture has to be, or better is.

    It depends on its arguments alone, so that all machines that make parts of a video agree.

    Args:
        encoder: of full pictures, as planned.
        face: where crops are pasted.
        width, height: pixels of the picture.
    """
    settings = band_settings(encoder)
    layout = band_of(face, width, height)
    if settings is None or layout is None or layout.rows > MAX_SHARE * layout.total_rows:
        return None
    crf, preset = int(encoder.options["crf"]), encoder.options["preset"]
    if not keeps_size(preset, crf, layout.width * layout.total_rows):
        return None
    return BandChoice(settings, layout)


def shows_first_frame(encoder: EncoderSettings) -> bool:
    """Whether it pays to show the decoded first frame where nothing moves; see `first_frame`."""
    return (encoder.codec, encoder.pix_fmt) == ("libvpx-vp9", "yuv420p")


def band_settings(encoder: EncoderSettings) -> EncoderSettings | None:
    """Settings with which a band has the mouth's quality of full pictures.

    None for an encoder, a pixel format or a quality that nothing is known of.

    Args:
        encoder: as `encoder_selection.resolve` makes them.
    """
    if (encoder.codec, encoder.pix_fmt) != ("libx264", "yuv420p") or encoder.gop < SHORTEST_GOP:
        return None
    if set(encoder.options) != {"crf", "preset", _PARAMS}:
        return None
    quality = band_quality(encoder.options["preset"], int(encoder.options["crf"]))
    if quality is None:
        return None
    params = (encoder.options[_PARAMS], *_BAND_PARAMS, f"ipratio={quality.ipratio:g}")
    options = {**encoder.options, "crf": f"{quality.crf:g}", _PARAMS: ":".join(params)}
    return replace(encoder, options=options)
