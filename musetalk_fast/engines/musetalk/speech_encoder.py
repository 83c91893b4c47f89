"""Whisper's encoder: half a minute of speech becomes five layers of features, fifty a second."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from musetalk_fast.engines.musetalk.accelerator import device_errors
from musetalk_fast.types import SPEECH_RATE

Floats: TypeAlias = NDArray[np.float32]


class SpeechEncoder:
    """Encodes pieces of a recording; one thread.

    Args:
        whisper: transformers' `WhisperEncoder`, in float32.
        device: where it is.
    """

    def __init__(self, whisper: Any, device: Any) -> None:
        from transformers.models.whisper.feature_extraction_whisper import WhisperFeatureExtractor

        self._whisper = whisper
        self._device = device
        self._extractor = WhisperFeatureExtractor()

    def log_mel(self, samples: Floats) -> Floats:
        """(80, 3000) float32: what Whisper sees of a piece; see `encode`."""
        mel = self._extractor(samples, sampling_rate=SPEECH_RATE, return_tensors="np")
        return np.asarray(mel.input_features[0])

    def encode(self, samples: Floats) -> Floats:
        """Features of one piece: (1500, 5, 384) float32.

        Args:
            samples: (n,) float32 in -1..1, 16 kHz, of at most 30 s; silence comes after them.

        Raises:
            errors.DeviceMemoryError, errors.MemoryLimitError: there is no memory for it.
        """
        mel = torch.from_numpy(self.log_mel(samples)[None]).to(self._device)
        with torch.inference_mode(), device_errors():
            layers = _layers(self._whisper, mel)
            return np.asarray(torch.stack(layers, dim=2)[0].cpu().numpy())


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
