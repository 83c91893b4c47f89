"""A prepared avatar as a safetensors file: latents, boxes and masks' regions of its source frames.

Nothing in it is a pickle. It is read frame by frame: the system keeps in memory what is in use.
"""

from __future__ import annotations

import math
import os
import struct
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
from numpy.typing import NDArray

from musetalk_fast.engines.musetalk.latents import LATENT_SHAPE, Latents
from musetalk_fast.media.face.mask_region import PARSED, Region
from musetalk_fast.storage import AtomicFile
from musetalk_fast.types import Box

_SIDES = 48
"""Columns of a region on either side, and rows at its end, that are never in a box: not kept."""
_LENGTH = struct.Struct("<Q")
_ALIGNED = 64
_NAMES = {
    np.dtype(np.float16): "F16",
    np.dtype(np.float32): "F32",
    np.dtype(np.int32): "I32",
    np.dtype(np.uint8): "U8",
}


@dataclass(frozen=True, slots=True, eq=False)
class FaceFrame:
    """A source frame with a face.

    Attributes:
        box: MuseTalk's.
        region: of the parsed square, from the layout's first row on.
        latents: (8, 32, 32).
    """

    box: Box
    region: Region
    latents: Latents


@dataclass(frozen=True, slots=True)
class Layout:
    """What a file holds, one part behind the other.

    Attributes:
        key: what it was made of; see `latent_cache`.
        size: width and height of the avatar.
        frames: source frames, those without a face included.
        dtype: of the latents.
        first: row of a region, before which nothing is kept.
    """

    key: str
    size: tuple[int, int]
    frames: int
    dtype: Any
    first: int

    @property
    def parts(self) -> dict[str, tuple[Any, tuple[int, ...]]]:
        """Each part's numbers and shape.

        A box without width stands for no face. Of a region eight pixels are a byte.
        """
        rows, columns = PARSED - _SIDES - self.first, (PARSED - 2 * _SIDES) // 8
        return {
            "latents": (np.dtype(self.dtype), (self.frames, *LATENT_SHAPE)),
            "boxes": (np.dtype(np.int32), (self.frames, 4)),
            "regions": (np.dtype(np.uint8), (self.frames, rows, columns)),
        }

    def header(self) -> bytes:
        """The beginning of the file."""
        document: dict[str, Any] = {
            "__metadata__": {"key": self.key, "size": "{}x{}".format(*self.size)}
        }
        start = 0
        for name, (dtype, shape) in self.parts.items():
            end = start + dtype.itemsize * math.prod(shape)
            document[name] = {
                "dtype": _NAMES[dtype],
                "shape": list(shape),
                "data_offsets": [start, end],
            }
            start = end
        text = orjson.dumps(document)
        text += b" " * (-(len(text) + _LENGTH.size) % _ALIGNED)
        return _LENGTH.pack(len(text)) + text

    @property
    def bytes(self) -> int:
        """Of the entire file."""
        sizes = [dtype.itemsize * math.prod(shape) for dtype, shape in self.parts.values()]
        return len(self.header()) + int(sum(sizes))

    def offset(self, name: str, source: int) -> int:
        """Where a source frame's share of a part begins in the file."""
        start = len(self.header())
        for each in self.parts:
            if each == name:
                return start + source * self.share(each)
            start += self.frames * self.share(each)
        raise KeyError(name)

    def share(self, name: str) -> int:
        """Bytes of a part for one source frame."""
        dtype, shape = self.parts[name]
        return int(dtype.itemsize * math.prod(shape[1:]))


class LatentWriter:
    """Writes a file frame by frame; a context that leaves none if it was not finished.

    Raises:
        OSError: the disk is full, or the folder gone; here and in every method.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self._layout = layout
        self._file = AtomicFile(path, error_context=_as_it_is, mode=0o600)
        try:
            self._file.write(layout.header())
            self._file.write_at(layout.bytes - 1, b"\0")
        except BaseException:
            self._file.discard()
            raise

    def __enter__(self) -> LatentWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.discard()

    def put(self, source: int, frame: FaceFrame) -> None:
        """Set a source frame that has a face."""
        part = frame.region[self._layout.first : -_SIDES, _SIDES:-_SIDES]
        bits = np.packbits(part, axis=1)
        values = {"latents": frame.latents, "boxes": frame.box, "regions": bits}
        for name, (dtype, _) in self._layout.parts.items():
            content = np.ascontiguousarray(values[name], dtype).tobytes()
            self._file.write_at(self._layout.offset(name, source), content)

    def finish(self, *, is_kept: bool = True) -> LatentFile:
        """The file, for reading.

        Args:
            is_kept: it is moved to its place; else it has no name, and goes once nobody reads it.
        """
        # Opened before: others may remove it as soon as it is in its place.
        file = self._file.unfinished.open("rb")
        if is_kept:
            self._file.commit()
        return LatentFile(file, self._layout)


class LatentFile:
    """The source frames of a prepared avatar, read in any order by several threads.

    Args:
        file: whole; it may be removed while it is open. Closed with this.
    """

    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self.size = layout.size
        self._layout = layout
        self._file = file
        weakref.finalize(self, self._file.close)
        length = layout.frames * layout.share("boxes")
        data = os.pread(self._file.fileno(), length, layout.offset("boxes", 0))
        self._boxes = np.frombuffer(data, np.int32).reshape(-1, 4)

    def __len__(self) -> int:
        return len(self._boxes)

    def has_face(self, source: int) -> bool:
        """Whether a source frame has a face."""
        return bool(self._boxes[source, 2] > 0)

    def latents(self, source: int) -> Latents:
        """Of a source frame that has a face: (8, 32, 32)."""
        return self._read("latents", source)

    def place(self, source: int) -> tuple[Box, Region]:
        """Box and region of a source frame that has a face."""
        region = np.zeros((PARSED, PARSED), bool)
        bits = np.unpackbits(self._read("regions", source), axis=1)
        region[self._layout.first : -_SIDES, _SIDES:-_SIDES] = bits
        return Box(*map(int, self._boxes[source])), region

    def _read(self, name: str, source: int) -> NDArray[Any]:
        dtype, shape = self._layout.parts[name]
        place = self._layout.offset(name, source)
        data = os.pread(self._file.fileno(), self._layout.share(name), place)
        return np.frombuffer(data, dtype).reshape(shape[1:])


def open_whole(path: Path, layout: Layout) -> LatentFile | None:
    """The file, if one is there that holds exactly this, to its last byte."""
    try:
        file = path.open("rb")
    except OSError:
        return None
    with suppress(OSError):
        header = layout.header()
        if file.read(len(header)) == header and file.seek(0, os.SEEK_END) == layout.bytes:
            return LatentFile(file, layout)
    file.close()
    return None


@contextmanager
def _as_it_is(_path: Path) -> Iterator[None]:
    """Errors of the system as they are: a server knows what a full disk means to its clients."""
    yield
