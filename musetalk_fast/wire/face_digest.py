"""Names of content: what both sides compute alike."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from musetalk_fast.types import Face

_FACE = struct.Struct("<B8i")
_NO_FACE = b"\0"


@dataclass(frozen=True, slots=True, eq=False)
class PreparedFaces:
    """What a server found in an avatar: one face or None per source frame, and their digest."""

    faces: tuple[Face | None, ...]
    digest: str


def faces_digest(faces: Iterable[Face | None]) -> str:
    """SHA-256 of an avatar's faces, in hexadecimal.

    Hashed, source frame by source frame: a byte 0 where there is no face; else a byte 1, then
    `x, y, width, height` of the box and of the mask's box as little-endian 32-bit integers, then
    the mask's bytes row by row.
    """
    digest = hashlib.sha256()
    for face in faces:
        if face is None:
            digest.update(_NO_FACE)
        else:
            digest.update(_FACE.pack(1, *face.box, *face.mask_box))
            digest.update(np.ascontiguousarray(face.mask).data)
    return digest.hexdigest()


NO_FACES = PreparedFaces((), faces_digest(()))
"""Of a server that makes whole frames and tells nothing of faces."""
