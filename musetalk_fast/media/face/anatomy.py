"""Which of the 478 points are lips, jaw, chin and nose.

Numbers are those of MediaPipe's Face Mesh (`face_mesh_connections.py` and the canonical face
model of google-ai-edge/mediapipe). Rows of points run from the picture's left to its right.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""(N, 2) float64: x, y, or across, down."""

UPPER_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
UPPER_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
LOWER_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
MIDDLE = 5
"""Place of the middle of the mouth in each of the four rows."""

JAW = (
    *(234, 93, 132, 58, 172, 136, 150, 149, 176, 148),
    152,
    *(377, 400, 378, 379, 365, 397, 288, 361, 323, 454),
)
"""The lower face oval, ear to ear."""

BROW_OVAL = (356, 389, 251, 284, 332, 297, 338, 10, 109, 67, 103, 54, 21, 162, 127)
"""The upper face oval; closes `JAW` to a ring."""

CHIN = (32, 208, 199, 428, 262, 140, 171, 175, 396, 369, 201, 200, 421)
"""Skin over the chin bone, which moves with the jaw as one piece."""

CHIN_TIP = 152
NOSE_BRIDGE = 195
NOSE_TIP = 4
NOSE_BASE = 2
NOSE_SIDES = (129, 358)
"""Outer edges of the nostrils' wings."""

STILL = (
    *(1, 2, 4, 5, 19, 94, 98, 97, 326, 327, 64, 294, 129, 358),  # nose
    *(6, 168, 195, 197),  # bridge
    *(33, 133, 159, 145, 362, 263, 386, 374),  # eyes
    *(117, 118, 50, 101, 346, 347, 280, 330),  # cheek bones
    *(127, 356, 162, 389),  # temples
)
"""What stays where it is, however the mouth moves."""

SKIN = (50, 280, 205, 425, 199)
"""Cheeks and chin: where the colour of skin is taken from."""
