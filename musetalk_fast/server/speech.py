"""Recordings as the server gets them: 16 kHz, mono, 16-bit WAV, nothing else."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from musetalk_fast.errors import AudioFormatError, AudioLengthError
from musetalk_fast.types import SPEECH_RATE, Pcm

_RIFF = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_WANTED = (1, 1, SPEECH_RATE, 2 * SPEECH_RATE, 2, 16)
_MAX_CHUNKS = 64
_HINT = "send a WAV of 16 kHz, mono, 16-bit PCM"


class _Chunk(NamedTuple):
    name: bytes
    start: int
    length: int


def open_speech(path: Path) -> Pcm:
    """Map a recording into memory.

    Returns:
        (samples,) int16, read-only; pages are read as they are used.

    Raises:
        AudioFormatError: not such a WAV, or its lengths are not those of the file.
        AudioLengthError: no samples.
    """
    with path.open("rb") as file:
        data = _find_data(file)
    if not data.length:
        raise AudioLengthError("the recording has no samples", hint=_HINT)
    samples = np.memmap(path, "<i2", "r", offset=data.start, shape=(data.length // 2,))
    return samples.view(np.ndarray).astype(np.int16, copy=False)


def _find_data(file: BinaryIO) -> _Chunk:
    seen_format = False
    for chunk in _chunks(file):
        if chunk.name == b"fmt ":
            _check_format(file, chunk)
            seen_format = True
        elif chunk.name == b"data":
            if not seen_format or chunk.length % 2:
                raise AudioFormatError("the WAV's samples have no format", hint=_HINT)
            return chunk
    raise AudioFormatError("the WAV has no samples", hint=_HINT)


def _chunks(file: BinaryIO) -> Iterator[_Chunk]:
    size = os.fstat(file.fileno()).st_size
    head = file.read(_RIFF.size)
    if len(head) < _RIFF.size or (head[:4], head[8:]) != (b"RIFF", b"WAVE"):
        raise AudioFormatError("the recording is not a WAV", hint=_HINT)
    place = _RIFF.size
    for _ in range(_MAX_CHUNKS):
        file.seek(place)
        head = file.read(_CHUNK.size)
        if len(head) < _CHUNK.size:
            return
        name, length = _CHUNK.unpack(head)
        place += _CHUNK.size
        if length > size - place:
            raise AudioFormatError(
                f"the WAV says that {length} bytes follow; {size - place} do", hint=_HINT
            )
        yield _Chunk(name, place, length)
        place += length + length % 2


def _check_format(file: BinaryIO, chunk: _Chunk) -> None:
    file.seek(chunk.start)
    body = file.read(_FORMAT.size)
    if chunk.length < _FORMAT.size or _FORMAT.unpack(body) != _WANTED:
        raise AudioFormatError("the WAV is not 16 kHz, mono, 16-bit PCM", hint=_HINT)
