"""The body of `POST /infer`, generated while it is sent."""

from __future__ import annotations

import binascii
from collections.abc import AsyncIterator, Iterable, Iterator
from fractions import Fraction
from functools import partial
from typing import Protocol

import orjson

from musetalk_fast.threads import run_in_thread

_BLOCK = 3 << 16
"""Bytes at a time; base64 takes them in threes."""


class SizedWav(Protocol):
    """A WAV of 16-bit PCM that covers every frame; `media.wav.PaddedWav` is one."""

    @property
    def size(self) -> int:
        """Bytes, header included."""

    def blocks(self) -> Iterator[bytes]:
        """Its bytes, in pieces; reads the file."""


class InferBody:
    """The request as JSON.

    Args:
        png: the avatar.

    Attributes:
        size: in bytes.
    """

    def __init__(self, png: bytes, recording: SizedWav, fps: Fraction, bbox_shift: int) -> None:
        rate = fps.numerator if fps.denominator == 1 else float(fps)
        tail = orjson.dumps({"fps": rate, "bbox_shift": bbox_shift})
        self._png, self._recording = png, recording
        self._joints = (b'{"image":"', b'","audio":"', b'",' + tail[1:])
        texts = _base64_size(len(png)) + _base64_size(recording.size)
        self.size = sum(map(len, self._joints)) + texts

    async def chunks(self) -> AsyncIterator[bytes]:
        """Its bytes; the recording is read in a thread."""
        first, second, last = self._joints
        yield first
        for start in range(0, len(self._png), _BLOCK):
            yield binascii.b2a_base64(self._png[start : start + _BLOCK], newline=False)
        yield second
        blocks = _in_threes(self._recording.blocks())
        while (block := await run_in_thread(partial(next, blocks, None))) is not None:
            yield binascii.b2a_base64(block, newline=False)
        yield last


def _in_threes(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces whose base64 can be put one behind the other."""
    remainder = b""
    for block in blocks:
        joined = remainder + block
        size = len(joined) // 3 * 3
        yield joined[:size]
        remainder = joined[size:]
    yield remainder


def _base64_size(size: int) -> int:
    return -(-size // 3) * 4
