"""The sound of a file as one stream of frames; memory does not grow with its length.

The mouth and the video's sound track both come from it, so that they agree: what is missing in the
file is silence of the same length at the same place in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

from musetalk_fast.errors import AudioFormatError, AudioLengthError
from musetalk_fast.media.audio_file import BROADCAST, GAPLESS, UNTIMED, AudioFile
from musetalk_fast.media.audio_format import UniformSound
from musetalk_fast.media.audio_packets import PacketDecoder, with_next
from musetalk_fast.media.audio_timeline import Piece, Timeline, stamped

Sound: TypeAlias = NDArray[np.float32]
"""(n, channels) float32, full scale at -1..1."""

MAX_SECS = 36_000
"""Longest recording: ten hours."""

_BLOCK_SAMPLES = 1 << 15
_MAX_LEVEL = 16.0
"""24 dB above full scale."""


@dataclass(slots=True)
class Missing:
    """Places at which silence stands for sound that is not there.

    Attributes:
        places: how many.
        secs: in all.
        first: seconds from the start to the first one.
    """

    places: int = 0
    secs: float = 0.0
    first: float = 0.0

    def add(self, start: float, secs: float) -> None:
        """Count one more."""
        self.first = self.first if self.places else start
        self.places += 1
        self.secs += secs


class AudioDecoder:
    """Decodes the first sound track of a file that can be decoded. Use as a context.

    Priming samples of the codec are skipped, as the container demands; gaps in the time stamps and
    packets that cannot be decoded are silence of their length; rate and channels are those of the
    first frame.

    Attributes:
        source: the file.
        packets: what of it was decoded.
        lost: silence for what is damaged.
        gaps: silence for what the file leaves out.
        sound: the rate and channels; known from the first frame on.
        samples: decoded so far, with silence.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
        errors.AudioFormatError: no sound in it.
        errors.AudioLengthError: the file is empty.
    """

    def __init__(self, path: Path) -> None:
        self.source = AudioFile(path)
        self.packets = PacketDecoder(self.source)
        self.sound = UniformSound()
        self.lost, self.gaps = Missing(), Missing()
        self.samples = 0

    def __enter__(self) -> AudioDecoder:
        return self

    def __exit__(self, *exc: object) -> None:
        self.source.__exit__(*exc)

    @property
    def rate(self) -> int:
        """Samples a second; 0 before the first frame."""
        return self.sound.rate

    @property
    def secs(self) -> float:
        """So far."""
        return self.samples / self.rate if self.rate else 0.0

    def blocks(self) -> Iterator[Sound]:
        """Decode everything, about 32768 samples at a time.

        Raises:
            errors.AudioFormatError, errors.AudioLengthError: as `frames`.
        """
        kept: list[Sound] = []
        count = 0
        for frame in self.frames():
            samples = np.asarray(frame.to_ndarray(), np.float32)
            kept.append(samples.reshape(-1, frame.layout.nb_channels))
            count += frame.samples
            if count >= _BLOCK_SAMPLES:
                yield _bounded(kept)
                kept, count = [], 0
        if kept:
            yield _bounded(kept)

    def frames(self) -> Iterator[av.AudioFrame]:
        """Decode everything, as packed 32-bit floats in the file's own rate and channels.

        Raises:
            errors.InputUnreadableError: the disk failed.
            errors.AudioFormatError: more is damaged than whole.
            errors.AudioLengthError: it is longer than ten hours, gaps included.
        """
        timeline = Timeline(resets=self.source.format in BROADCAST)
        try:
            for piece, following in with_next(self._pieces()):
                start = timeline.start(piece, following, self.secs)
                if start > self.secs:
                    yield from self._silence(start, damaged=bool(piece.lost))
                yield from self._counted(self.sound.convert(piece.frame))
            yield from self._counted(self.sound.flush())
        except AudioFormatError as error:
            error.where = str(self.source.path)
            raise

    def _pieces(self) -> Iterator[Piece]:
        timed = self.source.format not in UNTIMED
        for lost, frame in self.packets.frames():
            yield stamped(frame, lost, timed=timed)

    def _silence(self, stop: float, *, damaged: bool) -> Iterator[av.AudioFrame]:
        """Fill up with silence to `stop`."""
        self._check_length(stop)
        yield from self._counted(self.sound.flush())
        first, count = self.secs, round(stop * self.rate) - self.samples
        if count <= 0:
            return
        kind = self.lost if damaged or self.source.format in GAPLESS else self.gaps
        kind.add(first, count / self.rate)
        for done in range(0, count, _BLOCK_SAMPLES):
            yield from self._counted([self.sound.silence(min(_BLOCK_SAMPLES, count - done))])

    def _counted(self, frames: Iterable[av.AudioFrame]) -> Iterator[av.AudioFrame]:
        for frame in frames:
            self.samples += frame.samples
            self._check_length(self.secs)
            yield frame

    def _check_length(self, secs: float) -> None:
        if secs > MAX_SECS:
            raise length_error(f"it is longer than {MAX_SECS // 3600} hours", self.source.path)


def length_error(message: str, path: Path) -> AudioLengthError:
    """The error for a recording that is empty or too long."""
    hint = f"give a recording of speech, up to {MAX_SECS // 3600} hours long"
    return AudioLengthError(message, where=str(path), hint=hint)


def _bounded(chunks: list[Sound]) -> Sound:
    """Interleaved floats behind one another, without what is no number."""
    sound = np.concatenate(chunks)
    # Float files may hold NaN or enormous values; either would poison the resampler.
    np.nan_to_num(sound, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
    np.clip(sound, -_MAX_LEVEL, _MAX_LEVEL, out=sound)
    return sound


def until(frames: Iterable[av.AudioFrame], secs: Fraction) -> Iterator[av.AudioFrame]:
    """The first `secs` seconds of frames that follow one another, to the nearest sample.

    Args:
        frames: packed 32-bit floats, as `AudioDecoder.frames` gives them.
    """
    position = 0
    for frame in frames:
        left = round(secs * frame.sample_rate) - position
        if left <= 0:
            return
        position += frame.samples
        yield frame if frame.samples <= left else _shortened(frame, left)


def _shortened(frame: av.AudioFrame, samples: int) -> av.AudioFrame:
    packed = np.asarray(frame.to_ndarray(), np.float32)[:, : samples * frame.layout.nb_channels]
    shorter = av.AudioFrame.from_ndarray(np.ascontiguousarray(packed), "flt", frame.layout.name)
    shorter.sample_rate = frame.sample_rate
    return shorter
