"""WAV files: read within bounds, written as samples come, atomically."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

import numpy as np

from musetalk_fast.errors import AudioFormatError, AudioLengthError, OutputWriteError
from musetalk_fast.storage import AtomicFile
from musetalk_fast.types import SPEECH_RATE, Pcm

_RIFF = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
"""RIFF, WAVE, `fmt ` of PCM, and the head of `data`: what we write."""
WAV_HEADER_BYTES = _HEADER.size
"""Where the samples of a WAV of ours begin."""

_SAMPLE_BYTES = 2
_MAX_CHUNKS = 64
_OPEN_END = 0x7FFF0000
"""Programs that cannot know the length yet write a size about as large as this, or larger."""
_IN_DS64 = 0xFFFFFFFF
_DS64 = struct.Struct("<QQ")
"""Of RF64 (EBU Tech 3306): bytes of all, and of the samples, where 32 bits do not hold them."""
_BLOCK = 3 << 16
_HINT = "send a WAV of 16 kHz, mono, 16-bit PCM"


class WavFormat(NamedTuple):
    """What `fmt ` says: PCM has tag 1; rates are a second's samples and bytes, of all channels."""

    tag: int
    channels: int
    rate: int
    byte_rate: int
    block_bytes: int
    bits: int


SPEECH_FORMAT = WavFormat(
    1, 1, SPEECH_RATE, SPEECH_RATE * _SAMPLE_BYTES, _SAMPLE_BYTES, 8 * _SAMPLE_BYTES
)


class _Chunk(NamedTuple):
    name: bytes
    start: int
    length: int


def missing_share(file: BinaryIO) -> float:
    """How much of the sound that a WAV announces lies beyond its end, relative to what is there.

    0 where it announces nothing: it was written to a pipe by a program that could not know.
    """
    size = os.fstat(file.fileno()).st_size
    long = 0
    for chunk in _chunks(file):
        if chunk.name == b"ds64":
            long = _read_long_size(file, chunk)
        elif chunk.name == b"data":
            there = size - chunk.start
            length = chunk.length if chunk.length < _OPEN_END else 0
            if chunk.length == _IN_DS64:
                length = long
            return max(0, length - there) / there if there > 0 else 0.0
    return 0.0


def open_speech(path: Path) -> Pcm:
    """Map a recording into memory: 16 kHz, mono, 16-bit PCM, nothing else.

    Returns:
        (samples,) int16, read-only; pages are read as they are used.

    Raises:
        errors.AudioFormatError: not such a WAV, or its lengths are not those of the file.
        errors.AudioLengthError: no samples.
    """
    with path.open("rb") as file:
        data = _find_speech(file)
    if not data.length:
        raise AudioLengthError("the recording has no samples", hint=_HINT)
    samples = np.memmap(path, "<i2", "r", offset=data.start, shape=(data.length // 2,))
    return samples.view(np.ndarray).astype(np.int16, copy=False)


class WavWriter:
    """Writes 16 kHz, mono, 16-bit PCM. Use as a context: its end moves the file to its place.

    Leaves nothing behind if the context ends with an exception.

    Attributes:
        samples: written so far.

    Raises:
        errors.OutputWriteError: the file cannot be created or written.
    """

    def __init__(self, path: Path) -> None:
        self.samples = 0
        # A recording is private: other users need not read it.
        self._file = AtomicFile(path, error_context=_write_errors, mode=0o600)

    def __enter__(self) -> WavWriter:
        try:
            self._file.write(_header(0))
        except BaseException:
            self._file.discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._file.write_at(0, _header(self.samples))
                # Not synced: it goes with its process, and a server that keeps it syncs it.
                self._file.publish()
        finally:
            self._file.discard()

    def write(self, pcm: Pcm) -> None:
        """Append (n,) int16 samples."""
        self._file.write(pcm.astype("<i2", copy=False).tobytes())
        self.samples += len(pcm)


@dataclass(frozen=True, slots=True)
class PaddedWav:
    """What `WavWriter` wrote, with silence up to the end of its last video frame.

    Attributes:
        path: the file.
        samples: in it.
        secs: where the last frame ends.
    """

    path: Path
    samples: int
    secs: Fraction

    @property
    def size(self) -> int:
        """Bytes, header included."""
        return _HEADER.size + self._padded * _SAMPLE_BYTES

    def blocks(self) -> Iterator[bytes]:
        """Its bytes, in pieces; reads the file."""
        yield _header(self._padded)
        with self.path.open("rb") as file:
            file.seek(_HEADER.size)
            while data := file.read(_BLOCK):
                yield data
        silence = (self._padded - self.samples) * _SAMPLE_BYTES
        for start in range(0, silence, _BLOCK):
            yield bytes(min(_BLOCK, silence - start))

    @property
    def _padded(self) -> int:
        # Up, not down: a server that rounds frames down shall find all of them.
        return max(self.samples, math.ceil(self.secs * SPEECH_RATE))


def _chunks(file: BinaryIO) -> Iterator[_Chunk]:
    """The first chunks as their heads describe them, whether or not the file holds so much."""
    place = _RIFF.size
    for _ in range(_MAX_CHUNKS):
        file.seek(place)
        head = file.read(_CHUNK.size)
        if len(head) < _CHUNK.size:
            return
        name, length = _CHUNK.unpack(head)
        place += _CHUNK.size
        yield _Chunk(name, place, length)
        place += length + length % 2


def _read_format(file: BinaryIO, chunk: _Chunk) -> WavFormat | None:
    """None where the chunk is too short, or the file."""
    file.seek(chunk.start)
    body = file.read(min(chunk.length, _FORMAT.size))
    return WavFormat(*_FORMAT.unpack(body)) if len(body) == _FORMAT.size else None


def _read_long_size(file: BinaryIO, chunk: _Chunk) -> int:
    file.seek(chunk.start)
    body = file.read(min(chunk.length, _DS64.size))
    return int(_DS64.unpack(body)[1]) if len(body) == _DS64.size else 0


def _find_speech(file: BinaryIO) -> _Chunk:
    head = file.read(_RIFF.size)
    if len(head) < _RIFF.size or (head[:4], head[8:]) != (b"RIFF", b"WAVE"):
        raise AudioFormatError("the recording is not a WAV", hint=_HINT)
    size = os.fstat(file.fileno()).st_size
    form: WavFormat | None = None
    for chunk in _chunks(file):
        _check_length(chunk, size)
        if chunk.name == b"fmt ":
            form = _read_format(file, chunk)
            if form != SPEECH_FORMAT:
                raise AudioFormatError("the WAV is not 16 kHz, mono, 16-bit PCM", hint=_HINT)
        elif chunk.name == b"data":
            if form is None or chunk.length % _SAMPLE_BYTES:
                raise AudioFormatError("the WAV's samples have no format", hint=_HINT)
            return chunk
    raise AudioFormatError("the WAV has no samples", hint=_HINT)


def _check_length(chunk: _Chunk, size: int) -> None:
    left = size - chunk.start
    if chunk.length > left:
        raise AudioFormatError(
            f"the WAV says that {chunk.length} bytes follow; {left} do", hint=_HINT
        )


def _header(samples: int) -> bytes:
    size = samples * _SAMPLE_BYTES
    riff = (b"RIFF", _HEADER.size - _CHUNK.size + size, b"WAVE")
    return _HEADER.pack(*riff, b"fmt ", _FORMAT.size, *SPEECH_FORMAT, b"data", size)


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputWriteError(
            f"cannot write the recording for the server: {reason}",
            where=str(path.parent),
            hint="check free space and permissions of the temporary folder",
        ) from error
