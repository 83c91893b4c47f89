"""A second sound beneath the first: music or ambience, repeated as long as the video is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np

from musetalk_fast.errors import AudioLengthError
from musetalk_fast.media.audio_decoder import AudioDecoder, Sound
from musetalk_fast.media.peak_limiter import Limiter

_BLOCK = 1 << 14


def mixed(
    frames: Iterable[av.AudioFrame], background: Path, decibels: int, secs: Fraction
) -> Iterator[av.AudioFrame]:
    """Mix a file beneath a sound, in the higher rate and the more channels of the two.

    What is too loud together is turned down (`Limiter`); anything else keeps its level.

    Args:
        frames: packed 32-bit floats; silence follows them.
        background: begins anew when it ends.
        decibels: by which it is louder than it is in its file.
        secs: how long the mix is.

    Raises:
        errors.InputError: the background cannot be decoded.
    """
    first, frames = _first_of(frames)
    other, repeated = _first_of(_repeated(background))
    if first is None or other is None:
        raise AudioLengthError("there are no samples in it", where=str(background))
    rate = max(first.sample_rate, other.sample_rate)
    layout = max((first.layout, other.layout), key=lambda each: each.nb_channels)
    gain = np.float32(10 ** (decibels / 20))
    voice = _Samples(frames, rate, layout)
    beneath = _Samples(repeated, rate, layout)
    limiter, left = Limiter(rate), round(secs * rate)
    while left > 0:
        count = min(_BLOCK, left)
        left -= count
        sound = voice.take(count) + gain * beneath.take(count)
        yield from _framed(limiter.limited(sound), rate, layout)
    yield from _framed(limiter.rest(), rate, layout)


def check_background(path: Path) -> None:
    """Refuse a file that cannot be mixed in.

    Raises:
        errors.InputError: the leaf that says why.
    """
    with AudioDecoder(path) as reader:
        if next(reader.frames(), None) is None:
            raise AudioLengthError("there are no samples in it", where=str(path))


def _first_of(
    frames: Iterable[av.AudioFrame],
) -> tuple[av.AudioFrame | None, Iterable[av.AudioFrame]]:
    iterator = iter(frames)
    first = next(iterator, None)
    return first, iterator if first is None else chain([first], iterator)


def _repeated(path: Path) -> Iterator[av.AudioFrame]:
    """A file from its beginning, again and again."""
    samples = 1
    while samples:
        with AudioDecoder(path) as reader:
            yield from reader.frames()
            samples = reader.samples


class _Samples:
    """Frames as any number of samples at a time, in one rate and layout; silence follows them."""

    def __init__(self, frames: Iterable[av.AudioFrame], rate: int, layout: av.AudioLayout) -> None:
        self._channels = layout.nb_channels
        self._blocks = _converted(frames, rate, layout)
        self._rest: Sound = np.zeros((0, self._channels), np.float32)

    def take(self, count: int) -> Sound:
        """(count, channels)."""
        pieces, have = [self._rest], len(self._rest)
        while have < count:
            block = next(self._blocks, None)
            if block is None:
                block = np.zeros((count - have, self._channels), np.float32)
            pieces.append(block)
            have += len(block)
        sound = np.concatenate(pieces)
        self._rest = sound[count:]
        return sound[:count]


def _converted(
    frames: Iterable[av.AudioFrame], rate: int, layout: av.AudioLayout
) -> Iterator[Sound]:
    first, frames = _first_of(frames)
    if first is None:
        return
    make = _both_sides if _is_mono_in_stereo(first.layout, layout) else _interleaved
    kept = first.layout if make is _both_sides else layout
    resampler = av.AudioResampler(format="flt", layout=kept, rate=rate)
    for frame in chain(frames, (None,)):
        if frame is not None:
            frame.pts = None
        for each in resampler.resample(frame):
            yield make(each)


def _is_mono_in_stereo(given: av.AudioLayout, wanted: av.AudioLayout) -> bool:
    """FFmpeg would make it 3 dB quieter."""
    return (given.nb_channels, wanted.nb_channels) == (1, 2)


def _interleaved(frame: av.AudioFrame) -> Sound:
    samples = np.asarray(frame.to_ndarray(), np.float32).reshape(-1, frame.layout.nb_channels)
    return np.clip(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), -16, 16)


def _both_sides(frame: av.AudioFrame) -> Sound:
    return np.repeat(_interleaved(frame), 2, axis=1)


def _framed(sound: Sound, rate: int, layout: av.AudioLayout) -> Iterator[av.AudioFrame]:
    if not len(sound):
        return
    packed = np.ascontiguousarray(sound, np.float32).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(packed, "flt", layout.name)
    frame.sample_rate = rate
    yield frame
