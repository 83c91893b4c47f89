"""HDR frames of a video become SDR: BT.709 with 8 bits, limited range."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from musetalk_fast.errors import VideoFormatError
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.media.video.display_matrix import side_data
from musetalk_fast.media.video.frame_decoder import Numbered
from musetalk_fast.media.video.frame_filter import plain_format
from musetalk_fast.media.video.tone_curve import (
    HLG,
    HLG_PEAK,
    PEAKS,
    PQ,
    ToneCurve,
    is_hdr,
    is_mappable,
)
from musetalk_fast.media.video.tone_tables import tone_table
from musetalk_fast.types import BT709, MAX_MASTERING, ColourTags, Mastering

if TYPE_CHECKING:
    import av

MAPPED_FROM, MAPPED_TO = "yuv420p10le", "yuv420p"
"""FFmpeg's pixel formats."""

BT2020_MATRIX = 9
_UNKNOWN_PEAK = 1000.0
"""cd/m2: what most is mastered for."""

_MASTERING = struct.Struct("=22i")
"""FFmpeg's AVMasteringDisplayMetadata: ten rationals, the last one the brightest light; whether
there are primaries, and whether there is light."""

_SIDE_DATA = ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL")
_UNITS = (*[50_000] * 8, 10_000, 10_000)
_MEMBERS = (
    *("red_x", "red_y", "green_x", "green_y", "blue_x", "blue_y", "white_x", "white_y"),
    *("darkest", "brightest", "brightest_pixel", "brightest_frame"),
)
"""In FFmpeg's order."""

_LIGHT_LEVEL = struct.Struct("=2I")
"""AVContentLightMetadata: the brightest pixel, and the brightest frame on average."""


def tone_curve_of(frame: av.VideoFrame, tags: ColourTags) -> ToneCurve | None:
    """How frames like the first one are mapped; None for those that are SDR.

    The peak of PQ is that of the content, else of the display that it was mastered on, else 1000
    cd/m2.

    Raises:
        errors.VideoFormatError: primaries or a transfer for which there is no curve.
    """
    if not (is_hdr(tags) or tags.matrix == BT2020_MATRIX):
        return None
    if not is_mappable(tags):
        raise VideoFormatError(
            f"its colours are not known here: primaries {tags.primaries}, transfer {tags.transfer} "
            "(ITU-T H.273)",
            hint="convert it to BT.2020 or BT.709",
        )
    mastering = _mastering(frame)
    if tags.transfer == PQ:
        return ToneCurve(tags, min(max(_peak(mastering), PEAKS[0]), PEAKS[1]), mastering)
    if tags.transfer == HLG:
        return ToneCurve(tags, HLG_PEAK, mastering)
    return ToneCurve(tags, PEAKS[0])


def tone_note(curve: ToneCurve) -> str:
    """What is done to the video, for the user."""
    name = {PQ: "PQ", HLG: "HLG"}.get(curve.tags.transfer)
    if name is None:
        return "the video has the colours of BT.2020: they are converted to BT.709"
    return f"the video is HDR ({name}): it is tone-mapped to SDR (BT.709)"


def tone_mapped(frames: Iterable[Numbered], curve: ToneCurve) -> Iterator[Numbered]:
    """Map frames of `MAPPED_FROM` with even sides; each comes in memory of its own."""
    import av

    table = tone_table(curve)
    for number, frame in frames:
        made = av.VideoFrame(frame.width, frame.height, MAPPED_TO)
        table.map(frame_planes(frame), frame_planes(made))
        made.colorspace, made.color_range = BT709.matrix, BT709.range
        yield Numbered(number, made)


def frame_planes(frame: av.VideoFrame) -> Planes:
    """The samples of a frame in one of `LAYOUTS`, where they lie."""
    buffers = frame.planes
    strides = [plane.line_size for plane in buffers]
    layout = LAYOUTS[plain_format(frame.format.name)]
    return Planes(layout, frame.width, frame.height, buffers, strides)


def _mastering(frame: av.VideoFrame) -> Mastering | None:
    """What the side data say; None without a display. Of it, 0 is what they do not say."""
    found = {data.type.name: bytes(data) for data in side_data(frame)}
    display, level = (found.get(name, b"") for name in _SIDE_DATA)
    if len(display) < _MASTERING.size and len(level) < _LIGHT_LEVEL.size:
        return None
    values = [0] * 10
    if len(display) >= _MASTERING.size:
        *numbers, has_primaries, has_light = _MASTERING.unpack_from(display)
        pairs = zip(numbers[::2], numbers[1::2], strict=True)
        values = [
            _counted(*pair, unit) if is_known else 0
            for pair, unit, is_known in zip(
                pairs, _UNITS, [has_primaries] * 8 + [has_light] * 2, strict=True
            )
        ]
    content = _LIGHT_LEVEL.unpack_from(level) if len(level) >= _LIGHT_LEVEL.size else (0, 0)
    levels = (min(each, MAX_MASTERING) for each in content)
    return Mastering(**dict(zip(_MEMBERS, (*values, *levels), strict=True)))


def _counted(number: int, parts: int, unit: int) -> int:
    """A rational in parts of a unit."""
    if parts <= 0:
        return 0
    return min(max(0, round(number * unit / parts)), MAX_MASTERING)


def _peak(mastering: Mastering | None) -> float:
    if mastering is None:
        return _UNKNOWN_PEAK
    return mastering.brightest_pixel or mastering.brightest / 10_000 or _UNKNOWN_PEAK
