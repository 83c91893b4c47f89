"""What a prepared clip keeps of each source frame: on disk, so that long ones cost no memory.

Decoding a frame again for its crop would need a decoder for each stream, at its place and in its
direction, and costs more than reading these some 15 KB: the crop's lower rows as a JPEG without
chroma subsampling (0.4 ms to encode and to decode; 0.9 of 255 levels off on average), the box and
the landmarks that are needed.
"""

from __future__ import annotations

import os
import struct
import tempfile
import weakref
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simplejpeg

from musetalk_fast.engines.preview.head import RIGID, Mesh
from musetalk_fast.media.face.anatomy import (
    BROW_OVAL,
    CHIN,
    JAW,
    LOWER_INNER,
    LOWER_OUTER,
    NOSE_BASE,
    NOSE_BRIDGE,
    NOSE_SIDES,
    NOSE_TIP,
    SKIN,
    STILL,
    UPPER_INNER,
    UPPER_OUTER,
)
from musetalk_fast.types import CROP_SIZE, Box, Crop

KEPT = sorted(
    {
        *(*UPPER_OUTER, *UPPER_INNER, *LOWER_INNER, *LOWER_OUTER),
        *(*JAW, *BROW_OVAL, *CHIN, *STILL, *RIGID, *SKIN),
        *(NOSE_BRIDGE, NOSE_TIP, NOSE_BASE, *NOSE_SIDES),
    }
)
"""The landmarks that are kept; the others are not numbers."""

_POINTS = 478
_HEAD = struct.Struct("<4iH")
_MESH_BYTES = len(KEPT) * 3 * 4
_QUALITY = 95
_TREMBLE = 0.008
"""Of a face's width: what landmarks of a face that stands still are apart from frame to frame."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipFrame:
    """A source frame with a face.

    Attributes:
        box: MuseTalk's.
        mesh: landmarks, of which `KEPT` are there.
        rows: the crop's last rows, (n, 256, 3) uint8 RGB.
    """

    box: Box
    mesh: Mesh
    rows: Crop

    @property
    def photo(self) -> Crop:
        """The crop, (256, 256, 3); the rows that are not kept repeat the first one that is."""
        out = np.empty((CROP_SIZE, CROP_SIZE, 3), np.uint8)
        first = CROP_SIZE - len(self.rows)
        out[:first], out[first:] = self.rows[0], self.rows
        return out


class ClipFile:
    """The source frames of a clip, added in order, read in any: also by several threads.

    The file has no name, so that nothing is left of it.

    Args:
        folder: where it is made, and has space.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as this
        weakref.finalize(self, self._file.close)
        self._ends = array("Q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, frame: ClipFrame | None) -> None:
        """Add the next source frame, or None for one without a face."""
        if frame is not None:
            self._file.write(_HEAD.pack(*frame.box, len(frame.rows)))
            self._file.write(frame.mesh[KEPT].astype("<f4").tobytes())
            self._file.write(simplejpeg.encode_jpeg(frame.rows, _QUALITY, "RGB", "444"))
        self._ends.append(self._file.tell())

    def finish(self) -> None:
        """No more come: they can be read."""
        self._file.flush()

    def has_face(self, source: int) -> bool:
        """Whether a source frame has a face."""
        return self._ends[source] < self._ends[source + 1]

    def place(self, source: int) -> tuple[Box, Mesh]:
        """The box and the landmarks of a source frame that has a face."""
        return _place(self._read(source, _HEAD.size + _MESH_BYTES))

    def frame(self, source: int) -> ClipFrame:
        """A source frame that has a face; its landmarks are steadied by those beside it."""
        data = self._read(source, self._ends[source + 1] - self._ends[source])
        box, mesh = _place(data)
        if 0 < source < len(self) - 1 and self.has_face(source - 1) and self.has_face(source + 1):
            mesh = steadied(self.place(source - 1)[1], mesh, self.place(source + 1)[1])
        rows = simplejpeg.decode_jpeg(data[_HEAD.size + _MESH_BYTES :], "RGB")
        return ClipFrame(box, mesh, rows)

    def _read(self, source: int, length: int) -> bytes:
        return os.pread(self._file.fileno(), length, self._ends[source])


def steadied(before: Mesh, here: Mesh, after: Mesh) -> Mesh:
    """Landmarks without most of what they tremble.

    What is not halfway between the frames before and after is trembling if it is small: two thirds
    of it are taken off, as by a mean of three. What is larger is a movement, and kept; so nothing
    lags, and steady movement is never changed.
    """
    off = here - (before + after) / 2
    size = np.hypot(off[:, 0], off[:, 1])[:, None]
    left, right = here[JAW[0], 0], here[JAW[-1], 0]
    tremble = _TREMBLE * max(abs(float(right - left)), 1.0)
    return np.asarray(here - off * (2 / 3) / (1 + (size / tremble) ** 2))


def _place(data: bytes) -> tuple[Box, Mesh]:
    x, y, width, height, _ = _HEAD.unpack_from(data)
    mesh = np.full((_POINTS, 3), np.nan)
    mesh[KEPT] = np.frombuffer(data, "<f4", len(KEPT) * 3, _HEAD.size).reshape(-1, 3)
    return Box(x, y, width, height), mesh
