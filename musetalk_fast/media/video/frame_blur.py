"""A blurred copy of a frame that covers a larger one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.planes import PixelLayout, Planes
from musetalk_fast.media.frame_size import Geometry
from musetalk_fast.media.picture.canvas import BLUR_DEVIATION, BLUR_STEP
from musetalk_fast.media.video.colour_tags import RGB_MATRIX
from musetalk_fast.media.video.filter_graph import FrameFilter
from musetalk_fast.media.video.frame_filter import scale_filter
from musetalk_fast.types import ColourTags, Picture

if TYPE_CHECKING:
    import av


class FrameBlur:
    """As `picture.canvas.blurred` does it: of a picture some times smaller, in RGB.

    Args:
        geometry: of the frame in the larger one.
        given: layout of frames; where they are transparent, they have the mean of what is seen.
        layout: of what is made.
        colour: what the code values of both mean.
    """

    def __init__(
        self, geometry: Geometry, given: PixelLayout, layout: PixelLayout, colour: ColourTags
    ) -> None:
        (width, height), shown = geometry.size, geometry.shown
        small = max(2, -(-width // BLUR_STEP)), max(2, -(-height // BLUR_STEP))
        rgb = ColourTags(
            matrix=RGB_MATRIX, range=2, primaries=colour.primaries, transfer=colour.transfer
        )
        self._kind = "rgba" if given.alpha is not None else "rgb24"
        scale = min(shown.width / width, shown.height / height)
        across, down = (max(2, round(side * scale / 2) * 2) for side in (width, height))
        left, top = (shown.width - across) // 4 * 2, (shown.height - down) // 4 * 2
        self._down = FrameFilter(
            (shown.width, shown.height),
            given.name,
            colour,
            (
                f"crop={across}:{down}:{left}:{top}",
                *(("premultiply=inplace=1",) if given.alpha is not None else ()),
                scale_filter(small, colour, rgb, "area"),
                f"format={self._kind}",
            ),
        )
        self._up = FrameFilter(
            small,
            "rgb24",
            rgb,
            (scale_filter((width, height), rgb, colour), f"format={layout.name}"),
        )
        self._layout = layout

    def __call__(self, frame: av.VideoFrame, to: Planes) -> None:
        """Write the blurred copy of a frame into planes of the larger size."""
        import av
        from PIL import Image, ImageFilter

        small = np.asarray(self._down(frame).to_ndarray(), np.uint8)
        if self._kind == "rgba":
            small = _filled(small)
        radius = BLUR_DEVIATION * max(small.shape[:2])
        soft = Image.fromarray(np.ascontiguousarray(small)).filter(ImageFilter.GaussianBlur(radius))
        made = self._up(av.VideoFrame.from_ndarray(np.asarray(soft), "rgb24"))
        buffers = made.planes
        strides = [plane.line_size for plane in buffers]
        Planes(self._layout, made.width, made.height, buffers, strides).copy_to(to)


def _filled(premultiplied: NDArray[np.uint8]) -> Picture:
    """(H, W, 4) RGBA over the mean of its colours, which changes as slowly as they do."""
    colours = premultiplied[..., :3].astype(np.float32)
    alpha = premultiplied[..., 3:].astype(np.float32)
    mean = colours.sum(axis=(0, 1)) / max(float(alpha.sum()), 1.0)
    return np.asarray(np.rint(colours + (255 - alpha) * mean).clip(0, 255), np.uint8)
