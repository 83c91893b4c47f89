"""A moving avatar whose source frames are told apart by their brightness."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from musetalk_fast.kernels.planes import PixelLayout, Planes
from musetalk_fast.media.frame_size import Placement
from musetalk_fast.media.image import Asset
from musetalk_fast.types import BT709, Picture, SourceRun, Timestamps

WIDTH, HEIGHT = 160, 128
_DARKEST, _STEP = 60, 10
_CROP_LUMA = 19
"""The pattern engine's crops are nearly black."""


class MovingAvatar:
    """An `AvatarSource`; the pattern engine takes what it uploads.

    Args:
        path: of its file, which is written.
        seen: how many times larger a server sees it.

    Attributes:
        asked: the runs that planes were asked for.
    """

    notes = ()
    width, height = WIDTH, HEIGHT
    colour = BT709
    pix_fmt = "yuv420p"
    bit_depth = 8
    missing_note: str | None = None
    tone_curve = None
    size_note: str | None = None
    placement: Placement | None = None

    def __init__(
        self,
        path: Path,
        frames: int = 12,
        faceless: Sequence[int] = (),
        rate: Fraction = Fraction(10),
        timestamps: Timestamps | None = None,
        seen: int = 1,
    ) -> None:
        self.path = path
        self.frames = frames
        self.rate: Fraction | None = rate
        self.timestamps = timestamps
        self.seen_size = seen * WIDTH, seen * HEIGHT
        if seen > 1:
            self.placement = Placement(1 / seen, 1 / seen, 0, 0, self.seen_size, (WIDTH, HEIGHT))
        self.asked: list[SourceRun] = []
        self._document = json.dumps({
            "width": self.seen_size[0], "height": self.seen_size[1],
            "sources": frames, "faceless": list(faceless),
        }).encode()  # fmt: skip
        path.write_bytes(self._document)
        self.sha256 = hashlib.sha256(self._document).hexdigest()

    def conversion_note(self, _layout: PixelLayout) -> str | None:
        return "as converted"

    def asset(self) -> Asset:
        return Asset(self._document, self.sha256)

    def picture(self, source: int) -> Picture:
        return np.full((*self.seen_size[::-1], 3), _brightness(source), np.uint8)

    def planes(self, run: SourceRun, layout: PixelLayout) -> Iterator[Planes]:
        """The same memory for all: whoever keeps one too long sees another."""
        self.asked.append(run)
        planes = Planes.allocate(layout, WIDTH, HEIGHT)
        for component in (1, 2):
            planes.samples(component)[...] = 128
        for place in range(run.count):
            source = run.first + run.step * place
            assert 0 <= source < self.frames
            planes.samples(0)[...] = _brightness(source)
            yield planes
        planes.samples(0)[...] = 0


def _brightness(source: int) -> int:
    return _DARKEST + _STEP * (source % 19)


def shown_in(video: Path) -> tuple[list[int], list[float]]:
    """Which source frame each frame shows, and how much of a mouth there is in it, 0 to 1."""
    shown, mouths = [], []
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            luma = frame.to_ndarray()[:HEIGHT]
            source = (int(luma[:20].mean()) - _DARKEST + _STEP // 2) // _STEP
            shown.append(source)
            bright = _brightness(source)
            mouths.append((bright - float(luma[70:90, 60:100].mean())) / (bright - _CROP_LUMA))
    return shown, mouths
