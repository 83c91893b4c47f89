"""Dolby Vision: whether the base layer can be shown without its metadata."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from musetalk_fast.errors import VideoFormatError
from musetalk_fast.media.video.display_matrix import side_data

if TYPE_CHECKING:
    import av

_DATA = ("DOVI_METADATA", "DOVI_RPU_BUFFER")
_HEADER_PLACE = struct.Struct("@N")
"""FFmpeg's AVDOVIMetadata begins with where its header is."""

_PROFILE_PLACE = 4
"""In that header (AVDOVIRpuDataHeader), behind the type and the format: the RPU's profile."""

_UNKNOWN = (0, 2, 3)
_IPT = 15
"""H.273's numbers: of no transfer, and of a matrix."""


def refuse_bare_dolby_vision(frame: av.VideoFrame) -> None:
    """Refuse frames that mean nothing without the metadata beside them.

    Of profile 5 they are IPT, of the profiles 7, 8 and 10.x a base layer of HDR10, HLG or SDR.
    FFmpeg takes a stream for profile 5 where its RPU's profile is 0 (`guess_profile` in
    `libavcodec/dovi_rpu.c`).

    Raises:
        errors.VideoFormatError: of profile 5.
    """
    found = {data.type.name: data for data in side_data(frame)}
    if not any(name in found for name in _DATA):
        return
    metadata = found.get("DOVI_METADATA")
    profile = None if metadata is None else _rpu_profile(bytes(metadata))
    is_unnamed = profile is None and frame.color_trc in _UNKNOWN
    if profile == 0 or is_unnamed or frame.colorspace == _IPT:
        raise VideoFormatError(
            "this is Dolby Vision of profile 5, whose colours nothing else can show",
            hint="convert it to HDR10, HLG or SDR with a tool that knows Dolby Vision, or record "
            "with profile 8",
        )


def _rpu_profile(metadata: bytes) -> int | None:
    if len(metadata) < _HEADER_PLACE.size:
        return None
    (header,) = _HEADER_PLACE.unpack_from(metadata)
    place = header + _PROFILE_PLACE
    return metadata[place] if place < len(metadata) else None
