"""Digests are those of the document: any change of a face is another digest."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace

import numpy as np

from musetalk_fast.types import Box, Face
from musetalk_fast.wire.face_digest import faces_digest

MASK = np.arange(12, dtype=np.uint8).reshape(3, 4)
FACE = Face(0, Box(-5, 6, 70, 80), Box(0, 20, 4, 3), MASK)


def test_the_bytes_that_are_hashed() -> None:
    wanted = b"\x01" + struct.pack("<8i", -5, 6, 70, 80, 0, 20, 4, 3) + bytes(range(12)) + b"\x00"
    assert faces_digest([FACE, None]) == hashlib.sha256(wanted).hexdigest()


def test_any_change_changes_it() -> None:
    other_mask = MASK.copy()
    other_mask[2, 3] ^= 1
    faces = [
        [FACE],
        [FACE, FACE],
        [None, FACE],
        [replace(FACE, box=Box(-5, 6, 70, 81))],
        [replace(FACE, mask_box=Box(1, 20, 4, 3))],
        [replace(FACE, mask=other_mask)],
        [],
    ]
    assert len({faces_digest(some) for some in faces}) == len(faces)


def test_masks_that_are_views() -> None:
    wide = np.zeros((3, 8), np.uint8)
    wide[:, ::2] = MASK
    assert faces_digest([replace(FACE, mask=wide[:, ::2])]) == faces_digest([FACE])
