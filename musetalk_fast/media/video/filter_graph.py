"""Runs FFmpeg's filters over the frames of a video, or over one frame at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING

from musetalk_fast.errors import VideoFormatError
from musetalk_fast.media.video.colour_tags import UNSPECIFIED
from musetalk_fast.media.video.frame_decoder import FrameShape, Numbered
from musetalk_fast.media.video.frame_filter import Preparation
from musetalk_fast.types import ColourTags

if TYPE_CHECKING:
    import av
    from av.filter.graph import Graph


def filtered(
    frames: Iterable[Numbered], preparation: Preparation, pix_fmt: str
) -> Iterator[Numbered]:
    """Prepare frames that follow one another; as many come out as go in.

    Deinterlaced frames are made of their neighbours, too, so those must be among them.
    """
    graph = _graph(preparation.shape, preparation.tags, tuple(preparation.filters(pix_fmt)))
    numbers: deque[int] = deque()
    for number, frame in frames:
        numbers.append(number)
        _tag(frame, preparation.tags, number)
        with _filter_errors(number):
            graph.vpush(frame)
        yield from _pulled(graph, numbers)
    graph.vpush(None)
    yield from _pulled(graph, numbers)


def _pulled(graph: Graph, numbers: deque[int]) -> Iterator[Numbered]:
    import av

    while True:
        try:
            with _filter_errors(numbers[0] if numbers else 0):
                frame = graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
        yield Numbered(numbers.popleft(), frame)


@contextmanager
def _filter_errors(number: int) -> Iterator[None]:
    """Raise an error of ours where FFmpeg's filters refuse a frame."""
    import av

    try:
        yield
    except (av.BlockingIOError, av.EOFError):
        raise
    except av.FFmpegError as error:
        raise VideoFormatError(
            f"source frame {number} cannot be converted: {error.strerror}",
            hint="encode the video anew, as H.264 for example",
        ) from error


def _tag(frame: av.VideoFrame, tags: ColourTags, number: int) -> None:
    """Give a frame the properties that the graph was made for: it would refuse others."""
    frame.colorspace, frame.color_range = tags.matrix, tags.range
    # Nothing is converted by these; FFmpeg's scaler refuses numbers that it does not know.
    frame.color_primaries = frame.color_trc = UNSPECIFIED
    frame.pts, frame.time_base = number, Fraction(1)


class FrameFilter:
    """FFmpeg's filters that make one frame of each, at once.

    Args:
        size: (width, height) of the frames that are given.
        pix_fmt: their format.
        colour: their tags.
        filters: one after the other.
    """

    def __init__(
        self, size: tuple[int, int], pix_fmt: str, colour: ColourTags, filters: Iterable[str]
    ) -> None:
        shape = FrameShape(*size, pix_fmt)
        self._tags = colour
        self._graph = _graph(shape, colour, tuple(filters))

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """What they make of a frame."""
        _tag(frame, self._tags, 0)
        with _filter_errors(0):
            self._graph.vpush(frame)
            return self._graph.vpull()


def _graph(shape: FrameShape, tags: ColourTags, filters: Sequence[str]) -> Graph:
    from av.filter import Graph

    graph = Graph()
    graph.threads = 1
    source = graph.add(
        "buffer",
        video_size=f"{shape.width}x{shape.height}",
        pix_fmt=shape.pix_fmt,
        time_base="1/1",
        pixel_aspect="1/1",
        colorspace=str(tags.matrix),
        range=str(tags.range),
    )
    chain = [graph.add(name, options) for name, _, options in (f.partition("=") for f in filters)]
    graph.link_nodes(source, *chain, graph.add("buffersink")).configure()
    return graph
