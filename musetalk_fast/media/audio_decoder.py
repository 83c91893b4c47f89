"""The sound of a file as one stream of frames; memory does not grow with its length.

The mouth and the video's sound track both come from it, so that they agree: what is missing in the
file is silence of the same length at the same place in both.
"""

from __future__ import annotations

import sys
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
from musetalk_fast.media.excerpt import WHOLE, Excerpt
from musetalk_fast.media.excerpt_seek import begin

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
    """Decodes a sound track of a file, or an excerpt of it. Use as a context.

    Priming samples of the codec are skipped, as the container demands; gaps in the time stamps and
    packets that cannot be decoded are silence of their length; rate and channels are those of the
    first frame.

    Attributes:
        source: the file.
        lost: silence for what is damaged.
        gaps: silence for what the file leaves out.
        excerpt: what of it.
        sound: the rate and channels; known from the first frame on.
        samples: of the excerpt so far, with silence.
        origin: seconds of the file's clock at the recording's first sample; 0 where it has none.
        is_cut: the excerpt ended before the recording.

    Raises:
        errors.InputNotFoundError, errors.InputUnreadableError: there is no file to read.
        errors.AudioFormatError: no sound in it.
        errors.AudioTrackError: the track that was asked for is not there, or cannot be decoded.
        errors.AudioLengthError: the file is empty.
    """

    def __init__(self, path: Path, excerpt: Excerpt = WHOLE) -> None:
        self.source = AudioFile(path, excerpt.track)
        self.excerpt = excerpt
        with self.source.closed_on_error():
            self._beginning = begin(self.source, excerpt.start)
        self.sound = UniformSound()
        self.lost, self.gaps = Missing(), Missing()
        self.samples = 0
        self._position = 0
        """Samples since the beginning of the recording."""
        self.origin = 0.0
        self.is_cut = False

    def __enter__(self) -> AudioDecoder:
        return self

    def __exit__(self, *exc: object) -> None:
        self.source.__exit__(*exc)

    @property
    def rate(self) -> int:
        """Samples a second; 0 before the first frame."""
        return self.sound.rate

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the track was left out."""
        return not self.excerpt.start and not self.is_cut

    @property
    def packets(self) -> PacketDecoder:
        """What of the file was decoded."""
        return self._beginning.packets

    @property
    def secs(self) -> float:
        """Of the excerpt, so far."""
        return self.samples / self.rate if self.rate else 0.0

    @property
    def position_secs(self) -> float:
        """Of the recording, from its beginning on."""
        return self._position / self.rate if self.rate else 0.0

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
        """Decode the excerpt, as packed 32-bit floats in the file's own rate and channels.

        Raises:
            errors.InputUnreadableError: the disk failed.
            errors.AudioFormatError: more is damaged than whole.
            errors.AudioLengthError: it is longer than ten hours, gaps included, or begins behind
                the recording's end.
        """
        bounds: tuple[int, int] | None = None
        for frame in self._all():
            bounds = bounds or self._bounds()  # made once: fractions are slow
            at = self._position - frame.samples
            first, last = max(0, bounds[0] - at), min(frame.samples, bounds[1] - at)
            if last > first:
                self.samples += last - first
                self._check_length(self.secs)
                yield _between(frame, first, last)
            if last < frame.samples:
                self.is_cut = True
                return
        if self.excerpt.start and not self.samples:
            raise self._is_behind()

    def _bounds(self) -> tuple[int, int]:
        """The excerpt's first sample, and the one behind its last."""
        first, secs = round(self.excerpt.start * self.rate), self.excerpt.secs
        return first, sys.maxsize if secs is None else first + round(secs * self.rate)

    def _all(self) -> Iterator[av.AudioFrame]:
        """What follows one another from where reading begins."""
        resets = self.source.format in BROADCAST
        timeline = Timeline(resets=resets, origin=self._beginning.origin)
        try:
            for piece, following in with_next(self._pieces()):
                if not self.rate:
                    self._position = self._beginning.position(piece.frame)
                    self.origin = self._beginning.origin or piece.start or 0.0
                now = self._position / (self.rate or piece.frame.sample_rate)
                start = timeline.start(piece, following, now)
                if self.rate and start > now:
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
        if self.excerpt.secs is None:
            self._check_length(stop - self.excerpt.start)
        yield from self._counted(self.sound.flush())
        first, count = self.position_secs, round(stop * self.rate) - self._position
        if count <= 0:
            return
        kind = self.lost if damaged or self.source.format in GAPLESS else self.gaps
        kind.add(first, count / self.rate)
        for done in range(0, count, _BLOCK_SAMPLES):
            yield from self._counted([self.sound.silence(min(_BLOCK_SAMPLES, count - done))])

    def _counted(self, frames: Iterable[av.AudioFrame]) -> Iterator[av.AudioFrame]:
        for frame in frames:
            self._position += frame.samples
            yield frame

    def _check_length(self, secs: float) -> None:
        if secs > MAX_SECS:
            raise length_error(f"it is longer than {MAX_SECS // 3600} hours", self.source.path)

    def _is_behind(self) -> AudioLengthError:
        start, clock = float(self.excerpt.start), self.packets.clock
        # Where nothing was decoded, the packets that were passed over say it.
        end = self.position_secs or clock.end / max(1, clock.rate)
        return AudioLengthError(
            f"nothing is left of it from {start:g} s on: it ends at {end:.2f} s",
            where=str(self.source.path),
            hint="give an earlier --start",
        )


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
        yield _between(frame, 0, min(left, frame.samples))


def _between(frame: av.AudioFrame, first: int, last: int) -> av.AudioFrame:
    """Samples `[first, last)` of a frame of packed floats."""
    if (first, last) == (0, frame.samples):
        return frame
    channels = frame.layout.nb_channels
    packed = np.asarray(frame.to_ndarray(), np.float32)[:, first * channels : last * channels]
    shorter = av.AudioFrame.from_ndarray(np.ascontiguousarray(packed), "flt", frame.layout.name)
    shorter.sample_rate = frame.sample_rate
    return shorter
