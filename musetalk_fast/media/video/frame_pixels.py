"""RGB of the source frames that are 4:2:0 with 8 bits: by our own kernel, any part of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from musetalk_fast.kernels.rgb import LAYOUT, to_rgb
from musetalk_fast.kernels.yuv_matrix import coding_of
from musetalk_fast.media.partial_picture import PartialPicture
from musetalk_fast.media.video.frame_filter import Preparation, plain_format
from musetalk_fast.media.video.tone_curve import ToneCurve
from musetalk_fast.media.video.tone_mapping import frame_planes
from musetalk_fast.types import BT709, Box, ColourTags, Picture

if TYPE_CHECKING:
    import av


class FramePixels:
    """Converts source frames; FFmpeg's filters would take several times as long.

    Attributes:
        pix_fmt: FFmpeg's pixel format in which it wants them.

    Args:
        colour: what their code values mean.
    """

    pix_fmt = LAYOUT

    def __init__(self, colour: ColourTags) -> None:
        self._coding = coding_of(colour)

    @staticmethod
    def of(preparation: Preparation, curve: ToneCurve | None) -> FramePixels | None:
        """For the source frames of a video; None where they are not of this format."""
        if curve is not None:
            return FramePixels(BT709)
        is_taken = plain_format(preparation.shape.pix_fmt) == LAYOUT
        return FramePixels(preparation.colour) if is_taken else None

    def whole(self, frame: av.VideoFrame) -> Picture:
        """(height, width, 3) uint8 RGB, C-contiguous."""
        return self._converted(frame, Box(0, 0, frame.width, frame.height))

    def partial(self, frame: av.VideoFrame) -> PartialPicture:
        """The same; what is looked at is converted as long as the frame is there."""
        return PartialPicture(frame.width, frame.height, partial(self._made, frame))

    def _made(self, frame: av.VideoFrame, wanted: Box) -> tuple[Picture, Box]:
        return self._converted(frame, wanted), wanted

    def _converted(self, frame: av.VideoFrame, part: Box) -> Picture:
        return to_rgb(frame_planes(frame), part, **self._coding)
