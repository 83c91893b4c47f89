"""The one way in which the avatar's own mouth comes back, and the model's again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FADE = 0.2
"""Seconds."""


def faded_in(secs: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights of crops so many seconds after the model's mouth begins to show, 0 to 1.

    A cubic that begins and ends level (smoothstep), so that neither end is seen.
    """
    share = np.clip(secs / FADE, 0, 1)
    return np.asarray(share * share * (3 - 2 * share))
