"""What is done to every frame of a video before it is used, as FFmpeg's filters, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from musetalk_fast.media.frame_size import Geometry, Placement
from musetalk_fast.media.video.colour_tags import RGB_MATRIX
from musetalk_fast.media.video.display_matrix import Turn
from musetalk_fast.media.video.frame_decoder import FrameShape
from musetalk_fast.types import BT709, Box, ColourTags

_MATRICES = {1: "bt709", 4: "fcc", 5: "bt470", 6: "smpte170m", 7: "smpte240m", 9: "bt2020"}
_KEPT = (1, 5, 6, 9)
"""Matrices that crops are converted by, see `kernels.yuv_matrix`, and that of HDR."""
_RANGES = {1: "limited", 2: "full"}
_SCALER = "accurate_rnd+full_chroma_int+full_chroma_inp"
_RGB = "rgb24"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """How a video's decoded frames become source frames.

    Attributes:
        shape: of the decoded frames.
        tags: of the decoded frames.
        turn: applied after all odd columns and rows are cut off.
        window: what of a frame that is upright becomes the source frame; from even columns and
            rows on.
        size: (width, height) of the source frames: those of the window, or it is scaled to them.
        is_whole: odd columns and rows are not cut off before: scaling makes the size even.
        is_interlaced: frames that are marked so are deinterlaced.
        has_alpha: something of them is transparent. Colours are straight: not multiplied by alpha.
    """

    shape: FrameShape
    tags: ColourTags
    turn: Turn
    window: Box
    size: tuple[int, int]
    is_whole: bool
    is_interlaced: bool
    has_alpha: bool = False

    @property
    def is_scaled(self) -> bool:
        """Whether samples change."""
        return self.size != (self.window.width, self.window.height)

    @property
    def upright(self) -> tuple[int, int]:
        """(width, height) of a frame that was turned."""
        return self._kept[::-1] if self.turn.is_quarter else self._kept

    @property
    def _kept(self) -> tuple[int, int]:
        """Columns and rows that are left before frames are turned."""
        width, height = self.shape[:2]
        return (width, height) if self.is_whole else (width - width % 2, height - height % 2)

    @property
    def colour(self) -> ColourTags:
        """The tags of the source frames.

        RGB and matrices that crops cannot be converted by become BT.709's.
        """
        tags = self.tags
        if tags.matrix == RGB_MATRIX:
            limited = BT709.range
            return ColourTags(
                matrix=1, range=limited, primaries=tags.primaries, transfer=tags.transfer
            )
        if tags.matrix in _KEPT:
            return tags
        return ColourTags(
            matrix=1, range=tags.range, primaries=tags.primaries, transfer=tags.transfer
        )

    def shown_in(self, geometry: Geometry) -> tuple[Preparation, Placement]:
        """What a geometry shows of the source frames, as large as it does, from whole pixels on.

        Returns:
            Of frames of `geometry.shown`; and where the source frames' points are in the frames.
        """
        (width, height), shown = self.size, geometry.shown
        turned = self.upright
        ends = geometry.window
        left, right = _even_ends(ends[0], ends[2], turned[0] / width, turned[0])
        top, bottom = _even_ends(ends[1], ends[3], turned[1] / height, turned[1])
        window = Box(left, top, right - left, bottom - top)
        across = shown.width * turned[0] / (window.width * width)
        down = shown.height * turned[1] / (window.height * height)
        placement = Placement(
            across,
            down,
            shown.x - left * width / turned[0] * across,
            shown.y - top * height / turned[1] * down,
            self.size,
            geometry.size,
        )
        return replace(self, window=window, size=(shown.width, shown.height)), placement

    def changes(self, pix_fmt: str) -> bool:
        """Whether the decoded samples are not those of source frames in a pixel format."""
        return (
            self.turn is not Turn.NONE
            or self._kept != self.shape[:2]
            or self.window != Box(0, 0, *self.upright)
            or self.is_scaled
            or self.is_interlaced
            or self.colour != self.tags
            or plain_format(self.shape.pix_fmt) != pix_fmt
        )

    def filters(self, pix_fmt: str) -> Iterator[str]:
        """FFmpeg's filters that make source frames in a pixel format, one after the other."""
        if self.is_interlaced:
            # One frame for each; those that are not marked as interlaced pass.
            yield "bwdif=mode=send_frame:deint=interlaced"
        if self._kept != self.shape[:2]:
            yield "crop={}:{}:0:0".format(*self._kept)
        if self.turn.is_quarter and _is_422(self.shape.pix_fmt):
            # On its side such chroma is in no format that is known here.
            yield scale_filter(None, self.tags, self.tags)
            yield f"format={self.shape.pix_fmt.replace('422', '444')}"
        yield from self.turn.filters
        if self.window != Box(0, 0, *self.upright):
            yield f"crop={self.window.width}:{self.window.height}:{self.window.x}:{self.window.y}"
        if self.has_alpha and self.is_scaled:
            yield from self._weighed()
        yield scale_filter(self.size, self.tags, self._made(pix_fmt))
        yield f"format={pix_fmt}"

    def _weighed(self) -> Iterator[str]:
        """Scale so that what is hidden does not tint what is seen."""
        in_rgb = self.tags.matrix == RGB_MATRIX
        yield f"format={'gbrap' if in_rgb else self.shape.pix_fmt}"
        yield "premultiply=inplace=1"
        # Mitchell's cubic: what overshoots is cut off in alpha, and would glow in the colours.
        yield scale_filter(self.size, self.tags, self.tags) + ":param0=0.3333:param1=0.3333"
        yield "unpremultiply=inplace=1"

    def _made(self, pix_fmt: str) -> ColourTags:
        if pix_fmt != _RGB:
            return self.colour
        return ColourTags(
            matrix=RGB_MATRIX, range=2, primaries=self.tags.primaries, transfer=self.tags.transfer
        )


def scale_filter(
    size: tuple[int, int] | None, tags: ColourTags, made: ColourTags, kernel: str = "bicubic"
) -> str:
    """FFmpeg's filter that scales and converts.

    Args:
        size: (width, height) to reach; None: as it is.
        tags: of what comes.
        made: of what is made.
    """
    options = [f"flags={kernel}+{_SCALER}"]
    if size is not None:
        options += [f"w={size[0]}", f"h={size[1]}"]
    for end, of in (("in", tags), ("out", made)):
        options.append(f"{end}_range={_RANGES[of.range]}")
        if of.matrix != RGB_MATRIX:
            options.append(f"{end}_color_matrix={_MATRICES[of.matrix]}")
    return "scale=" + ":".join(options)


def _even_ends(first: float, last: float, scale: float, most: int) -> tuple[int, int]:
    """The even pixels nearest to both ends of a stretch that was measured in other pixels."""
    start = min(round(first * scale / 2) * 2, most - 2)
    stop = most if last * scale > most - 1 else round(last * scale / 2) * 2
    return start, max(start + 2, stop)


def plain_format(pix_fmt: str) -> str:
    """FFmpeg's pixel format without a range in its name."""
    return pix_fmt.replace("yuvj", "yuv")


def opaque_format(pix_fmt: str) -> str:
    """FFmpeg's pixel format without the alpha that it may have; another order of RGB will do."""
    if pix_fmt.startswith("yuva"):
        return pix_fmt.replace("yuva", "yuv")
    return _RGB if any(name in pix_fmt for name in ("rgba", "bgra", "argb", "abgr")) else pix_fmt


def _is_422(pix_fmt: str) -> bool:
    return "422" in pix_fmt
