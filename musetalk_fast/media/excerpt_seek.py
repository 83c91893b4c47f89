"""Seeks to shortly before an excerpt, so that what precedes it is not decoded."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from musetalk_fast.media.audio_file import UNTIMED, AudioFile
from musetalk_fast.media.audio_packets import PacketDecoder

if TYPE_CHECKING:
    import av

_PREROLL = Fraction(1)
"""Seconds that are decoded before an excerpt: decoders need up to a few frames until they are
right again (MP3's reservoir of bits, the overlap of AAC, 80 ms of Opus)."""

_SEEKABLE = frozenset(("aiff", "caf", "flac", "matroska", "mov", "ogg", "w64", "wav"))
"""Formats that are sought by exact times. Of others without a clock the packets are counted; what
remains is decoded from its beginning."""


class Beginning(NamedTuple):
    """Where reading begins.

    Attributes:
        packets: from there on.
        origin: the stamp of the recording's first sample, in seconds; None: that is what comes, or
            packets are counted.
    """

    packets: PacketDecoder
    origin: float | None = None

    def position(self, frame: av.AudioFrame) -> int:
        """How many samples of the recording are before the first frame that is decoded."""
        stamp = _stamp(frame)
        if self.origin is None or stamp is None:
            return self.packets.begins
        return round((stamp - self.origin) * frame.sample_rate)


def begin(source: AudioFile, start: Fraction) -> Beginning:
    """Go to the last second before `start`, or stay before it.

    Raises:
        errors.InputError: as `PacketDecoder.frames`.
    """
    before = start - _PREROLL
    if before <= 0:
        return Beginning(PacketDecoder(source))
    if source.format in UNTIMED:
        return Beginning(PacketDecoder(source, before))
    if source.format in _SEEKABLE:
        origin = _next_stamp(source)
        if origin is not None and _is_sought(source, origin, before):
            return Beginning(PacketDecoder(source), origin)
        _seek(source, 0.0)
    return Beginning(PacketDecoder(source))


def _is_sought(source: AudioFile, origin: float, before: Fraction) -> bool:
    """Whether the file could be sought to there, or to something earlier."""
    to = origin + float(before)
    if not _seek(source, to):
        return False
    stamp = _next_stamp(source)
    return stamp is not None and origin <= stamp <= to and _seek(source, to)


def _next_stamp(source: AudioFile) -> float | None:
    for _, frame in PacketDecoder(source).frames():
        return _stamp(frame)
    return None


def _stamp(frame: av.AudioFrame) -> float | None:
    """When a frame begins by the file's clock, in seconds."""
    if frame.pts is None or frame.time_base is None:
        return None
    return float(frame.pts * frame.time_base)


def _seek(source: AudioFile, secs: float) -> bool:
    import av

    assert source.track.time_base is not None
    try:
        source.container.seek(int(secs / source.track.time_base), stream=source.track)
    except av.FFmpegError:
        return False
    return True
