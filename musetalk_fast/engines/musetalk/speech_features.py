"""What Whisper's encoder makes of speech: five layers of features, fifty a second.

MuseTalk cuts a recording into pieces of half a minute, has each encoded by itself, and takes the
output of every layer, that before the first included.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from musetalk_fast.engines.musetalk.accelerator import memory_errors
from musetalk_fast.engines.musetalk.architecture import FEATURES
from musetalk_fast.engines.musetalk.positions import positional_encoding
from musetalk_fast.engines.musetalk.recording import WINDOW_SAMPLES, Recording
from musetalk_fast.engines.musetalk.speech_windows import WINDOW, feature_count, first_feature
from musetalk_fast.types import SPEECH_RATE

Floats: TypeAlias = NDArray[np.float32]

_KEPT_WINDOWS = 32
"""Pieces of recordings whose features are kept, 11.5 MB each: more than a server has streams."""
_SILENT_FROM = FEATURES // 2


class SpeechFeatures:
    """Features of recordings, encoded when a frame first needs them; for one thread.

    Args:
        whisper: transformers' `WhisperEncoder`, in float32.
        device: where it is.
    """

    def __init__(self, whisper: Any, device: Any) -> None:
        from transformers.models.whisper.feature_extraction_whisper import WhisperFeatureExtractor

        self._whisper = whisper
        self._device = device
        self._extractor = WhisperFeatureExtractor()
        self._kept: OrderedDict[tuple[int, int], Floats] = OrderedDict()
        width = whisper.config.d_model
        layers = whisper.config.encoder_layers + 1
        self._positions = positional_encoding(WINDOW * layers, width)
        self._nothing = np.zeros((WINDOW, layers, width), np.float32)
        self._silence: Floats | None = None

    def tokens(self, recording: Recording, frame: int, fps: tuple[int, int]) -> Floats:
        """What the U-Net hears at a frame: (50, 384) float32, its places encoded.

        A frame whose window lies beyond the sound has the features of silence.
        """
        first = first_feature(frame, fps)
        heard = range(max(0, first), min(first + WINDOW, feature_count(recording.samples)))
        if not heard:
            seen = self._of_silence()
        else:
            seen = self._nothing.copy()
            for place in heard:
                window, at = divmod(place, FEATURES)
                seen[place - first] = self._window(recording, window)[at]
        return seen.reshape(self._positions.shape) + self._positions

    def encode(self, samples: Floats) -> Floats:
        """Features of one piece: (1500, 5, 384) float32.

        Args:
            samples: (n,) float32 in -1..1, 16 kHz, of at most 30 s; silence comes after them.
        """
        mel = self._extractor(samples, sampling_rate=SPEECH_RATE, return_tensors="np")
        patch = torch.from_numpy(mel.input_features).to(self._device)
        with torch.inference_mode(), memory_errors():
            layers = _layers(self._whisper, patch)
            return np.asarray(torch.stack(layers, dim=2)[0].cpu().numpy())

    def _window(self, recording: Recording, window: int) -> Floats:
        key = (recording.serial, window)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self.encode(recording.window(window))
            while len(self._kept) > _KEPT_WINDOWS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return found

    def _of_silence(self) -> Floats:
        if self._silence is None:
            features = self.encode(np.zeros(WINDOW_SAMPLES, np.float32))
            self._silence = features[_SILENT_FROM : _SILENT_FROM + WINDOW].copy()
        return self._silence


def _layers(whisper: Any, mel: Any) -> list[Any]:
    """The input of the first layer, and the output of each; the last one's is normalised."""
    gelu = torch.nn.functional.gelu
    hidden = gelu(whisper.conv2(gelu(whisper.conv1(mel)))).permute(0, 2, 1)
    hidden = hidden + whisper.embed_positions.weight
    found = [hidden]
    for layer in whisper.layers:
        hidden = layer(hidden, None)
        found.append(hidden)
    found[-1] = whisper.layer_norm(found[-1])
    return found
