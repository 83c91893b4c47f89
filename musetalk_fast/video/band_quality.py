"""Maps a quality of whole pictures to the band encoder's.

The band is encoded by x264 with `mbtree=0` and `qcomp=0.98`, so that its first frame does not
depend on later ones: a CRF then means another quantizer than with the preset alone. The table is of
`ci/still_rows/calibrate.py` and `fit.py`: 512x512 portraits, the mouth's luma PSNR equal to the
stock encoder's on average, and all around it at most 0.3 dB below. The two fastest presets have a
quarter of a dB more: there the stock encoder's quality depends on the picture by 1 dB either way.
docs/encoding.md shows what came of it, on other pictures and at other sizes too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class BandQuality:
    """Settings of the band's encoder, and of the rows above and below.

    Attributes:
        crf: x264's constant rate factor, one decimal.
        ipratio: x264's ratio of quantizers between P frames and the first frame, whose pixels all
            rows around the mouth keep.
    """

    crf: float
    ipratio: float


_CRFS = (16, 20, 24, 28)
"""What the table's columns are the band's CRF for."""

_TABLE = {
    "ultrafast": (1.4, (9.3, 13.4, 17.6, 21.5)),
    "superfast": (1.4, (9.6, 13.8, 17.8, 21.9)),
    "veryfast": (1.5, (17.9, 21.9, 25.8, 29.9)),
    "faster": (1.7, (17.4, 21.4, 25.4, 29.3)),
    "fast": (1.9, (17.3, 21.4, 25.3, 29.3)),
    "medium": (2.0, (17.0, 21.2, 25.2, 29.3)),
    "slow": (2.1, (17.2, 21.1, 25.2, 29.3)),
}
"""x264's preset: ipratio, and the band's CRF for each of `_CRFS`."""


_LARGE = 3600
"""Macroblocks of a picture of 1280x720."""

_HIGHEST = {
    "veryfast": (23, 22),
    "faster": (26, 24),
    "fast": (28, 24),
    "medium": (28, 24),
    "slow": (28, 24),
}
"""x264's preset: the highest CRF of pictures smaller and not smaller than `_LARGE`; else any."""


def band_quality(preset: str, crf: int) -> BandQuality | None:
    """The band's quality for a preset and a CRF of x264; None: not measured, so encode in full.

    Between the CRFs that were measured it is interpolated.
    """
    if preset not in _TABLE or not _CRFS[0] <= crf <= _CRFS[-1]:
        return None
    ipratio, band = _TABLE[preset]
    return BandQuality(round(float(np.interp(crf, _CRFS, band)), 1), ipratio)


def keeps_size(preset: str, crf: int, macroblocks: int) -> bool:
    """Whether a video from a band is about as large as one of full pictures.

    Composing costs some 50 bytes a picture. Where pictures have few bytes, as those of a still
    portrait with a high CRF have, that is much: more than 20 % at 512x512, or 5 % at 1920x1080.

    Args:
        preset: x264's, one that `band_quality` knows; `crf`: one that it knows.
        macroblocks: of a full picture.
    """
    highest = _HIGHEST.get(preset, (_CRFS[-1], _CRFS[-1]))
    return crf <= highest[macroblocks >= _LARGE]
