"""Crops onto the frames of a moving avatar, each on a copy of its own source frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple, TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

from musetalk_fast.errors import FrameShapeError
from musetalk_fast.kernels.paste import Paste
from musetalk_fast.kernels.planes import PixelLayout, Planes
from musetalk_fast.kernels.tone_map import CropTable
from musetalk_fast.kernels.yuv_matrix import coding_of
from musetalk_fast.types import Box, ColourTags, Face
from musetalk_fast.video.colour_match import ColourMatch, ToLevels, by_matrix
from musetalk_fast.video.compositor import NoCrop, blank_frame, planes_of
from musetalk_fast.video.mouth_motion import mouth_points
from musetalk_fast.wire.crop_codec import CropReader
from musetalk_fast.wire.messages import Frame, FullFrame

EngineView: TypeAlias = Callable[[Planes, Box], NDArray[np.int16]]
"""What crops are blended with, as an engine sees it: see `VideoCompositor`."""


class ShownFrame(NamedTuple):
    """What an output frame shows.

    Attributes:
        source: index of the source frame.
        planes: its samples; only read, and valid until the next one is asked for.
        face: where the crop goes; None where it has none.
    """

    source: int
    planes: Planes
    face: Face | None


class VideoCompositor:
    """Makes the frames of one segment of a moving avatar, one after the other: a `Compositor`.

    Each source frame is copied into the frame that is encoded, once: a decoder still needs its
    own. A source frame that several output frames show is copied for the first of them only.

    Args:
        shown: for each frame of the segment, in their order; all of one size and layout.
        size: (width, height) of the frames in pixels.
        layout: of their samples.
        fps: frames a second; the frames' time base is its inverse.
        colour: what the code values mean.
        sharp: scale crops with Lanczos-3 instead of bilinear.
        match_colour: give crops the avatar's colours, see `ColourMatch`.
        table: brings crops to these code values, in place of the matrix of `colour`.
        to_levels: the other way, in place of that matrix.
        seen: what the table makes of what an engine sees of a part of a source frame's planes,
            (3, height, width) int16 components in 14 bits.
    """

    def __init__(
        self,
        shown: Iterator[ShownFrame],
        size: tuple[int, int],
        layout: PixelLayout,
        fps: Fraction,
        colour: ColourTags,
        *,
        sharp: bool = False,
        match_colour: bool = False,
        table: CropTable | None = None,
        to_levels: ToLevels | None = None,
        seen: EngineView | None = None,
    ) -> None:
        self._shown = shown
        self._table, self._seen = table, seen
        self._size, self._layout = size, layout
        self._coding, self._sharp = coding_of(colour), sharp
        self._reader = CropReader()
        self._frame = blank_frame(*size, layout.name, fps, colour)
        self._map()
        self._now: ShownFrame | None = None
        self._paste: Paste | None = None
        self._matches = match_colour
        self._to_levels = to_levels or by_matrix(self._coding, layout.depth)
        self._match: ColourMatch | None = None
        self._look = b""

    def compose(
        self, frame: Frame | FullFrame | NoCrop, index: int, weight: float = 1.0
    ) -> av.VideoFrame:
        """The next frame of the segment; see `Compositor.compose`.

        Raises:
            errors.InputError: the source frame cannot be decoded.
            errors.ProtocolError: a face that does not fit the picture.
        """
        assert isinstance(frame, Frame | NoCrop)
        now = next(self._shown)
        if frame.source != now.source:
            raise FrameShapeError(
                f"frame {frame.index} is for source frame {frame.source}, not {now.source}"
            )
        crop = self._reader.read(frame) if isinstance(frame, Frame) else None
        self._show(now)
        if isinstance(frame, Frame) and crop is not None:
            paste, first_row = self._prepared(now), frame.rows.first
            if self._match is not None:
                paste.recolour(self._match.match(crop, first_row, self._rim))
            paste.paste(crop, first_row, self._planes, now.planes, weight=weight)
        self._frame.pts = index
        return self._frame

    def mouth_look(self) -> bytes:
        """Some luma samples of the mouth, where the face is; without a face, those before."""
        face = None if self._now is None or self._paste is None else self._now.face
        if face is not None or not self._look:
            place = None if face is None else face.mask_box
            rows, columns = mouth_points(place, *self._size)
            self._look = self._planes.samples(0)[rows[:, None], columns].tobytes()
        return self._look

    def _show(self, now: ShownFrame) -> None:
        """Copy a source frame, unless it is there already."""
        before, self._now = self._now, now
        self._frame.make_writable()
        if self._place() != self._mapped:
            self._map()
        if before is None or before.source != now.source or now.face is None:
            self._paste = None
            now.planes.copy_to(self._planes)

    def _prepared(self, now: ShownFrame) -> Paste:
        """For the face of the source frame that is shown."""
        if self._paste is None:
            face = now.face
            if face is None:
                raise FrameShapeError(f"a crop came for source frame {now.source}: it has no face")
            self._paste = Paste(
                face,
                *self._size,
                self._layout,
                **self._coding,
                sharp=self._sharp,
                table=self._table,
            )
            if self._seen is not None and self._paste.reach is not None:
                self._paste.give_back(self._seen(now.planes, self._paste.reach))
            if self._matches:
                self._match = ColourMatch(face, self._layout, self._to_levels)
                self._rim = self._match.avatar_levels(now.planes)
        return self._paste

    def _place(self) -> tuple[int, int]:
        return self._luma.buffer_ptr, self._luma.line_size

    def _map(self) -> None:
        """Find the samples again: the frame's memory is new."""
        self._planes = planes_of(self._frame)
        self._luma = self._frame.planes[0]  # kept: `frame.planes` makes new objects every time
        self._mapped = self._place()
