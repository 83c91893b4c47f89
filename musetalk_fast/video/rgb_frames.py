"""The frames of lossless parts as RGB, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple

import av
from av.filter.graph import Graph

from musetalk_fast.types import ColourTags
from musetalk_fast.video.parts import Part, damaged, open_part

_DECODER = "ffv1"
_MATRICES = {1: "bt709", 5: "bt470", 6: "smpte170m", 9: "bt2020"}
"""Those that frames are made with, see `kernels.yuv_matrix`, in FFmpeg's words."""
_RANGES = {1: "limited", 2: "full"}
_SCALER = "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
_TIME_BASE = Fraction(1)

_RGB, _FULL = 0, 2
_BT709, _UNKNOWN, _SRGB = 1, 2, 13
_TELEVISION = (_BT709, _UNKNOWN, 6, 14, 15)
"""Transfers of cameras (numbers of ITU-T H.273): pictures of them are shown as sRGB everywhere, and
stills have been sRGB before they became BT.709 frames."""


class FrameLook(NamedTuple):
    """What the frames of parts are.

    Attributes:
        width, height: in pixels.
        pix_fmt: FFmpeg's name of their pixel format.
        colour: what their samples mean.
    """

    width: int
    height: int
    pix_fmt: str
    colour: ColourTags


def rgb_frames(parts: Iterable[Part], look: FrameLook, pix_fmt: str) -> Iterator[av.VideoFrame]:
    """The frames of all parts in order; their `pts` is their number.

    Each is decoded when it is asked for: memory does not grow.

    Args:
        look: what they must be.
        pix_fmt: FFmpeg's name of the RGB format they become, full range.

    Raises:
        errors.OutputWriteError: a part cannot be read, is damaged, or holds other frames.
    """
    graph = _graph(look, pix_fmt)
    for number, frame in enumerate(decoded_frames(parts, look)):
        frame.pts, frame.time_base = number, _TIME_BASE
        frame.colorspace, frame.color_range = look.colour.matrix, look.colour.range
        graph.vpush(frame)
        yield _tagged(graph.vpull(), look.colour)


def _tagged(rgb: av.VideoFrame, colour: ColourTags) -> av.VideoFrame:
    """A picture that says what its colours are."""
    rgb.colorspace, rgb.color_range = _RGB, _FULL
    rgb.color_primaries = _BT709 if colour.primaries == _UNKNOWN else colour.primaries
    rgb.color_trc = _SRGB if colour.transfer in _TELEVISION else colour.transfer
    return rgb


def decoded_frames(parts: Iterable[Part], look: FrameLook) -> Iterator[av.VideoFrame]:
    """As `rgb_frames`, as they are encoded."""
    for part in parts:
        count = 0
        with open_part(part.path, _DECODER) as opened:
            context = opened.streams.video[0].codec_context
            if (context.width, context.height) != (look.width, look.height):
                raise damaged(part.path, f"its frames have {context.width}x{context.height} pixels")
            for frame in opened.decode(video=0):
                if (frame.width, frame.height, frame.format.name) != look[:3] or frame.is_corrupt:
                    raise damaged(part.path, f"its frame {count} is none of this video's")
                count += 1
                yield frame
        if count != part.frames:
            raise damaged(part.path, f"{count} of {part.frames} frames")


def _graph(look: FrameLook, pix_fmt: str) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add(
        "buffer",
        video_size=f"{look.width}x{look.height}",
        pix_fmt=look.pix_fmt,
        time_base=str(_TIME_BASE),
        pixel_aspect="1/1",
        colorspace=str(look.colour.matrix),
        range=str(look.colour.range),
    )
    scale = graph.add(
        "scale",
        flags=_SCALER,
        in_color_matrix=_MATRICES[look.colour.matrix],
        in_range=_RANGES[look.colour.range],
        out_range="full",
    )
    graph.link_nodes(source, scale, graph.add("format", pix_fmt), graph.add("buffersink"))
    graph.configure()
    return graph
