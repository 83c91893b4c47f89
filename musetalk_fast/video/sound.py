"""The sound track of the finished video: the recording, encoded once."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import av
from av.container import InputContainer, OutputContainer

from musetalk_fast.errors import AudioFormatError

Encoded: TypeAlias = "av.Packet[av.AudioStream] | av.Packet[av.VideoStream]"

Timed: TypeAlias = tuple[float, Encoded]
"""When a packet must be there for decoding, in seconds, and the packet."""

_OPUS_RATE = 48_000
_BITS_PER_SAMPLE = 2
_MAX_BITS = {"aac": 80_000, "libopus": 64_000}
"""Bits a second and channel; transparent for speech."""

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


class SoundTrack:
    """Encodes a recording into a container that is being written; memory stays bounded.

    Args:
        source: the recording; its own rate is kept where the encoder has it.
        container: not yet begun.
        encoder: FFmpeg's name.

    Raises:
        errors.AudioFormatError: it cannot be decoded.
    """

    def __init__(self, source: Path, container: OutputContainer, encoder: str) -> None:
        self._path = source
        self._input: InputContainer = av.open(f"file:{source}", metadata_errors="replace")
        frames = self._decoded()
        first = next(frames)
        self._frames = chain([first], frames)
        rate = _rate(encoder, first.sample_rate)
        channels = len(first.layout.channels)
        layout = _LAYOUTS.get(channels, "stereo")
        stream = container.add_stream(
            encoder,
            rate=rate,
            layout=layout,
            bit_rate=channels * min(_MAX_BITS[encoder], _BITS_PER_SAMPLE * rate),
        )
        assert isinstance(stream, av.AudioStream)
        self._stream = stream

    def packets(self) -> Iterator[Timed]:
        """Encode everything."""
        samples = 0
        for frame in self._frames:
            # Samples follow one another from 0, whatever the file's clock says.
            frame.pts, frame.time_base = samples, Fraction(1, frame.sample_rate)
            samples += frame.samples
            yield from self._timed(frame)
        yield from self._timed(None)

    def close(self) -> None:
        """Close the recording."""
        self._input.close()

    def _timed(self, frame: av.AudioFrame | None) -> Iterator[Timed]:
        for packet in self._stream.encode(frame):
            assert packet.dts is not None
            yield float(packet.dts * packet.time_base), packet

    def _decoded(self) -> Iterator[av.AudioFrame]:
        best = self._input.streams.best("audio")
        stream = best if isinstance(best, av.AudioStream) else self._input.streams.audio[0]
        try:
            yield from self._input.decode(stream)
        except av.FFmpegError as error:
            raise AudioFormatError(f"broken ({error.strerror})", where=str(self._path)) from error


def _rate(encoder: str, rate: int) -> int:
    if encoder == "libopus":
        return _OPUS_RATE
    rates = av.Codec(encoder, "w").audio_rates or []
    return min((known for known in rates if known >= rate), default=48_000)
