"""A picture as an avatar: one source frame."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from musetalk_fast.kernels.alpha import rgba_to_planes
from musetalk_fast.kernels.planes import PixelLayout, Planes
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.kernels.yuv_matrix import coding_of
from musetalk_fast.media.frame_size import Placement, Size
from musetalk_fast.media.image import Asset, Still
from musetalk_fast.media.partial_picture import PictureLike
from musetalk_fast.media.video.tone_curve import ToneCurve
from musetalk_fast.types import BT709, Picture, SourceRun, Timestamps


class StillSource:
    """A picture, converted once for each layout; see `media.avatar.AvatarSource`."""

    rate: Fraction | None = None
    frames = 1
    timestamps: Timestamps | None = None
    missing_note: str | None = None
    tone_curve: ToneCurve | None = None
    colour = BT709
    bit_depth = 8
    placement: Placement | None = None

    def __init__(self, still: Still) -> None:
        self._still = still
        self._planes: dict[str, Planes] = {}
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """The original file."""
        return self._still.path

    @property
    def sha256(self) -> str:
        """Of the original file, in hexadecimal."""
        return self._still.sha256

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user."""
        return self._still.notes

    @property
    def size_note(self) -> str | None:
        """What was scaled, cut or added, for the user; None: nothing of note."""
        return self._still.size_note

    @property
    def width(self) -> int:
        """Pixels across; even."""
        return self._still.width

    @property
    def height(self) -> int:
        """Pixels down; even."""
        return self._still.height

    @property
    def seen_size(self) -> Size:
        """(width, height) of `picture`: the video's."""
        return self.width, self.height

    @property
    def pix_fmt(self) -> str:
        """FFmpeg's name of the pixel format."""
        return "rgb24" if self._still.alpha is None else "rgba"

    def conversion_note(self, layout: PixelLayout) -> None:
        """Nothing: every picture is converted."""

    def asset(self) -> Asset:
        """The picture as a PNG, without alpha; see `Still.png`."""
        return self._still.png()

    def picture(self, source: int) -> Picture:
        """The picture: (height, width, 3) uint8 RGB, C-contiguous."""
        _check(source)
        return self._still.rgb

    def pictures(self, run: SourceRun) -> Iterator[Picture]:
        """The picture, for every frame of the run."""
        return (self.picture(run.first + run.step * frame) for frame in range(run.count))

    def partial_pictures(self) -> Iterator[PictureLike]:
        """The picture."""
        yield self.picture(0)

    def planes(self, run: SourceRun, layout: PixelLayout) -> Iterator[Planes]:
        """The same planes for every frame of the run.

        Of an opaque picture, alpha is opaque in a layout that has it.
        """
        for frame in range(run.count):
            _check(run.first + run.step * frame)
            yield self._converted(layout)

    def _converted(self, layout: PixelLayout) -> Planes:
        with self._lock:
            if layout.name not in self._planes:
                planes = Planes.allocate(layout, self.width, self.height)
                still, coding = self._still, coding_of(self.colour)
                if layout.alpha is None or still.alpha is None:
                    rgb_to_planes(still.rgb, planes, **coding)
                else:
                    rgba_to_planes(still.rgb, still.alpha, planes, **coding)
                self._planes[layout.name] = planes
            return self._planes[layout.name]


def _check(source: int) -> None:
    if source != 0:
        raise IndexError(f"a still has no source frame {source}")
