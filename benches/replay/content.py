"""Makes a workload; apart from it, because the preview engine is large in memory."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from benches.replay.workload import CROPS, Workload
from musetalk_fast.engines.preview import painting
from musetalk_fast.engines.preview.mouth import MouthPose, make_mouth, pose_mouth
from musetalk_fast.kernels.png import encode_png
from musetalk_fast.media.face import find_face
from musetalk_fast.media.face.mask import jaw_mask
from musetalk_fast.media.image import load_still
from musetalk_fast.types import AvatarOptions, Box, Face

PORTRAIT = Path(__file__).parents[2] / "examples" / "portrait.png"


def make_workload(folder: Path, width: int, height: int, side: int) -> Workload:
    """The example's portrait in `width` x `height`, its face in a box of `side` pixels."""
    rgb = load_still(PORTRAIT, background="white", resolution=None).rgb
    found = find_face(rgb, AvatarOptions())
    own = found.box
    scale = max(width / rgb.shape[1], height / rgb.shape[0], side / max(own.width, own.height))
    large = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    points = found.landmarks.points[:, :2].astype(np.float64) * scale
    middle = (np.array(own[:2]) + np.array(own[2:]) / 2) * scale
    corner = np.clip(
        middle - (width / 2, height / 2), 0, np.array(large.shape[1::-1]) - (width, height)
    )
    x, y = corner.astype(int)
    picture = np.ascontiguousarray(large[y : y + height, x : x + width])
    points, (left, top) = points - (x, y), (middle - (x, y) - side / 2).astype(int)
    box = Box(int(left), int(top), side, side)
    face = Face(0, box, *jaw_mask(points, box, width, height))
    mouth = make_mouth(picture, points, box)
    crops = np.stack([painting.paint(mouth, pose_mouth(mouth, pose)) for pose in _speaking()])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "avatar.png").write_bytes(encode_png(picture))
    np.save(folder / "crops.npy", crops)
    np.savez(folder / "workload.npz", box=box, mask_box=face.mask_box, mask=face.mask)
    return Workload(folder, face, crops)


def _speaking() -> list[MouthPose]:
    """Syllables of a fifth of a second, louder and softer; the first and the last pose agree."""
    turns = [2 * math.pi * k / CROPS for k in range(CROPS)]
    return [
        MouthPose(
            open=0.7 * abs(math.sin(6 * turn)) * (0.6 + 0.4 * math.cos(turn)),
            wide=0.5 * math.sin(5 * turn),
            rest=0,
        )
        for turn in turns
    ]
