"""What a frame hears: features of its recording, encoded when a frame first needs them.

MuseTalk cuts a recording into pieces of half a minute, has each encoded by itself, and takes the
output of every layer, that before the first included.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np

from musetalk_fast.engines.musetalk.architecture import FEATURES
from musetalk_fast.engines.musetalk.positions import positional_encoding
from musetalk_fast.engines.musetalk.recording import WINDOW_SAMPLES, Recording
from musetalk_fast.engines.musetalk.speech_encoder import Floats
from musetalk_fast.engines.musetalk.speech_windows import (
    WINDOW,
    feature_count,
    first_feature,
    first_sample,
    pieces_of,
)

_KEPT_PIECES = 32
"""Pieces of recordings whose features are kept in any case, 11.5 MB each."""
_MOST_PIECES = 256
"""Kept while they are in use: streams take turns, and one piece too few would be encoded anew for
every frame."""
_IN_USE = 4096
"""Frames of all streams since a piece was last heard."""
_SILENT_FROM = FEATURES // 2


class SpeechFeatures:
    """Features of recordings; for one thread.

    Args:
        encode: see `SpeechEncoder.encode`.
        layers: of a feature.
        width: numbers of one of them.
        overlap: pieces overlap, so that no frame is at the edge of what Whisper hears.
    """

    def __init__(
        self, encode: Callable[[Floats], Floats], layers: int, width: int, *, overlap: bool = False
    ) -> None:
        self._encode = encode
        self._overlap = overlap
        self._kept: OrderedDict[tuple[int, int], tuple[Floats, int]] = OrderedDict()
        self._frames = 0
        self._positions = positional_encoding(WINDOW * layers, width)
        self._nothing = np.zeros((WINDOW, layers, width), np.float32)
        self._silence: Floats | None = None

    def tokens(self, recording: Recording, frame: int, fps: tuple[int, int]) -> Floats:
        """What the U-Net hears at a frame: (50, 384) float32, its places encoded.

        A frame whose window lies beyond the sound has the features of silence.
        """
        self._frames += 1
        first, count = first_feature(frame, fps), feature_count(recording.samples)
        heard = range(max(0, first), min(first + WINDOW, count))
        if not heard:
            seen = self._of_silence()
        else:
            seen = self._nothing.copy()
            for place in heard:
                for start, weight in pieces_of(place, count, overlap=self._overlap):
                    seen[place - first] += weight * self._piece(recording, start)[place - start]
        return seen.reshape(self._positions.shape) + self._positions

    def _piece(self, recording: Recording, start: int) -> Floats:
        """Features of the piece that begins with feature `start`."""
        key = (recording.serial, start)
        if key in self._kept:
            features, _ = self._kept.pop(key)
        else:
            self._make_space()
            features = self._encode(recording.read(first_sample(start), WINDOW_SAMPLES))
        self._kept[key] = (features, self._frames)  # the last one now
        return features

    def _make_space(self) -> None:
        """Drop the pieces that were not heard for longest."""
        while len(self._kept) >= _KEPT_PIECES:
            _, heard = next(iter(self._kept.values()))
            if self._frames - heard <= _IN_USE and len(self._kept) < _MOST_PIECES:
                break
            self._kept.popitem(last=False)

    def _of_silence(self) -> Floats:
        if self._silence is None:
            features = self._encode(np.zeros(WINDOW_SAMPLES, np.float32))
            self._silence = features[_SILENT_FROM : _SILENT_FROM + WINDOW].copy()
        return self._silence
