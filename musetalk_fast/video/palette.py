"""256 colours for a GIF, and its frames in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
from av.filter.graph import Graph

_TICK = Fraction(1)
_DITHER = "bayer"
_SCALE = 3
"""An ordered pattern: what does not move between frames keeps its colours, does not shimmer, and
takes no bytes. At 3 of 0 to 5 gradients have no bands and the pattern is not seen."""


def make_palette(frames: Iterable[av.VideoFrame], width: int, height: int) -> av.VideoFrame:
    """The 256 colours that show some frames best, one of them transparent if it has to be.

    Args:
        frames: RGB with or without alpha; each is looked at once.
    """
    graph: Graph | None = None
    for number, frame in enumerate(frames):
        if graph is None:
            alpha = int(has_alpha_channel(frame))
            graph = Graph()
            source = _buffer(graph, width, height, frame.format.name)
            maker = graph.add("palettegen", reserve_transparent=str(alpha))
            graph.link_nodes(source, maker, graph.add("buffersink")).configure()
        frame.pts, frame.time_base = number, _TICK
        graph.vpush(frame)
    assert graph is not None
    graph.vpush(None)
    return graph.vpull()


def in_palette(
    frames: Iterable[av.VideoFrame], palette: av.VideoFrame, width: int, height: int, pix_fmt: str
) -> Iterator[av.VideoFrame]:
    """The frames in the colours of a palette, `pts` as they were.

    Args:
        pix_fmt: FFmpeg's name of the frames' format.
    """
    graph = Graph()
    graph.threads = 1
    source = _buffer(graph, width, height, pix_fmt)
    colours = _buffer(graph, palette.width, palette.height, palette.format.name)
    mapped = graph.add("paletteuse", dither=_DITHER, bayer_scale=str(_SCALE))
    sink = graph.add("buffersink")
    source.link_to(mapped, 0, 0)
    colours.link_to(mapped, 0, 1)
    mapped.link_to(sink)
    graph.configure()
    palette.pts, palette.time_base = 0, _TICK
    colours.push(palette)
    colours.push(None)
    for frame in frames:
        frame.time_base = _TICK
        source.push(frame)
        yield from _pulled(graph)
    source.push(None)
    yield from _pulled(graph)


def has_alpha_channel(frame: av.VideoFrame) -> bool:
    """Whether a frame's format has alpha."""
    return any(component.is_alpha for component in frame.format.components)


def _pulled(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return


def _buffer(graph: Graph, width: int, height: int, pix_fmt: str) -> av.filter.context.FilterContext:
    return graph.add(
        "buffer",
        video_size=f"{width}x{height}",
        pix_fmt=pix_fmt,
        time_base=str(_TICK),
        pixel_aspect="1/1",
    )
