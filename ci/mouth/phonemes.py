"""What a mouth does for each phoneme, and the curve that follows from a list of them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RATE = 100
"""Targets a second, as the track has."""

SILENCE = "SIL"
CLOSED = ("B", "P", "M")
OPEN_VOWELS = ("AA", "AE", "AO", "AW", "AY")

SHAPES: dict[str, tuple[float, float]] = {
    SILENCE: (0, 0),
    **dict.fromkeys(CLOSED, (0, 0)),
    **dict.fromkeys(("F", "V"), (0.08, 0.1)),
    **dict.fromkeys(("TH", "DH", "T", "D", "N"), (0.2, 0.1)),
    **dict.fromkeys(("S", "Z"), (0.12, 0.4)),
    **dict.fromkeys(("SH", "ZH", "CH", "JH"), (0.18, -0.4)),
    **dict.fromkeys(("K", "G", "NG"), (0.3, 0)),
    "L": (0.3, 0.1),
    "HH": (0.35, 0),
    "R": (0.25, -0.4),
    "W": (0.15, -0.9),
    "Y": (0.2, 0.5),
    "AA": (1, 0),
    "AE": (0.85, 0.35),
    "AH": (0.55, 0),
    "AO": (0.75, -0.5),
    "AW": (0.8, -0.3),
    "AY": (0.8, 0.2),
    "EH": (0.6, 0.3),
    "ER": (0.4, -0.3),
    "EY": (0.45, 0.5),
    "IH": (0.35, 0.4),
    "IY": (0.25, 0.8),
    "OW": (0.55, -0.7),
    "OY": (0.6, -0.5),
    "UH": (0.35, -0.6),
    "UW": (0.25, -0.9),
}
"""ARPAbet -> open 0..1, wide -1 (rounded)..1 (spread), by how speakers of English move."""


class Phone(NamedTuple):
    """A phoneme of a recording, seconds."""

    start: float
    length: float
    name: str


def read_phones(path: Path) -> list[Phone]:
    """Read `start,length,name` lines, seconds."""
    with path.open(newline="") as file:
        return [
            Phone(float(start), float(length), name) for start, length, name in csv.reader(file)
        ]


def labels(phones: Sequence[Phone], count: int) -> NDArray[np.str_]:
    """The phoneme's name at each of `count` hundredths of a second."""
    out = np.full(count, SILENCE, dtype="<U3")
    for phone in phones:
        first = int(phone.start * RATE + 1e-6)
        out[first : int((phone.start + phone.length) * RATE + 1e-6)] = phone.name
    return out


def targets(names: NDArray[np.str_], spread: float) -> NDArray[np.float64]:
    """(T, 2) open and wide: each phoneme's shape, blurred by a Gaussian.

    Args:
        names: (T,) from `labels`.
        spread: its standard deviation, hundredths of a second: how far neighbours reach.
    """
    shapes = np.array([SHAPES[name] for name in names.tolist()], np.float64).reshape(-1, 2)
    reach = np.arange(-15, 16)
    kernel = np.exp(-0.5 * (reach / spread) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(shapes, ((15, 15), (0, 0)))
    return np.stack([np.convolve(column, kernel, "valid") for column in padded.T], axis=1)
