"""Opens a video and collects its facts before frames are used."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from musetalk_fast.errors import InputError
from musetalk_fast.media.video.colour_tags import container_tags
from musetalk_fast.media.video.frame_decoder import FrameDecoder
from musetalk_fast.media.video.frame_index import FrameIndex, read_index
from musetalk_fast.media.video.frame_rate import Timing, timing
from musetalk_fast.media.video.opacity import finds_transparency
from musetalk_fast.media.video.stream_facts import StreamFacts, facts_of, has_alpha
from musetalk_fast.media.video.video_file import VideoFile
from musetalk_fast.types import ColourTags


class OpenedVideo(NamedTuple):
    """Where a video's frames are, how they come, and when each is shown."""

    frames: FrameIndex
    facts: StreamFacts
    timing: Timing


def opened(path: Path, is_transparent: bool | None) -> OpenedVideo:
    """Read a video's packets and look at its first frame.

    Args:
        is_transparent: whether something of it is; None: it is looked at.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
        errors.VideoFormatError: no video in it that can be decoded and used.
        errors.ImageSizeError: a side outside 64..8192 pixels.
    """
    with VideoFile(path) as file:
        index = read_index(file)
        track = file.track
        tags = container_tags(track)
        rates = (track.average_rate, track.guessed_rate, track.codec_context.framerate)
        tick = track.time_base
        assert tick is not None
    try:
        facts = _facts(path, index, tags, is_transparent)
        return OpenedVideo(index, facts, timing(index.stamps, index.duration, tick, rates))
    except InputError as error:
        error.where = error.where or str(path)
        raise


def _facts(
    path: Path, index: FrameIndex, tags: ColourTags, is_transparent: bool | None
) -> StreamFacts:
    with VideoFile(path) as file:
        probe = FrameDecoder(file, index, bytearray(index.frames), None)
        ((_, frame),) = probe.frames(0, 0)
        facts = facts_of(frame, file.track, tags)
        if not has_alpha(frame.format):
            return facts
        if is_transparent is None:
            is_transparent = finds_transparency(probe, index)
        return facts.with_alpha(is_transparent)
