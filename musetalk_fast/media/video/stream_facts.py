"""Facts of a video from its track and its first frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from musetalk_fast.kernels.planes import PixelLayout
from musetalk_fast.media.picture.picture_file import check_size
from musetalk_fast.media.picture.proportions import Square, square_pixels
from musetalk_fast.media.video.colour_tags import RGB_MATRIX, colour_tags, fill_in
from musetalk_fast.media.video.display_matrix import Turn, turn_of
from musetalk_fast.media.video.frame_decoder import FrameShape
from musetalk_fast.media.video.frame_filter import Preparation
from musetalk_fast.media.video.tone_curve import ToneCurve
from musetalk_fast.media.video.tone_mapping import tone_curve_of
from musetalk_fast.types import Box, ColourTags

if TYPE_CHECKING:
    import av


_OPAQUE_NOTE = (
    "the video can be transparent, and is opaque wherever it was looked at: it counts as opaque"
)
_HDR_NOTE = "the transparency of HDR is not kept: the video's colours are used as they are"


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """How a video comes, and how it is prepared.

    Attributes:
        preparation: of its frames.
        bit_depth: bits of a sample.
        notes: sentences for the user.
        curve: by which frames become SDR of BT.709; None: they are.
    """

    preparation: Preparation
    bit_depth: int
    notes: tuple[str, ...]
    curve: ToneCurve | None = None

    def with_alpha(self, is_transparent: bool | None) -> StreamFacts:
        """Of a video whose format has alpha.

        Args:
            is_transparent: whether something of it is; None: nothing is where it was looked at.
        """
        if is_transparent is None:
            return replace(self, notes=(*self.notes, _OPAQUE_NOTE))
        if is_transparent and self.curve is not None:
            return replace(self, notes=(*self.notes, _HDR_NOTE))
        return replace(self, preparation=replace(self.preparation, has_alpha=is_transparent))


def facts_of(frame: av.VideoFrame, track: av.VideoStream, stated: ColourTags) -> StreamFacts:
    """Look at the first frame of a track.

    Args:
        stated: by the container: what the frame leaves open.

    Raises:
        errors.VideoFormatError: colours that are not known here.
        errors.ImageSizeError: a side outside 64..8192 pixels.
    """
    fill_in(frame, stated)
    found = turn_of(frame)
    turn = found or Turn.NONE
    square = _square(frame, track, turn)
    even = (square.width - square.width % 2, square.height - square.height % 2)
    turned = _turned(frame, turn)
    is_square = (square.width, square.height) == turned
    preparation = Preparation(
        shape=FrameShape(frame.width, frame.height, frame.format.name),
        tags=colour_tags(frame),
        turn=turn,
        window=Box(0, 0, *(even if is_square else turned)),
        size=even,
        is_whole=not is_square,
        is_interlaced=frame.interlaced_frame,
    )
    depth = max(component.bits for component in frame.format.components)
    curve = tone_curve_of(frame, preparation.colour)
    notes = (*square.notes, *_notes(frame, found, preparation))
    return StreamFacts(preparation, depth, notes, curve)


def _turned(frame: av.VideoFrame, turn: Turn) -> tuple[int, int]:
    size = (frame.width, frame.height)
    return size[::-1] if turn.is_quarter else size


def _square(frame: av.VideoFrame, track: av.VideoStream, turn: Turn) -> Square:
    """The size of a frame with square pixels, turned upright."""
    width, height = _turned(frame, turn)
    check_size(width, height)
    aspect = float(track.sample_aspect_ratio or Fraction(1))
    if aspect <= 0:
        aspect = 1.0
    return square_pixels(width, height, 1 / aspect if turn.is_quarter else aspect)


def _notes(frame: av.VideoFrame, turn: Turn | None, made: Preparation) -> Iterator[str]:
    if turn is None:
        yield "the video asks for a rotation that is no quarter turn: it is not turned"
    if made.is_interlaced:
        yield "the video is interlaced: its frames were deinterlaced"
    if not made.is_whole and _turned(frame, turn or Turn.NONE) != made.size:
        width, height = _turned(frame, turn or Turn.NONE)
        yield (
            f"the video's size of {width}x{height} is odd: it was cut to "
            f"{made.size[0]}x{made.size[1]}"
        )
    if made.tags.matrix == RGB_MATRIX:
        yield "the video's samples are RGB: they were converted to BT.709"
    elif made.colour != made.tags:
        yield "the video's colour matrix cannot be kept: it was converted to BT.709"


def has_alpha(pixels: av.VideoFormat) -> bool:
    """Whether a pixel format has alpha."""
    return any(component.is_alpha for component in pixels.components)


def conversion_note(pix_fmt: str, layout: PixelLayout) -> str | None:
    """What frames of FFmpeg's pixel format lose in a layout, for the user; None: nothing."""
    from av import VideoFormat

    pixels = VideoFormat(pix_fmt)
    depth = max(component.bits for component in pixels.components)
    lost = [f"{depth} bits to {layout.depth}"] if depth > layout.depth else []
    across, down = (size(64) for size in (pixels.chroma_width, pixels.chroma_height))
    if len(pixels.components) > 2 and (across, down) > layout.size(1, 64, 64):
        lost.append(f"{_CHROMA[across, down]} chroma to {_CHROMA[layout.size(1, 64, 64)]}")
    return f"the video's samples are converted: {', '.join(lost)}" if lost else None


_CHROMA = {(64, 64): "4:4:4", (32, 64): "4:2:2", (64, 32): "4:4:0", (32, 32): "4:2:0"}
"""By the chroma samples of 64x64 pixels."""
