"""The body of `POST /infer`, made while it is sent."""

from __future__ import annotations

import asyncio
import binascii
import io
import math
import struct
import wave
from collections.abc import AsyncIterator, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import orjson

_BLOCK = 3 << 16
"""Bytes at a time; base64 takes them in threes."""
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
"""RIFF, WAVE, `fmt ` of PCM, and the head of `data`."""


class PaddedWav:
    """A 16-bit PCM WAV with silence up to the end of its last frame; the constructor reads it.

    Args:
        secs: where the last frame ends.

    Attributes:
        size: in bytes, header included.
    """

    def __init__(self, wav: Path | bytes, secs: Fraction) -> None:
        self._wav = wav
        with self._open() as file:
            self._form = file.getparams()
        rate = self._form.framerate
        # Up, not down: a server that rounds frames down shall find all of them.
        samples = max(self._form.nframes, math.ceil(secs * rate))
        self._sample_bytes = self._form.nchannels * self._form.sampwidth
        self._sound_bytes = samples * self._sample_bytes
        self._silence = (samples - self._form.nframes) * self._sample_bytes
        self.size = _HEADER.size + self._sound_bytes

    def blocks(self) -> Iterator[bytes]:
        """Its bytes, in pieces; reads the file."""
        yield self._header()
        with self._open() as file:
            while data := file.readframes(_BLOCK // self._sample_bytes):
                yield data
        for start in range(0, self._silence, _BLOCK):
            yield bytes(min(_BLOCK, self._silence - start))

    def _open(self) -> wave.Wave_read:
        source = io.BytesIO(self._wav) if isinstance(self._wav, bytes) else str(self._wav)
        opened: wave.Wave_read = wave.open(source, "rb")  # noqa: SIM115 - the caller closes it
        return opened

    def _header(self) -> bytes:
        form, step = self._form, self._sample_bytes
        layout = (16, 1, form.nchannels, form.framerate, form.framerate * step, step)
        head = (b"RIFF", 36 + self._sound_bytes, b"WAVE", b"fmt ", *layout, 8 * form.sampwidth)
        return _HEADER.pack(*head, b"data", self._sound_bytes)


class InferBody:
    """The request as JSON.

    Args:
        png: the avatar.

    Attributes:
        size: in bytes.
    """

    def __init__(self, png: bytes, recording: PaddedWav, fps: Fraction, bbox_shift: int) -> None:
        rate = fps.numerator if fps.denominator == 1 else float(fps)
        rest = orjson.dumps({"fps": rate, "bbox_shift": bbox_shift})
        self._png, self._recording = png, recording
        self._joints = (b'{"image":"', b'","audio":"', b'",' + rest[1:])
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
        while (block := await asyncio.to_thread(next, blocks, None)) is not None:
            yield binascii.b2a_base64(block, newline=False)
        yield last


def _in_threes(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces whose base64 can be put one behind the other."""
    rest = b""
    for block in blocks:
        joined = rest + block
        whole = len(joined) // 3 * 3
        yield joined[:whole]
        rest = joined[whole:]
    yield rest


def _base64_size(size: int) -> int:
    return -(-size // 3) * 4
