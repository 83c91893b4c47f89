"""Runs of source frames, their timestamps, and packets of sound with their places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from av import Packet

__all__ = [
    "PlacedPacket",
    "SourceRun",
    "Timestamps",
]


class PlacedPacket(NamedTuple):
    """A packet of sound and its place, in samples; what is before 0 is not heard."""

    packet: Packet[Any]
    start: int
    samples: int


@dataclass(frozen=True, slots=True)
class SourceRun:
    """`count` output frames that show source frames `first, first + step, ...`.

    `step` is -1, 0 or 1.
    """

    first: int
    step: int
    count: int


class Timestamps(NamedTuple):
    """When the source frames of a moving avatar begin.

    Attributes:
        starts: of each frame, in ticks; the first one's is 0, and each is above the one before.
        end: of the last frame.
        tick: seconds.
    """

    starts: Sequence[int]
    end: int
    tick: Fraction
