"""Positional encoding of the audio tokens.

Source: Vaswani et al., "Attention Is All You Need", 2017, section 3.5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def positional_encoding(count: int, width: int) -> NDArray[np.float32]:
    """(count, width) float32: sines in even columns, cosines in odd ones; added to tokens."""
    rates = np.exp(np.arange(0, width, 2) * (-np.log(10_000.0) / width))
    angles = np.arange(count)[:, None] * rates
    table = np.empty((count, width))
    table[:, 0::2], table[:, 1::2] = np.sin(angles), np.cos(angles[:, : width // 2])
    return table.astype(np.float32)
