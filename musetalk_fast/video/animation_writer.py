"""Frames become a moving picture in one file: GIF, WebP or APNG."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import islice

import av

from musetalk_fast.errors import EncoderError
from musetalk_fast.storage import AtomicFile, write_errors
from musetalk_fast.video.containers import ContainerFormat
from musetalk_fast.video.encoder_options import has_alpha
from musetalk_fast.video.palette import in_palette, make_palette
from musetalk_fast.video.rgb_frames import FrameLook

_MAX_SAMPLES = 256
"""Frames that a palette is made from: its colours are counted in memory."""

_TICKS = {"gif": 100, "webp": 1000}
"""A second in what these formats count in; APNG has fractions."""

_OPTIONS = {"libwebp_anim": {"quality": "85"}, "apng": {"pred": "mixed"}}
_FORMATS = {
    "gif": ("rgb24", "rgba"),
    "libwebp_anim": ("bgra", "bgra"),
    "apng": ("rgb24", "rgba"),
}
"""The RGB format of the pictures, without and with alpha."""


def animation_format(container: ContainerFormat, look: FrameLook) -> str:
    """FFmpeg's name of the RGB format that `write_animation` takes."""
    assert container.pictures is not None
    return _FORMATS[container.pictures][has_alpha(look.pix_fmt)]


def write_animation(
    frames: Callable[[], Iterator[av.VideoFrame]],
    count: int,
    file: AtomicFile,
    container: ContainerFormat,
    look: FrameLook,
    fps: Fraction,
) -> None:
    """Write frames that follow one another; one is in memory at a time, but for WebP.

    Frame i is shown from i/fps on, in GIF from the nearest hundredth of a second and in WebP from
    the nearest thousandth, so that rounding never adds up.

    Args:
        frames: gives all frames, in `animation_format`; for GIF it is called twice.
        count: how many there are.

    Raises:
        errors.EncoderError: they cannot be encoded.
        errors.OutputWriteError: the disk is full or the folder gone.
    """
    pix_fmt = animation_format(container, look)
    shown: Iterable[av.VideoFrame] = frames()
    if container.pictures == "gif":
        step = -(-count // _MAX_SAMPLES)
        palette = make_palette(islice(frames(), 0, None, step), look.width, look.height)
        shown = in_palette(shown, palette, look.width, look.height, pix_fmt)
        pix_fmt = "pal8"
    try:
        _write(shown, count, file, container, look, fps, pix_fmt)
    except av.FFmpegError as error:
        message = f"cannot be encoded: {error.strerror or error}"
        raise EncoderError(message, where=container.name) from error


def _write(
    frames: Iterable[av.VideoFrame],
    count: int,
    file: AtomicFile,
    container: ContainerFormat,
    look: FrameLook,
    fps: Fraction,
    pix_fmt: str,
) -> None:
    assert container.pictures is not None
    ticks = _TICKS.get(container.name)
    tick = 1 / fps if ticks is None else Fraction(1, ticks)
    options = dict(container.muxer_options)
    if container.name == "gif":
        options["final_delay"] = str(_begin(count, fps, ticks) - _begin(count - 1, fps, ticks))
    with (
        write_errors(file.path),
        av.open(file.url, "w", format=container.muxer, container_options=options) as output,
    ):
        encoder = dict(_OPTIONS.get(container.pictures, {}))
        stream = output.add_stream(container.pictures, rate=fps, options=encoder)
        assert isinstance(stream, av.VideoStream)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = look.width, look.height, pix_fmt
        stream.time_base = context.time_base = tick
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = _begin(number, fps, ticks), tick
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def _begin(frame: int, fps: Fraction, ticks: int | None) -> int:
    """When a frame is shown: in ticks of which a second has so many, or 1/fps."""
    if ticks is None:
        return frame
    return (2 * frame * ticks * fps.denominator + fps.numerator) // (2 * fps.numerator)
