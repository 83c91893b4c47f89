"""MuseTalk's box, mask and blend in OpenCV, Pillow and float64: nothing of ours computes here.

Facts: `preprocessing.py`, `face_parsing/__init__.py` and `blending.py` of TMElyralab/MuseTalk, its
offline path. Boxes are left, top, right, bottom.
"""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

Array = np.ndarray
Corners = tuple[int, int, int, int]


def ragged_labels() -> Array:
    """(512, 512) of a face with all parts; edges are ragged, and skin comes up to the sides."""
    rng = np.random.default_rng(8)
    rough = cv2.GaussianBlur(rng.normal(size=(512, 512)), (0, 0), 6) * 160
    rows, columns = np.mgrid[:512, :512] - 256 + rough
    out = np.zeros((512, 512), np.uint8)
    out[(columns / 150) ** 2 + (rows / 200) ** 2 < 1] = 1
    out[(abs(columns) < 70) & (rows > 150)] = 14
    out[rows > 230] = 1
    out[(abs(columns) < 30) & (abs(rows - 5) < 25)] = 10
    for label, row in ((12, 65), (11, 80), (13, 95)):
        out[(abs(columns) < 50) & (abs(rows - row) < 8)] = label
    return out


def box_of(landmarks: Array, shift: int, margin: int, height: int) -> Corners:
    """Of 68 landmarks, whole pixels: as high above the third point of the nose as below it."""
    middle = landmarks[29, 1] + shift
    lowest = landmarks[:, 1].max()
    upper = max(0, middle - (lowest - middle))
    left, right = landmarks[:, 0].min(), landmarks[:, 0].max()
    return int(left), int(upper), int(right), int(min(lowest + margin, height))


def square_of(box: Corners) -> Corners:
    """The crop box: half of the longer side, rounded down, one and a half times."""
    left, top, right, bottom = box
    x, y = (left + right) // 2, (top + bottom) // 2
    half = int(max(right - left, bottom - top) // 2 * 1.5)
    return x - half, y - half, x + half, y + half


def seen_by_the_parser(picture: Array, box: Corners) -> Array:
    """(512, 512, 3); Pillow's crop is black beyond the picture."""
    large = Image.fromarray(picture).crop(square_of(box))
    return np.asarray(large.resize((512, 512), Image.Resampling.BILINEAR))


def region_of(labels: Array, mode: str, left: int = 90, right: int = 90) -> Array:
    """(512, 512) of 0 and 255."""
    kept = {"raw": [1, 11, 12, 13], "neck": [1, 11, 12, 13, 14], "jaw": [11, 12, 13]}[mode]
    out = np.isin(labels, kept)
    if mode == "jaw":
        cone = np.zeros((33, 33), np.uint8)
        for row in range(10, 33):
            half = min(row - 10, 10)
            cone[row, 16 - half : 17 + half] = 1
        skin = cv2.dilate((labels == 1).astype(np.uint8), cone)
        ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (35, 3))
        drawn_in = cv2.erode(skin, ellipse, iterations=2)
        cheeks = np.zeros((512, 512), np.uint8)
        cv2.rectangle(cheeks, (0, 0), (256 - left, 512), 255, -1)
        cv2.rectangle(cheeks, (256 + right, 0), (512, 512), 255, -1)
        out |= (np.where(cheeks > 0, drawn_in, skin) > 0) & (labels != 10)
    return out.astype(np.uint8) * 255


def mask_of(region: Array, box: Corners, upper: float = 0.5, blur: float = 0.05) -> Array:
    """The square's mask, 0 to 255."""
    x, y, *_ = square = square_of(box)
    side = square[2] - x
    own = box[0] - x, box[1] - y, box[2] - x, box[3] - y
    whole = Image.fromarray(region).resize((side, side))  # bicubic: Pillow's default
    mask = np.zeros((side, side), np.uint8)
    mask[own[1] : own[3], own[0] : own[2]] = np.asarray(whole)[own[1] : own[3], own[0] : own[2]]
    mask[: int(side * upper)] = 0
    kernel = int(blur * side // 2 * 2) + 1
    return cv2.GaussianBlur(mask, (kernel, kernel), 0)


def blended(body: Array, crop: Array, box: Corners, mask: Array) -> Array:
    """(h, w, 3) float64: the crop in its box, over the picture by the square's mask."""
    height, width = body.shape[:2]
    out, (x, y, *_) = body.astype(np.float64), square_of(box)
    face = cv2.resize(crop.astype(np.float64), (box[2] - box[0], box[3] - box[1]))
    for row in range(max(0, box[1]), min(height, box[3])):
        left, right = max(0, box[0]), min(width, box[2])
        share = mask[row - y, left - x : right - x, None] / 255
        own = face[row - box[1], left - box[0] : right - box[0]]
        out[row, left:right] = own * share + out[row, left:right] * (1 - share)
    return out


def bt709(rgb: Array) -> list[Array]:
    """Y, Cb and Cr in levels of 8 bits, limited range."""
    luma = rgb @ [0.2126, 0.7152, 0.0722]
    cb, cr = (rgb[..., 2] - luma) / 1.8556, (rgb[..., 0] - luma) / 1.5748
    return [16 + luma * 219 / 255, 128 + cb * 224 / 255, 128 + cr * 224 / 255]
