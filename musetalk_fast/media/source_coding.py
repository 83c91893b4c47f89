"""How the picture of a video file is encoded: what an output that matches it takes over."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from musetalk_fast.media.avatar import is_video_file
from musetalk_fast.media.image_sequence import find_sequence
from musetalk_fast.media.video.video_file import VideoFile


class TrackCoding(NamedTuple):
    """How a video file is encoded.

    Attributes:
        family: the kind of video, by FFmpeg's name.
        profile: of it, by FFmpeg's name; None: not said.
        depth: bits of a sample.
        bitrate: bits a second, of the whole file where it does not say that of the track; None:
            not said.
    """

    family: str
    profile: str | None
    depth: int
    bitrate: int | None


def track_coding(path: Path) -> TrackCoding | None:
    """How a video file is encoded; None of a picture, an animation or a sequence.

    Raises:
        errors.InputError: as `avatar.open_avatar`.
    """
    if find_sequence(path) or not is_video_file(path):
        return None
    with VideoFile(path) as file:
        context = file.track.codec_context
        bitrate = context.bit_rate or file.container.bit_rate or None
        layout = context.format
        depth = 8 if layout is None else max(each.bits for each in layout.components)
        return TrackCoding(context.codec.canonical_name, context.profile, depth, bitrate)
