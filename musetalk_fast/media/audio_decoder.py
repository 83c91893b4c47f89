"""The sound of a file as a stream of mono samples; memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.errors import AudioFormatError, AudioLengthError
from musetalk_fast.media.avio import AvioFile
from musetalk_fast.media.input_file import open_input, read_errors, unreadable
from musetalk_fast.media.wav import wav_secs

if TYPE_CHECKING:
    import av
    from av.container import InputContainer

Samples: TypeAlias = NDArray[np.float32]
"""(n,) float32, mono, full scale at -1..1."""

_DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,tta,w64,"
    "wav,wv"
)
"""What may be opened. Not playlists (hls, concat, dash): they name other files and addresses."""

_STREAMED = ("mp3", "aac")
"""Formats without a table of contents: junk before the first frame is no damage."""

_MAX_GAP = Fraction(1, 10)
_MIN_RATE, _MAX_RATE = 4_000, 768_000
_BLOCK_SAMPLES = 1 << 15
_OF_WAV = {"max_size": str(1 << 16), "probesize": str(1 << 17)}
"""FFmpeg's own choice are packets of 2 kB: a recording would cost more time than its video's frames
do beside the encoder. Of larger ones it looks at 5 MB for hidden DTS: 150 ms; two will do."""
_MAX_LEVEL = 16.0
"""24 dB above full scale."""
_WEIGHTS = {"FC": 1.0, "FL": 0.7071, "FR": 0.7071, "LFE": 0.0}
_OTHER_WEIGHT = 0.5
"""ITU-R BS.775 downmix, divided by the sum so that it never clips: speech is in the centre."""


class AudioDecoder:
    """Decodes the first (or default) sound track of a file.

    Priming samples of the codec are skipped, as the container demands. Use as a context.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
        errors.AudioFormatError: no sound in it.
        errors.AudioLengthError: the file is empty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rate = 0
        """Samples a second; known from the first block on."""
        self.samples = 0
        """Samples decoded so far."""
        self._file = open_input(path)
        self._avio = AvioFile(self._file)
        try:
            self._container = self._open()
            self._stream = self._sound_track()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> AudioDecoder:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()
        self._file.close()

    @property
    def promised_secs(self) -> float | None:
        """How long the file says it is; a guess in some formats."""
        stream, container = self._stream, self._container
        if container.format.name == "wav":
            # FFmpeg corrects what a cut file says.
            return wav_secs(self._path)
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        if container.duration is not None and len(container.streams) == 1:
            return container.duration / 1_000_000
        return None

    def blocks(self) -> Iterator[Samples]:
        """Decode everything, about 32768 samples at a time.

        Raises:
            errors.AudioFormatError: damaged; the message says when.
        """
        weights: Samples | None = None
        kept: list[Samples] = []
        count = 0
        for frame in self._float_frames():
            weights = _weights(frame.layout) if weights is None else weights
            samples = frame.to_ndarray().astype(np.float32, copy=False)
            kept.append(samples.reshape(-1, len(weights)))
            count += frame.samples
            if count >= _BLOCK_SAMPLES:
                yield _mixed(kept, weights)
                kept, count = [], 0
        if weights is not None and kept:
            yield _mixed(kept, weights)

    def frames(self) -> Iterator[av.AudioFrame]:
        """Decode everything as it is: its own rate, channels and sample format.

        Raises:
            errors.AudioFormatError: damaged; the message says when.
        """
        expected: Fraction | None = None
        for frame in self._decoded():
            expected = self._check_gap(frame, expected)
            self._check_rate(frame.rate)
            self.samples += frame.samples
            yield frame

    def _open(self) -> InputContainer:
        import av

        with read_errors(self._path):
            head = self._file.read(12)
            self._file.seek(0)
        if not head:
            raise AudioLengthError(
                "the file is empty",
                where=str(self._path),
                hint="give a recording with speech in it",
            )
        try:
            # A file object, not the name: FFmpeg would take some names for addresses.
            return av.open(
                self._avio,
                "r",
                options={
                    "format_whitelist": _DEMUXERS,
                    **(_OF_WAV if head.endswith(b"WAVE") else {}),
                },
                metadata_errors="replace",
            )
        except (av.FFmpegError, ValueError) as error:
            raise self._error("this holds no sound that can be read") from error

    def _sound_track(self) -> av.AudioStream:
        import av

        if not self._container.streams.audio:
            video = bool(self._container.streams.video)
            self._container.close()
            raise self._error("a video without sound" if video else "there is no sound in it")
        best = self._container.streams.best("audio")
        return best if isinstance(best, av.AudioStream) else self._container.streams.audio[0]

    def _float_frames(self) -> Iterator[av.AudioFrame]:
        """The frames as interleaved floats; rate and channels as they are."""
        import av

        converter = av.AudioResampler(format="flt")
        for frame in self.frames():
            yield from self._converted(converter, frame)
        if self.samples:
            yield from converter.resample(None)

    def _converted(self, converter: av.AudioResampler, frame: av.AudioFrame) -> list[av.AudioFrame]:
        try:
            return converter.resample(frame)
        except ValueError as error:
            raise self._error("the sound changes its format", self._secs()) from error

    def _decoded(self) -> Iterator[av.AudioFrame]:
        import av

        try:
            for packet in self._container.demux(self._stream):
                yield from self._decode(packet)
        except av.FFmpegError as error:
            raise self._error(f"broken ({error.strerror})", self._secs()) from error
        except IndexError as error:
            # PyAV's words for a packet of a track that was not there at first.
            raise self._error("broken (its tracks change)", self._secs()) from error
        if self._avio.error is not None:
            raise unreadable(self._path, self._avio.error)

    def _decode(self, packet: Any) -> list[av.AudioFrame]:
        import av

        try:
            frames: list[av.AudioFrame] = packet.decode()
        except av.InvalidDataError:
            if self.samples == 0 and self._container.format.name in _STREAMED:
                return []
            raise
        return frames

    def _check_gap(self, frame: av.AudioFrame, expected: Fraction | None) -> Fraction | None:
        """Timestamps that jump ahead mean that something between was lost."""
        length = Fraction(frame.samples, frame.rate)
        if frame.pts is None or frame.time_base is None:
            return None if expected is None else expected + length
        start = frame.pts * frame.time_base
        if expected is not None and start - expected > _MAX_GAP:
            lost = float(start - expected)
            raise self._error(f"broken ({lost:.2f} s are missing)", self._secs())
        return start + length

    def _check_rate(self, rate: int) -> None:
        if self.rate == 0 and not _MIN_RATE <= rate <= _MAX_RATE:
            raise self._error(
                f"{rate} samples a second are outside {_MIN_RATE} to {_MAX_RATE}", None
            )
        self.rate = self.rate or rate

    def _secs(self) -> float:
        return self.samples / self.rate if self.rate else 0.0

    def _error(self, message: str, secs: float | None = None) -> AudioFormatError:
        when = "" if secs is None else f" at {secs:.2f} s"
        return AudioFormatError(message + when, where=str(self._path))


def _weights(layout: av.AudioLayout) -> Samples:
    """How much of each channel goes into the mix; together 1."""
    weights = [_WEIGHTS.get(channel.name, _OTHER_WEIGHT) for channel in layout.channels]
    if len(weights) != layout.nb_channels or not any(weights):
        weights = [1.0] * layout.nb_channels
    shares = np.array(weights, np.float32)
    total: Samples = shares / shares.sum()
    return total


def _mixed(chunks: list[Samples], weights: Samples) -> Samples:
    """Mix the channels of interleaved floats, (n, channels) each."""
    samples = np.concatenate(chunks)
    # Float files may hold NaN or enormous values; either would poison the resampler.
    np.nan_to_num(samples, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
    np.clip(samples, -_MAX_LEVEL, _MAX_LEVEL, out=samples)
    mono: Samples = samples @ weights
    return mono
