"""WAV files: written as samples come, there only when whole; and how long one says it is."""

from __future__ import annotations

import struct
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from musetalk_fast.errors import OutputWriteError
from musetalk_fast.types import SPEECH_RATE, Pcm

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_SAMPLE_BYTES = 2
_CHUNKS = 64
_OPEN_END = 0x7FFFF000
"""Programs that cannot know the length yet write a size about as large as this, or larger."""


def wav_secs(path: Path) -> float | None:
    """How long a WAV says it is, whether or not it holds so much; None if it does not say."""
    bytes_a_sec = 0
    with path.open("rb") as file:
        file.seek(12)
        for _ in range(_CHUNKS):
            head = file.read(8)
            if len(head) < 8:
                break
            size = int.from_bytes(head[4:], "little")
            if head[:4] == b"data":
                return size / bytes_a_sec if bytes_a_sec and size < _OPEN_END else None
            body = file.read(size % 2 + size) if head[:4] == b"fmt " and size < 64 else b""
            bytes_a_sec = int.from_bytes(body[8:12], "little") if body else bytes_a_sec
            file.seek(0 if body else size + size % 2, 1)
    return None


class WavWriter:
    """Writes 16 kHz, mono, 16-bit PCM. Use as a context: its end renames the file into place.

    Leaves nothing behind if the context ends with an exception.

    Raises:
        errors.OutputWriteError: the file cannot be created or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".tmp")
        self._samples = 0
        self._file: BinaryIO
        try:
            self._file = self._part.open("wb")
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> WavWriter:
        self._write(self._header())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._file.close()
            self._part.unlink(missing_ok=True)

    def write(self, pcm: Pcm) -> None:
        """Append (n,) int16 samples."""
        self._write(pcm.astype("<i2", copy=False).tobytes())
        self._samples += len(pcm)

    def _finish(self) -> None:
        try:
            self._file.seek(0)
            self._file.write(self._header())
            self._file.close()
            self._part.replace(self._path)
        except OSError as error:
            raise self._failed(error) from error

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise self._failed(error) from error

    def _header(self) -> bytes:
        size = self._samples * _SAMPLE_BYTES
        rate = SPEECH_RATE
        form = (16, 1, 1, rate, rate * _SAMPLE_BYTES, _SAMPLE_BYTES, 8 * _SAMPLE_BYTES)
        return _HEADER.pack(b"RIFF", 36 + size, b"WAVE", b"fmt ", *form, b"data", size)

    def _failed(self, error: OSError) -> OutputWriteError:
        reason = error.strerror or str(error)
        return OutputWriteError(
            f"cannot write the recording for the server: {reason}",
            where=str(self._path.parent),
            hint="check free space and permissions of the temporary folder",
        )
