"""What comes for a frame becomes a frame; here, crops on a still's planes, which are used again."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import av

from musetalk_fast.errors import FrameShapeError
from musetalk_fast.kernels.paste import Paste
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.kernels.yuv_matrix import coding_of
from musetalk_fast.types import ColourTags, Face
from musetalk_fast.video.colour_match import ColourMatch, by_matrix
from musetalk_fast.video.mouth_motion import mouth_grid
from musetalk_fast.wire.crop_codec import CropReader
from musetalk_fast.wire.messages import Frame, FullFrame


@dataclass(slots=True, kw_only=True, eq=False)
class NoCrop:
    """A frame for which no server made a crop: its source frame has no face and is shown as it is.

    Attributes:
        index: number of the output frame.
        source: the source frame.
    """

    index: int
    source: int


class Compositor(Protocol):
    """Makes the frames of one encoder; serves one thread."""

    def compose(
        self, frame: Frame | FullFrame | NoCrop, index: int, weight: float = 1.0
    ) -> av.VideoFrame:
        """The frame that shows what came.

        It may be the same object every time: encode it before the next is asked for. An encoder
        that still holds its samples keeps them.

        Args:
            frame: of the kind that this compositor was made for.
            index: its number in the segment; becomes the time stamp.
            weight: of a crop: 0 shows the avatar's own mouth. Full frames have none.

        Raises:
            errors.FrameShapeError: it is not what it says, or not for this avatar.
        """

    def mouth_look(self) -> bytes | None:
        """Some luma samples of the mouth in the last frame; None if nobody knows where it is."""


class StillCompositor:
    """Makes the frames of a still avatar: of a reused frame only the mask's rectangle changes.

    There the crop is blended with the avatar's samples, whatever the frame before has left.

    Args:
        avatar: its planes, of the video's size and pixel format; they are only read.
        face: where crops go, and their mask.
        fps: frames a second; the frames' time base is its inverse.
        colour: what the avatar's code values mean.
        sharp: scale crops with Lanczos-3 instead of bilinear.
        match_colour: give crops the avatar's colours, see `ColourMatch`.

    Raises:
        errors.ProtocolError: a face that does not fit the picture.
    """

    def __init__(
        self,
        avatar: Planes,
        face: Face,
        fps: Fraction,
        colour: ColourTags,
        *,
        sharp: bool = False,
        match_colour: bool = False,
    ) -> None:
        self._avatar = avatar
        self._source = face.source
        self._reader = CropReader()
        width, height, layout = avatar.width, avatar.height, avatar.layout
        coding = coding_of(colour)
        self._paste = Paste(face, width, height, layout, **coding, sharp=sharp)
        self._match: ColourMatch | None = None
        if match_colour:
            self._match = ColourMatch(face, layout, by_matrix(coding, layout.depth))
            self._rim = self._match.avatar_levels(avatar)
        self._grid = mouth_grid(face.mask_box, width, height)
        self._frame = blank_frame(width, height, layout.name, fps, colour)
        self._map()
        avatar.copy_to(self._planes)

    def compose(
        self, frame: Frame | FullFrame | NoCrop, index: int, weight: float = 1.0
    ) -> av.VideoFrame:
        """The frame that shows a crop; see `Compositor.compose`."""
        assert isinstance(frame, Frame)
        if frame.source != self._source:
            raise FrameShapeError(
                f"frame {frame.index} is for source frame {frame.source}; there is {self._source}"
            )
        crop = self._reader.read(frame)
        shown = self._frame
        shown.make_writable()
        if self._place() != self._mapped:
            self._map()
        first_row = frame.rows.first
        if self._match is not None:
            self._paste.recolour(self._match.match(crop, first_row, self._rim))
        self._paste.paste(crop, first_row, self._planes, self._avatar, weight=weight)
        shown.pts = index
        return shown

    def mouth_look(self) -> bytes:
        """Some luma samples of the mouth; see `Compositor.mouth_look`."""
        return self._mouth.tobytes()

    def settle(self, decoded: Planes) -> None:
        """Show other samples outside of the mask: those that an encoder's first frame decodes to.

        Crops are blended with the avatar's samples as before.

        Args:
            decoded: of the frames' size and pixel format; copied.
        """
        self._frame.make_writable()
        self._map()
        decoded.copy_to(self._planes)

    def _place(self) -> tuple[int, int]:
        return self._luma.buffer_ptr, self._luma.line_size

    def _map(self) -> None:
        """Find the samples again: the frame's memory is new."""
        self._planes = planes_of(self._frame)
        self._mouth = self._planes.samples(0)[self._grid]
        # Kept: `frame.planes` makes new objects every time, which is too slow per frame.
        self._luma = self._frame.planes[0]
        self._mapped = self._place()


def blank_frame(
    width: int, height: int, pix_fmt: str, fps: Fraction, colour: ColourTags
) -> av.VideoFrame:
    """A frame with these tags, whose time base is the inverse of `fps`; its samples are not set."""
    frame = av.VideoFrame(width, height, pix_fmt)
    frame.time_base = 1 / fps
    frame.colorspace, frame.color_range = colour.matrix, colour.range
    frame.color_primaries, frame.color_trc = colour.primaries, colour.transfer
    return frame


def planes_of(frame: av.VideoFrame) -> Planes:
    """Where a frame's samples are, until it is made writable again.

    Raises:
        KeyError: its pixel format is not one of `LAYOUTS`.
    """
    planes = frame.planes
    strides = [plane.line_size for plane in planes]
    # Decoders name some formats anew where the range is full.
    layout = LAYOUTS[frame.format.name.replace("yuvj", "yuv")]
    return Planes(layout, frame.width, frame.height, planes, strides)
