"""Colour tags of a video: its own, and where they are missing the customary ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musetalk_fast.errors import VideoFormatError
from musetalk_fast.media.video.dolby_vision import refuse_bare_dolby_vision
from musetalk_fast.types import ColourTags

if TYPE_CHECKING:
    import av

RGB_MATRIX = 0
UNSPECIFIED = 2
_NO_MATRIX = (0, UNSPECIFIED, 3)
"""H.273's and FFmpeg's numbers for unspecified and reserved; as a matrix, 0 is RGB."""
_PRIMARIES = (1, *range(4, 13), 22)
_TRANSFERS = (1, *range(4, 19))
"""Those of H.273 (07/2024, tables 2 and 3); whatever else a file says is reserved."""
_LIMITED, _FULL = 1, 2
_HDR = (16, 18)
"""PQ and HLG."""
_BT2020 = 9
_KNOWN_MATRICES = (1, 4, 5, 6, 7, _BT2020)
"""BT.709, FCC, BT.601 (as in PAL and in NTSC), SMPTE 240M, BT.2020."""
_OTHER_MATRICES = {10: "BT.2020 with constant luminance", 14: "ICtCp", 15: "IPT"}


def colour_tags(frame: av.VideoFrame) -> ColourTags:
    """The tags of a frame; what they leave open is filled in.

    Without a matrix it is BT.709's from 1280 pixels across or above 576 down, else BT.601's;
    without primaries they are those that go with that: of 625 lines where there are 576 of them, of
    525 where there are 480 or 486. Both are mpv's rule (`mp_csp_guess_colorspace` and
    `mp_csp_guess_primaries` in `video/csputils.c`). HDR has those of BT.2020. The transfer is
    BT.709's, of which BT.601 has the same. The range is limited, but for JPEG's pixel formats. RGB
    has the primaries of sRGB.

    Raises:
        errors.VideoFormatError: Dolby Vision without a base layer, or a matrix that is not known
            here.
    """
    refuse_bare_dolby_vision(frame)
    matrix = frame.colorspace
    if _is_rgb(frame):
        matrix = RGB_MATRIX
    elif matrix in _NO_MATRIX:
        matrix = _guessed_matrix(frame)
    elif matrix not in _KNOWN_MATRICES:
        name = _OTHER_MATRICES.get(matrix, f"number {matrix}")
        raise VideoFormatError(
            f"its colour matrix is not supported: {name}",
            hint="convert it to BT.709",
        )
    full = frame.color_range == _FULL or frame.format.name.startswith("yuvj") or _is_rgb(frame)
    return ColourTags(
        matrix=matrix,
        range=_FULL if full else _LIMITED,
        primaries=frame.color_primaries
        if frame.color_primaries in _PRIMARIES
        else _guessed_primaries(frame),
        transfer=frame.color_trc if frame.color_trc in _TRANSFERS else 1,
    )


def container_tags(track: av.VideoStream) -> ColourTags:
    """What the container says of a track that was not decoded yet; 0 and 2 for nothing.

    Its decoder overwrites this, also by what the video itself leaves open.
    """
    context = track.codec_context
    return ColourTags(
        matrix=context.colorspace,
        range=context.color_range,
        primaries=context.color_primaries,
        transfer=context.color_trc,
    )


def fill_in(frame: av.VideoFrame, stated: ColourTags) -> None:
    """Give a frame the tags that it leaves open."""
    if frame.colorspace in _NO_MATRIX and not _is_rgb(frame):
        frame.colorspace = stated.matrix
    if frame.color_primaries not in _PRIMARIES:
        frame.color_primaries = stated.primaries
    if frame.color_trc not in _TRANSFERS:
        frame.color_trc = stated.transfer
    if frame.color_range not in (_LIMITED, _FULL):
        frame.color_range = stated.range


def _guessed_matrix(frame: av.VideoFrame) -> int:
    if frame.color_trc in _HDR:
        return _BT2020
    return 1 if frame.width >= 1280 or frame.height > 576 else 6


def _guessed_primaries(frame: av.VideoFrame) -> int:
    if frame.color_trc in _HDR or frame.colorspace == _BT2020:
        return _BT2020
    if frame.width >= 1280 or frame.height > 576 or _is_rgb(frame):
        return 1
    return {576: 5, 480: 6, 486: 6}.get(frame.height, 1)


def _is_rgb(frame: av.VideoFrame) -> bool:
    return bool(frame.format.is_rgb)
