"""Which CRF of the band has the mouth quality of a CRF of full pictures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BandQuality:
    """Settings of the band.

    Attributes:
        crf: x264's constant rate factor.
        ipratio: by which the first picture is better.
    """

    crf: float
    ipratio: float


_OFFSETS = {
    "ultrafast": (-7.0, 1.6),
    "veryfast": (2.0, 1.5),
    "medium": (0.7, 1.9),
}


def band_quality(preset: str, crf: int) -> BandQuality | None:
    """The band's settings; None where nothing was measured.

    Args:
        preset: x264's.
        crf: of full pictures.
    """
    if preset not in _OFFSETS or not 14 <= crf <= 30:
        return None
    offset, ipratio = _OFFSETS[preset]
    return BandQuality(crf + offset, ipratio)
