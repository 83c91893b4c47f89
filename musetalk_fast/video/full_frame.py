"""Full frames from a server into the encoder's planes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, cast

import av
import numpy as np

from musetalk_fast.errors import FrameShapeError
from musetalk_fast.kernels.buffers import Bytes
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.kernels.png import PngError, pixels_only
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.kernels.yuv_matrix import coding_of
from musetalk_fast.types import Box, ColourTags, Picture
from musetalk_fast.video.compositor import NoCrop, blank_frame, planes_of
from musetalk_fast.video.mouth_motion import mouth_grid
from musetalk_fast.wire.messages import Frame, FullFrame

_PADDING = 128


class FullFrameCompositor:
    """Decodes full frames for one encoder: a `Compositor`.

    PNGs of every kind are taken; their alpha is ignored. FFmpeg decodes them in about half the time
    of Pillow, which matters as every frame is one.

    Args:
        width, height: of the video, and so of every picture.
        pix_fmt: of the frames; one of `kernels.planes.LAYOUTS`.
        fps: frames a second; the frames' time base is its inverse.
        colour: what the frames' code values mean.
        mouth: where it is, roughly the lower half of a face; None if nobody knows.
        avatar: whose alpha all frames have, in planes of `pix_fmt`; None: they are opaque.
    """

    def __init__(
        self,
        width: int,
        height: int,
        pix_fmt: str,
        fps: Fraction,
        colour: ColourTags,
        mouth: Box | None = None,
        avatar: Planes | None = None,
    ) -> None:
        self._size = (width, height)
        self._coding = coding_of(colour)
        self._frame = blank_frame(width, height, pix_fmt, fps, colour)
        first = avatar or Planes.allocate(LAYOUTS[pix_fmt], width, height)
        first.copy_to(planes_of(self._frame))
        self._grid = None if mouth is None else mouth_grid(mouth, width, height)
        self._rgb = np.empty((height, width, 3), np.uint8)
        self._decoder = _open_decoder(width, height)

    def compose(
        self, frame: Frame | FullFrame | NoCrop, index: int, weight: float = 1.0
    ) -> av.VideoFrame:
        """The frame that shows a picture; see `Compositor.compose`. It has no crop to weigh.

        Raises:
            errors.FrameShapeError: not a PNG, damaged, or of another size.
        """
        assert isinstance(frame, FullFrame)
        assert weight == 1, "a session refuses it"
        rgb = self._decode(frame)
        shown = self._frame
        shown.make_writable()
        rgb_to_planes(rgb, planes_of(shown), **self._coding)
        shown.pts = index
        return shown

    def mouth_look(self) -> bytes | None:
        """Some luma samples of the mouth; see `Compositor.mouth_look`."""
        if self._grid is None:
            return None
        return planes_of(self._frame).samples(0)[self._grid].tobytes()

    def _decode(self, received: FullFrame) -> Picture:
        """(H, W, 3) uint8 RGB; valid until the next call."""
        try:
            decoded = self._decoder.decode(_packet(pixels_only(received.data)))
        except (PngError, av.FFmpegError) as error:
            self._decoder = _open_decoder(*self._size)
            reason = error if isinstance(error, PngError) else error.strerror
            raise FrameShapeError(f"frame {received.index}: {reason}") from None
        if len(decoded) != 1 or (decoded[0].width, decoded[0].height) != self._size:
            raise FrameShapeError(
                f"frame {received.index} is not a picture of {self._size[0]}x{self._size[1]} pixels"
            )
        return self._packed(decoded[0].reformat(format="rgb24"))

    def _packed(self, frame: av.VideoFrame) -> Picture:
        width, height = self._size
        plane = frame.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        picture = rows[:height, : 3 * width]
        if plane.line_size == 3 * width:
            return picture.reshape(height, width, 3)
        np.copyto(self._rgb.reshape(height, 3 * width), picture)
        return self._rgb


def _packet(data: Bytes) -> av.Packet[Any]:
    # PyAV's stub knows only bytes; its code takes any buffer.
    packet = av.Packet(cast("bytes", data))
    packet.is_keyframe = True  # else FFmpeg adds the picture before to it
    return packet


def _open_decoder(width: int, height: int) -> av.VideoCodecContext:
    # The codec alone, without a demuxer: probing would decode before the size is known.
    context = av.CodecContext.create("png", "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    # FFmpeg counts the pixels of its own padding, too.
    most = (width + _PADDING) * (height + _PADDING)
    context.options = {"max_pixels": str(most), "err_detect": "explode"}
    return context
