"""The sound track of the finished video: a recording's packets, or the recording encoded once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from typing import Any, Protocol, TypeAlias

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

from musetalk_fast.errors import AudioFormatError, EncoderError, SoundFormatError
from musetalk_fast.types import PlacedPacket

Encoded: TypeAlias = "av.Packet[av.AudioStream] | av.Packet[av.VideoStream]"

Timed: TypeAlias = tuple[float, Encoded]
"""When a packet must be there for decoding, in seconds, and the packet."""

_OPUS_RATE = 48_000
_LAST_RATE = 48_000
_BITS_PER_SAMPLE = 2
_BLOCK_SAMPLES = 1 << 14
_MAX_BITS = {"aac": 80_000, "libopus": 64_000}
"""Bits a second and channel; transparent for speech."""

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
"""Channels that both encoders and all players know; others are mixed to stereo."""


class SoundTrack(Protocol):
    """What becomes the sound of a video."""

    def add_to(self, container: OutputContainer) -> Iterator[Timed]:
        """Add a stream to a container that is not begun yet; its packets, as they come.

        Raises:
            errors.AudioFormatError, errors.EncoderError: this cannot be done.
        """


class CopiedTrack:
    """The packets of a recording as they are.

    Args:
        template: the stream that they are of.
        packets: in their order; samples before 0 are priming.
    """

    def __init__(self, template: av.AudioStream, packets: Iterable[PlacedPacket]) -> None:
        self._template = template
        self._packets = packets

    def add_to(self, container: OutputContainer) -> Iterator[Timed]:
        """See `SoundTrack`."""
        try:
            stream = container.add_stream_from_template(self._template, opaque=True)
        except ValueError as error:
            raise SoundFormatError(str(error)) from error
        stream.time_base = Fraction(1, self._template.codec_context.sample_rate)
        return self._timed(stream)

    def _timed(self, stream: av.AudioStream) -> Iterator[Timed]:
        tick = Fraction(1, self._template.codec_context.sample_rate)
        for packet, start, samples in self._packets:
            packet.stream, packet.time_base, packet.duration = stream, tick, samples
            packet.pts = packet.dts = start
            yield float(start * tick), packet


class EncodedTrack:
    """Encodes a recording; memory stays bounded.

    Args:
        frames: the recording as decoded; its own rate is kept where the encoder has it.
        encoder: FFmpeg's name.
        bitrate: bits a second; None: what is transparent for speech.
        bits: of the recording's samples, which an encoder without loss keeps up to 24.

    Raises:
        errors.AudioFormatError: there are no samples.
    """

    def __init__(
        self,
        frames: Iterable[av.AudioFrame],
        encoder: str,
        bitrate: int | None = None,
        bits: int = 16,
    ) -> None:
        self._frames = frames
        self._encoder = encoder
        self._bitrate = bitrate
        self._form = "s32" if bits > 16 else "s16"
        self._packer = av.AudioResampler(format="flt")

    def add_to(self, container: OutputContainer) -> Iterator[Timed]:
        """See `SoundTrack`."""
        remaining = iter(self._frames)
        # A container's audio parameters are not always right; the first frame's are.
        first = next(remaining, None)
        if first is None:
            raise AudioFormatError("the recording has no samples")
        self._frames = chain([first], remaining)
        encoder = self._encoder
        rate = _rate(encoder, first.sample_rate)
        layout = av.AudioLayout(_LAYOUTS.get(first.layout.nb_channels, "stereo"))
        stream = container.add_stream(encoder, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        if encoder in _MAX_BITS:
            usual = layout.nb_channels * min(_MAX_BITS[encoder], _BITS_PER_SAMPLE * rate)
            stream.bit_rate = self._bitrate or usual
        else:
            stream.format = self._form
        self._stream = stream
        return self._encode()

    def _encode(self) -> Iterator[Timed]:
        samples = 0
        for frame in self._cleaned():
            # Samples follow one another from 0, whatever the file's clock says.
            frame.pts, frame.time_base = samples, Fraction(1, frame.sample_rate)
            samples += frame.samples
            yield from self._timed(frame)
        yield from self._timed(None)

    def _cleaned(self) -> Iterator[av.AudioFrame]:
        """Float recordings may hold NaN or enormous values; encoders refuse both."""
        block = _Block()
        for frame in self._frames:
            if not frame.format.name.startswith(("flt", "dbl")):
                yield frame
                continue
            # Packed: PyAV's arrays of planes are wrong from eight channels on.
            for packed in self._packed(frame):
                if not block.takes(packed):
                    yield from block.flush()
                block.add(packed)
        yield from block.flush()

    def _packed(self, frame: av.AudioFrame) -> list[av.AudioFrame]:
        try:
            return self._packer.resample(frame)
        except ValueError as error:
            raise AudioFormatError("the recording changes its format") from error

    def _timed(self, frame: av.AudioFrame | None) -> Iterator[Timed]:
        for packet in self._encoded(frame):
            assert packet.dts is not None
            yield float(packet.dts * packet.time_base), packet

    def _encoded(self, frame: av.AudioFrame | None) -> list[av.Packet[av.AudioStream]]:
        try:
            return self._stream.encode(frame)
        except av.FFmpegError as error:
            raise EncoderError(
                f"encoding the sound failed: {error.strerror or error}", where=self._encoder
            ) from error
        except ValueError as error:
            raise AudioFormatError("the recording changes its format") from error


def _rate(encoder: str, rate: int) -> int:
    """The lowest rate of the encoder that keeps everything; Opus knows one only."""
    if encoder == "libopus":
        return _OPUS_RATE
    known = av.Codec(encoder, "w").audio_rates or [rate]
    return min((known for known in known if known >= rate), default=_LAST_RATE)


class _Block:
    """Frames of packed floats that become one: what each call costs is then paid once for many."""

    def __init__(self) -> None:
        self._frames: list[av.AudioFrame] = []
        self._samples = 0

    def takes(self, frame: av.AudioFrame) -> bool:
        """Whether a frame fits behind the others."""
        form = (frame.format.name, frame.sample_rate, frame.layout.name)
        return self._samples < _BLOCK_SAMPLES and (not self._frames or form == self._form)

    def add(self, frame: av.AudioFrame) -> None:
        """Keep a frame."""
        self._frames.append(frame)
        self._samples += frame.samples
        self._form = (frame.format.name, frame.sample_rate, frame.layout.name)

    def flush(self) -> Iterator[av.AudioFrame]:
        """The frame of all samples, without what is no number; nothing where there are none."""
        if not self._frames:
            return
        form, rate, layout = self._form
        samples = np.concatenate([_samples(each) for each in self._frames])
        self._frames, self._samples = [], 0
        np.nan_to_num(samples, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
        np.clip(samples, -1, 1, out=samples)
        clean = av.AudioFrame.from_ndarray(samples[None], format=form, layout=layout)
        clean.sample_rate = rate
        yield clean


def _samples(frame: av.AudioFrame) -> NDArray[Any]:
    """(n * channels,) float32 or float64 of a frame of packed floats; its buffer may be longer."""
    kind: type[Any] = np.float32 if frame.format.name == "flt" else np.float64
    plane: Any = frame.planes[0]
    return np.frombuffer(plane, kind, frame.samples * frame.layout.nb_channels)
