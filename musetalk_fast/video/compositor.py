"""Crops onto the avatar's picture: reused frames, of which only the mask's rectangle changes."""

from __future__ import annotations

from fractions import Fraction

import av

from musetalk_fast.kernels.paste import Paste
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.types import ColourTags, Crop, Face, Picture
from musetalk_fast.video.encoder_settings import EncoderSettings


class StillCompositor:
    """Makes the frames of a still avatar for one encoder; serves one thread.

    The picture is converted once. A frame costs the mask's rectangle: there the crop is blended
    with the avatar's samples, whatever the frame before has left.

    Args:
        rgb: (H, W, 3) uint8 RGB, C-contiguous: the avatar, of the video's size.
        face: where crops go, and their mask.
        encoder: whose pixel format the frames have.
        fps: frames a second; the frames' time base is its inverse.
        colour: what the frames' samples mean.
        sharp: scale crops with Lanczos-3 instead of bilinear.

    Raises:
        errors.ProtocolError: a face that does not fit the picture.
    """

    def __init__(
        self,
        rgb: Picture,
        face: Face,
        encoder: EncoderSettings,
        fps: Fraction,
        colour: ColourTags,
        *,
        sharp: bool = False,
    ) -> None:
        height, width = rgb.shape[:2]
        self._layout = LAYOUTS[encoder.pix_fmt]
        self._paste = Paste(face, width, height, self._layout, sharp=sharp)
        self._frame = blank_frame(width, height, encoder.pix_fmt, fps, colour)
        self._map()
        rgb_to_planes(rgb, self._planes)
        self._avatar = self._planes.copy()

    def compose(self, crop: Crop | memoryview, first_row: int, index: int) -> av.VideoFrame:
        """The frame that shows a crop.

        It is the same object every time: encode it before the next is asked for. An encoder
        that still holds its samples keeps them; the frame then gets new memory.

        Args:
            crop: (rows, 256, 3) uint8 RGB, C-contiguous, or the bytes of such an array: rows of
                the crop from `first_row` on.
            first_row: number of its first row.
            index: its number in the segment; becomes the time stamp.

        Raises:
            errors.FrameShapeError: the crop is not such an array, or lacks rows of the mask.
        """
        self._frame.make_writable()
        if self._place() != self._mapped:
            self._map()
        self._paste.paste(crop, first_row, self._planes, self._avatar)
        self._frame.pts = index
        return self._frame

    def _place(self) -> tuple[int, int]:
        return self._luma.buffer_ptr, self._luma.line_size

    def _map(self) -> None:
        """Find the samples again: the frame's memory is new."""
        frame = self._frame
        planes = frame.planes
        self._luma = planes[0]  # `frame.planes` makes new objects every time: too slow per frame
        self._mapped = self._place()
        self._planes = Planes(
            self._layout, frame.width, frame.height, planes, [plane.line_size for plane in planes]
        )


def blank_frame(
    width: int, height: int, pix_fmt: str, fps: Fraction, colour: ColourTags
) -> av.VideoFrame:
    """A frame with these tags, whose time base is the inverse of `fps`."""
    frame = av.VideoFrame(width, height, pix_fmt)
    frame.time_base = 1 / fps
    frame.colorspace, frame.color_range = colour.matrix, colour.range
    frame.color_primaries, frame.color_trc = colour.primaries, colour.transfer
    return frame
