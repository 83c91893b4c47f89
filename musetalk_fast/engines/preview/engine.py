"""The preview engine's four verbs."""

from __future__ import annotations

import hashlib
import importlib.resources
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from musetalk_fast._version import __version__
from musetalk_fast.engines.base import CancelCheck, CropRequest, EngineInfo, OnFace
from musetalk_fast.engines.preview.mask import jaw_mask
from musetalk_fast.engines.preview.mouth import Mouth, MouthPose, make_mouth, pose_mouth
from musetalk_fast.engines.preview.render import paint
from musetalk_fast.engines.preview.speech import mouth_track, pose_at
from musetalk_fast.media.face import FaceFinder, find_face
from musetalk_fast.media.image import load_still
from musetalk_fast.types import CROP_SIZE, AvatarOptions, Face, Pcm

NAME = "preview"


@dataclass(frozen=True, slots=True, eq=False)
class PreviewAvatar:
    """A prepared avatar: one face and one mouth for each source frame."""

    width: int
    height: int
    faces: tuple[Face, ...]
    mouths: tuple[Mouth, ...]


class PreviewEngine:
    """Moves the mouth of a photo on a CPU. It is a preview, not MuseTalk.

    Models are loaded with the first avatar. Each verb serves one thread at a time; different verbs
    may be at work side by side, as in a server.
    """

    def __init__(self) -> None:
        self._finder: FaceFinder | None = None

    def describe(self) -> EngineInfo:
        """Name and version: the package's, and a hash of the engine's code and weights."""
        return EngineInfo(
            name=NAME, model=f"{NAME}-{__version__}-{_fingerprint()}", is_preview=True
        )

    def prepare_avatar(
        self, path: Path, options: AvatarOptions, on_face: OnFace, check: CancelCheck
    ) -> PreviewAvatar:
        """Load a still picture, find its face and solve its poses.

        A box in which no face is seen counts as the place of an average one.

        Raises:
            errors.ImageFormatError, errors.ImageSizeError: no usable picture.
            errors.NoFaceError, errors.FaceTurnedError, errors.MouthHiddenError,
            errors.FaceSizeError: no usable face.
            errors.FaceOptionsError: a shift or a margin that the face does not allow.
            errors.UsageError: options that make no sense.
        """
        still = load_still(path, background="white", resolution=None)
        check()
        finder = self._finder = self._finder or FaceFinder()
        found = find_face(still.rgb, options, finder, list_others=False, trust_box=True)
        check()
        points = found.landmarks.points
        place, mask = jaw_mask(
            points[:, :2].astype(np.float64), found.box, still.width, still.height
        )
        face = Face(source=0, box=found.box, mask_box=place, mask=mask)
        mouth = make_mouth(still.rgb, points, found.box, check)
        # The first crop compiles the kernel: better here than in a stream that has a deadline.
        paint(mouth, pose_mouth(mouth, MouthPose(0, 0, 0)))
        on_face(0, 1, face)
        return PreviewAvatar(still.width, still.height, (face,), (mouth,))

    def prepare_audio(self, pcm: Pcm, check: CancelCheck) -> NDArray[np.float32]:
        """The mouth's movement through a recording: (T, 3) float32 open, wide, rest."""
        return np.asarray(mouth_track(pcm, check=check), np.float32)

    def infer(self, batch: Sequence[CropRequest]) -> NDArray[np.uint8]:
        """Make crops: (len(batch), 256, 256, 3) uint8 RGB. Beyond the sound the photo rests."""
        out = np.empty((len(batch), CROP_SIZE, CROP_SIZE, 3), np.uint8)
        for crop, request in zip(out, batch, strict=True):
            mouth = cast("PreviewAvatar", request.avatar).mouths[request.source]
            track = cast("NDArray[np.float32]", request.audio)
            pose = MouthPose(*pose_at(track, request.frame, request.fps))
            paint(mouth, pose_mouth(mouth, pose), crop)
        return out

    def close(self) -> None:
        """Let go of the models."""
        self._finder = None


def _fingerprint() -> str:
    """Eight hex digits over everything that decides what a crop looks like."""
    digest = hashlib.sha256()
    for package in (__package__, "musetalk_fast.media.face"):
        files = importlib.resources.files(package).iterdir()
        for file in sorted(files, key=lambda each: each.name):
            if file.name.endswith((".py", ".npz", ".tflite")):
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:8]
