"""Where the sound of each packet of a track begins, and how long it is, without decoding it."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import av

_TRIMS = "skip_samples"
"""FFmpeg's note on a packet: how many samples at its beginning and its end are not heard, as two
integers of 32 bits."""

_FRAMES = {"ac3": 1536}
"""Samples of every packet, where FFmpeg's decoder does not say it; ETSI TS 102 366, 4.1."""

_FLAC_BLOCK = slice(0, 2), slice(2, 4)
"""Of STREAMINFO: the shortest and the longest block, in samples; RFC 9639, 8.2."""

_OPUS_RATE = 48_000
_OPUS_SILK = (480, 960, 1920, 2880)
_OPUS_CELT = (120, 240, 480, 960)
"""Samples of a frame, by the configuration in a packet's first byte; RFC 6716, 3.1."""


class PacketClock:
    """Counts the samples of a track's packets, which follow one another.

    By the samples that a packet of such a codec has, where the file's clock counts in coarser ticks
    (milliseconds, in Matroska): nothing is rounded, and nothing drifts.

    Attributes:
        rate: samples a second.
        priming: samples of the first packets that are not heard.
        end: of what is heard so far, in samples.
        is_cut: the file leaves out samples in the middle, by an edit list for example.
    """

    def __init__(self, track: av.AudioStream) -> None:
        context = track.codec_context
        self.rate = context.sample_rate
        self.priming = self.end = 0
        self.is_cut = False
        self._codec = context.codec.canonical_name
        self._frame = context.frame_size or _frame_samples(self._codec, context.extradata)
        self._first: Any = None
        self._next = 0
        # Made once: fractions are slow, and there is a packet every 20 ms.
        per_tick = Fraction(track.time_base or 0) * self.rate
        self._per_tick = per_tick.numerator, per_tick.denominator
        self._is_fine = track.time_base is not None and per_tick <= 1
        self._has_ended = False

    def place(self, packet: Any) -> tuple[int, int]:
        """Where the next packet begins, and how long it is; priming is before 0."""
        skipped, dropped = _trims(packet)
        is_first = self._first is None
        if is_first:
            self._first = packet.pts
            self.priming, self._next = skipped, -skipped
        self.is_cut |= self._has_ended or bool(skipped and not is_first)
        self._has_ended = bool(dropped)
        frame = self._frame or _opus_samples(self._codec, packet)
        samples = self._stamped(packet.duration or 0) or frame
        if not self._is_fine:
            samples = frame or samples
            if not frame and packet.pts is not None and self._first is not None:
                self._next = self._stamped(packet.pts - self._first) - self.priming
        if dropped and samples == frame:
            samples = max(0, samples - dropped)
        if is_first and self._codec == "vorbis" and not skipped:
            samples = 0  # its first packet only prepares the second one
        start, self._next = self._next, self._next + samples
        self.end = self._next
        self.is_cut |= packet.is_discard and self.end > 0
        return start, samples

    def _stamped(self, ticks: int) -> int:
        """The nearest number of samples."""
        numerator, denominator = self._per_tick
        return (2 * ticks * numerator + denominator) // (2 * denominator)


def _trims(packet: Any) -> tuple[int, int]:
    """Samples that are not heard at a packet's beginning and end."""
    if not packet.has_sidedata(_TRIMS):
        return 0, 0
    data = bytes(packet.get_sidedata(_TRIMS))
    return int.from_bytes(data[:4], "little"), int.from_bytes(data[4:8], "little")


def _frame_samples(codec: str, extradata: bytes | None) -> int:
    if codec == "flac" and extradata:
        shortest, longest = (int.from_bytes(extradata[each], "big") for each in _FLAC_BLOCK)
        return longest if shortest == longest else 0
    return _FRAMES.get(codec, 0)


def _opus_samples(codec: str, packet: Any) -> int:
    if codec != "opus" or not packet.size:
        return 0
    data = bytes(packet)[:2]
    config, code = data[0] >> 3, data[0] & 3
    frame = _OPUS_CELT[config & 3] if config >= 16 else _OPUS_SILK[config & 3]
    if 12 <= config < 16:
        frame = _OPUS_SILK[config & 1]
    count = (1, 2, 2, data[1] & 63 if len(data) > 1 else 0)[code]
    return frame * count
