"""Digests of faces that both sides compute alike."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

import numpy as np

from musetalk_fast.types import Face

_FACE = struct.Struct("<B8i")
_NO_FACE = b"\0"


class FacesDigest:
    """SHA-256 of an avatar's faces as they come; see `faces_digest`."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> str:
        """Of those so far, in hexadecimal."""
        return self._hash.hexdigest()

    def add(self, faces: Iterable[Face | None]) -> None:
        """Take the faces of the next source frames."""
        for face in faces:
            if face is None:
                self._hash.update(_NO_FACE)
            else:
                self._hash.update(_FACE.pack(1, *face.box, *face.mask_box))
                self._hash.update(np.ascontiguousarray(face.mask).data)


def faces_digest(faces: Iterable[Face | None]) -> str:
    """SHA-256 of an avatar's faces, in hexadecimal.

    Hashed, source frame by source frame: a byte 0 where there is no face; else a byte 1, then
    `x, y, width, height` of the box and of the mask's box as little-endian 32-bit integers, then
    the mask's bytes row by row.
    """
    digest = FacesDigest()
    digest.add(faces)
    return digest.digest
