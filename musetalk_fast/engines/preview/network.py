"""The small network that hears a mouth's shape in a fifth of a second of sound.

`ci/mouth/train.py` makes its weights, `mouth.npz`; `ci/mouth/README.md` says from what.
"""

from __future__ import annotations

import importlib.resources
import zipfile
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from musetalk_fast.engines.preview.mel import BANDS, Floats
from musetalk_fast.errors import InternalError

WEIGHTS = "mouth.npz"

CONTEXT, STEP = 10, 2
"""Features before and after the moment that the network sees, every other one."""
TAPS = 2 * CONTEXT // STEP + 1
HIDDEN = 48
OUTPUTS = 2
"""open, wide."""

SCALE = np.float32(1 / 3)
"""Of log-mel features, so that they are about as large as 1."""

SHAPES = {
    "voice": (BANDS,),
    "hidden": (TAPS * BANDS, HIDDEN),
    "hidden_bias": (HIDDEN,),
    "output": (HIDDEN, OUTPUTS),
    "output_bias": (OUTPUTS,),
}
"""Arrays of the weights' file, finite float16 each."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """One hidden layer of tanh; see `SHAPES`.

    Attributes:
        voice: mean spectrum of the voices that it was trained with.
        hidden, hidden_bias, output, output_bias: weights, float32.
    """

    voice: Floats
    hidden: Floats
    hidden_bias: Floats
    output: Floats
    output_bias: Floats

    def shapes(self, spectra: Floats) -> Floats:
        """(T, 2) float32 open and wide, not clipped, of (T + 20, 26) spectra."""
        return np.asarray(
            np.tanh(inputs(spectra) @ self.hidden + self.hidden_bias) @ self.output
            + self.output_bias
        )


def inputs(spectra: Floats) -> Floats:
    """(T, 286) float32: each of (T + 20, 26) spectra between its neighbours, the earliest first."""
    windows = np.lib.stride_tricks.sliding_window_view(spectra, 2 * CONTEXT + 1, axis=0)
    windows = windows[:, :, ::STEP]
    return windows.transpose(0, 2, 1).reshape(len(windows), TAPS * BANDS) * SCALE


@lru_cache(maxsize=1)
def load_network() -> Network:
    """The package's own network.

    Raises:
        InternalError: the weights are missing or damaged.
    """
    file = importlib.resources.files(__package__).joinpath(WEIGHTS)
    try:
        with file.open("rb") as source, np.load(source, allow_pickle=False) as arrays:
            weights = {name: arrays[name] for name in SHAPES}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as reason:
        raise InternalError(f"the weights cannot be read: {reason}", where=WEIGHTS) from reason
    return network_of(weights)


def network_of(weights: dict[str, np.ndarray]) -> Network:
    """Check and take arrays named as in `SHAPES`.

    Raises:
        InternalError: an array has another shape or type, or is not finite.
    """
    for name, shape in SHAPES.items():
        array = weights[name]
        if array.shape != shape or array.dtype != np.float16 or not np.isfinite(array).all():
            raise InternalError(
                f"{name} is {array.dtype} {array.shape}, not finite float16 {shape}", where=WEIGHTS
            )
    return Network(**{name: weights[name].astype(np.float32) for name in SHAPES})
