"""What a mouth does through a recording, and at one frame of a video."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.base import CancelCheck, never_cancelled
from musetalk_fast.engines.preview import loudness
from musetalk_fast.engines.preview.loudness import PIECE, Pieces, Surroundings, Voice
from musetalk_fast.engines.preview.mel import RATE, Floats, feature_count, log_mel
from musetalk_fast.engines.preview.network import CONTEXT, Network, load_network
from musetalk_fast.types import Pcm

BLOCK = 60 * PIECE
"""Features that are worked on at a time: half a minute."""

_VOICE_WEIGHT = 100.0
"""Features of a voice that count as much as the mean of all voices: a second."""

_SMOOTH = 1.5
"""Standard deviation, in features, of what smooths the network's opinion."""
_CONTRAST, _CLOSED = 1.2, 0.1
"""A mouth opens that much more than the network says, less an opening that is closed: the network
is never sure, and lips must meet on B, P and M."""
_ROUNDING = 1.4
"""So much more are lips rounded and spread."""

_STOP = 4
"""Features for which a mouth goes on before and after a sound: a T is silent with open lips."""
_HOLD = 15
"""Features for which speech lasts before and after a sound, so no gap in a sentence ends it."""
_SETTLE = 12
"""Features, before and after, in which the photo's expression comes and goes."""

_SMOOTH_REACH = 5
_MARGIN = _HOLD + _SETTLE
"""Features before and after a block that it depends on: more than the network sees."""

AT_REST = (0.0, 0.0, 1.0)
_LEAST = np.array((0, -1, 0), np.float32)


def mouth_track(pcm: Pcm, block: int = BLOCK, check: CancelCheck = never_cancelled) -> Floats:
    """The mouth's movement through a recording, a hundred times a second.

    Memory grows with the track only; any block gives the same track, but for the order of
    float32 sums.

    Args:
        pcm: (n,) int16, 16 kHz, any length.
        block: features that are worked on at a time, a multiple of 50.
        check: called before each block; may raise to stop.

    Returns:
        (ceil(n / 160), 3) float32: `open` 0..1, `wide` -1 (rounded)..1 (spread) and `rest` 0..1,
        exactly 1 in silence, where the mouth is as in the photo.

    Raises:
        InternalError: the network's weights are damaged.
    """
    count = feature_count(pcm)
    track = np.empty((count, 3), np.float32)
    if not count:
        return track
    network = load_network()
    surroundings = surroundings_of(pcm, network, block, check)
    for start in range(0, count, block):
        check()
        stop = min(start + block, count)
        track[start:stop] = _block(pcm, start, stop, surroundings, network)
    return track


def pose_at(track: Floats, frame: int, fps: tuple[int, int]) -> tuple[float, float, float]:
    """The pose at the moment a frame appears; beyond the sound the mouth rests.

    Args:
        track: from `mouth_track`.
        frame: its index.
        fps: frames a second as (numerator, denominator).

    Returns:
        open, wide, rest: between the track's two nearest, linear.
    """
    numerator, denominator = fps
    below, part = divmod(frame * denominator * RATE, numerator)
    if below >= len(track):
        return AT_REST
    here = track[below]
    there = track[below + 1] if below + 1 < len(track) else np.array(AT_REST, np.float32)
    opened, wide, rest = (here + (there - here) * np.float32(part / numerator)).tolist()
    return opened, wide, rest


def surroundings_of(
    pcm: Pcm, network: Network, block: int = BLOCK, check: CancelCheck = never_cancelled
) -> Surroundings:
    """What each piece of a recording is judged by; at least one sample."""
    count, edge = feature_count(pcm), loudness.EDGE
    parts = []
    for start in range(0, count, block):
        check()
        parts.append(Pieces.of(log_mel(pcm, start - edge, min(start + block, count) + edge)))
    return Surroundings.of(Pieces.joined(parts), Voice(network.voice, _VOICE_WEIGHT))


def _block(pcm: Pcm, start: int, stop: int, surroundings: Surroundings, network: Network) -> Floats:
    """The track from `start` to `stop`."""
    edge = _MARGIN + loudness.EDGE
    heard = surroundings.hear(log_mel(pcm, start - edge, stop + edge), start - _MARGIN)
    unused = _MARGIN - _SMOOTH_REACH - CONTEXT
    shapes = network.shapes(heard.spectra[unused:-unused])
    outside = _MARGIN - _SMOOTH_REACH - _STOP
    speech = _held(heard.speech[outside:-outside], _STOP)
    opened = np.clip((shapes[:, 0] - np.float32(_CLOSED)) * np.float32(_CONTRAST), 0, 1)
    out = np.empty((stop - start, 3), np.float32)
    out[:, 0] = _smoothed(opened * speech, _GAUSSIAN)
    out[:, 1] = _smoothed(np.clip(shapes[:, 1] * np.float32(_ROUNDING), -1, 1) * speech, _GAUSSIAN)
    out[:, 2] = 1 - _smoothed(_held(heard.speech, _HOLD), _RISE)
    return np.clip(out, _LEAST, 1)


def _held(speech: Floats, reach: int) -> Floats:
    """The most speech within `reach` of each moment but the outermost."""
    windows = np.lib.stride_tricks.sliding_window_view(speech, 2 * reach + 1)
    return np.asarray(windows.max(axis=1))


def _smoothed(values: Floats, kernel: Floats) -> Floats:
    return np.asarray(np.convolve(values, kernel, "valid"), np.float32)


def _kernel(weights: NDArray[np.float64]) -> Floats:
    return np.asarray(weights / weights.sum(), np.float32)


_GAUSSIAN = _kernel(np.exp(-0.5 * (np.arange(-_SMOOTH_REACH, _SMOOTH_REACH + 1) / _SMOOTH) ** 2))
_RISE = _kernel(np.hanning(2 * _SETTLE + 3)[1:-1])
