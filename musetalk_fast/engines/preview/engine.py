"""The preview engine's four verbs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from musetalk_fast._version import __version__
from musetalk_fast.engines.base import (
    CancelCheck,
    CropRequest,
    EngineInfo,
    OnFace,
    PreparedAvatar,
)
from musetalk_fast.engines.fingerprint import FACES, fingerprint
from musetalk_fast.engines.preview.clip import prepare_clip
from musetalk_fast.engines.preview.mouth import Mouth, MouthPose, Posed, make_mouth, pose_mouth
from musetalk_fast.engines.preview.mouth_track import mouth_track, pose_at
from musetalk_fast.engines.preview.painting import paint
from musetalk_fast.media.avatar import AvatarSource, open_asset
from musetalk_fast.media.face import FaceFinder, find_face
from musetalk_fast.media.face.mask import jaw_mask
from musetalk_fast.types import CROP_SIZE, AvatarOptions, Face, Pcm

NAME = "preview"


class PreviewAvatar(PreparedAvatar, Protocol):
    """A prepared avatar."""

    def posed(self, source: int, pose: MouthPose) -> tuple[Mouth, Posed]:
        """The mouth of a source frame that has a face, and a pose of it, for `painting.paint`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class StillAvatar:
    """A prepared picture."""

    width: int
    height: int
    faces: tuple[Face]
    mouth: Mouth

    def posed(self, _source: int, pose: MouthPose) -> tuple[Mouth, Posed]:
        """See `PreviewAvatar`."""
        return self.mouth, pose_mouth(self.mouth, pose)


class PreviewEngine:
    """Moves the mouth of a photo or a video on a CPU. It is a preview, not MuseTalk.

    Models are loaded with the first avatar. Each verb serves one thread at a time; different verbs
    may be at work side by side, as in a server.
    """

    def __init__(self) -> None:
        self._finder: FaceFinder | None = None

    def describe(self) -> EngineInfo:
        """Name and version: the package's, and a hash of the engine's code and weights."""
        return EngineInfo(
            name=NAME,
            model=f"{NAME}-{__version__}-{fingerprint(__package__, FACES)}",
            is_preview=True,
            takes_videos=True,
        )

    def prepare_avatar(
        self, path: Path, options: AvatarOptions, on_face: OnFace, check: CancelCheck
    ) -> PreviewAvatar:
        """Find the face and solve its poses: of a picture, or of one frame of a video.

        In a picture a box in which no face is seen counts as the place of an average one. What is
        kept of a video is beside its file, in one that has no name; see `clip_file`.

        Raises:
            errors.ImageFormatError, errors.ImageSizeError: no usable picture or video.
            errors.NoFaceError, errors.FaceTurnedError, errors.MouthHiddenError,
            errors.FaceSizeError: no usable face.
            errors.FaceOptionsError: a shift or a margin that the face does not allow.
            errors.UsageError: options that make no sense.
        """
        source = open_asset(path)
        check()
        finder = self._finder = self._finder or FaceFinder()
        if source.rate is None:
            return self._still(source, options, finder, on_face, check)
        avatar = prepare_clip(source, options, finder, path.parent, on_face, check)
        _compile(avatar)
        return avatar

    def _still(
        self,
        source: AvatarSource,
        options: AvatarOptions,
        finder: FaceFinder,
        on_face: OnFace,
        check: CancelCheck,
    ) -> StillAvatar:
        rgb = source.picture(0)
        found = find_face(rgb, options, finder, list_others=False, trust_box=True)
        check()
        points = found.landmarks.points
        place, mask = jaw_mask(
            points[:, :2].astype(np.float64), found.box, source.width, source.height
        )
        face = Face(source=0, box=found.box, mask_box=place, mask=mask)
        mouth = make_mouth(rgb, points, found.box, check)
        avatar = StillAvatar(source.width, source.height, (face,), mouth)
        _compile(avatar)
        on_face(0, 1, face)
        return avatar

    def prepare_audio(self, pcm: Pcm, check: CancelCheck) -> NDArray[np.float32]:
        """The mouth's movement through a recording: (T, 3) float32 open, wide, rest."""
        return np.asarray(mouth_track(pcm, check=check), np.float32)

    def infer(self, batch: Sequence[CropRequest]) -> NDArray[np.uint8]:
        """Make crops: (len(batch), 256, 256, 3) uint8 RGB. Beyond the sound the photo rests."""
        out = np.empty((len(batch), CROP_SIZE, CROP_SIZE, 3), np.uint8)
        for crop, request in zip(out, batch, strict=True):
            avatar = cast("PreviewAvatar", request.avatar)
            track = cast("NDArray[np.float32]", request.audio)
            pose = MouthPose(*pose_at(track, request.frame, request.fps))
            paint(*avatar.posed(request.source, pose), crop)
        return out

    def close(self) -> None:
        """Let go of the models."""
        self._finder = None


def _compile(avatar: PreviewAvatar) -> None:
    """Make a crop: the first one compiles the kernels, for which a stream has no time."""
    source = next(number for number, face in enumerate(avatar.faces) if face is not None)
    paint(*avatar.posed(source, MouthPose(0, 0, 0)))
