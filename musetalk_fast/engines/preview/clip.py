"""A video as avatar: its face followed, its poses solved once and carried to every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.base import CancelCheck, OnFace
from musetalk_fast.engines.face_sequence import FaceSequence
from musetalk_fast.engines.preview.carry import Carrier
from musetalk_fast.engines.preview.clip_file import ClipFile, ClipFrame
from musetalk_fast.engines.preview.clip_softness import ClipSoftness, SoftLayers
from musetalk_fast.engines.preview.head import Head, Mesh
from musetalk_fast.engines.preview.interior import Interior
from musetalk_fast.engines.preview.mouth import (
    Mouth,
    MouthPose,
    Posed,
    affine_of,
    mouth_of,
    pose_mouth,
)
from musetalk_fast.engines.preview.mouth_space import MouthSpace
from musetalk_fast.engines.preview.pixels import crop_rows
from musetalk_fast.engines.preview.reference_frame import ReferenceFrame, cost_of
from musetalk_fast.kernels.paste_rows import window
from musetalk_fast.media.avatar import AvatarSource
from musetalk_fast.media.face import (
    BoxSmoother,
    FaceFinder,
    FaceTracker,
    Landmarks,
    TrackedFace,
)
from musetalk_fast.media.face.anatomy import NOSE_TIP, SKIN
from musetalk_fast.media.face.mask import jaw_mask
from musetalk_fast.media.partial_picture import PictureLike
from musetalk_fast.types import CROP_SIZE, AvatarOptions, Box, Crop, Face

_MASK_DETAIL = 128
_SHIFT = 0.25
"""Of a box: how far smoothing may put its edges beyond where they were found."""
_SPARE_ROWS = 16
"""Rows of a crop that are kept above those that its mask and the nose need."""
_GAINS = (0.02, 8)
"""Least and most by which a frame's light differs from that frame's."""


class ClipAvatar:
    """A prepared video: see `prepare_clip`."""

    def __init__(
        self, size: tuple[int, int], kept: _Keeper, mouth: Mouth, reference: ReferenceFrame
    ) -> None:
        self.width, self.height = size
        self._file, self._softness = kept.file, kept.softness
        self._mouth = mouth
        self._layers = SoftLayers(mouth.interior, self._softness.at(reference.source))
        mesh = reference.mesh.astype(np.float64)
        space = MouthSpace.of(mesh[:, :2], reference.box)
        self._head = Head.of(mesh, space)
        self._carrier = Carrier(self._head, mouth.region)
        self._skin = _skin(reference.photo, mesh, space)

    @property
    def faces(self) -> Sequence[Face | None]:
        """One entry per source frame, made when it is asked for."""
        return FaceSequence(len(self._file), self._face)

    def _face(self, source: int) -> Face | None:
        if not self._file.has_face(source):
            return None
        box, mesh = self._file.place(source)
        return _face(source, mesh, box, self.width, self.height)

    def posed(self, source: int, pose: MouthPose) -> tuple[Mouth, Posed]:
        """A source frame's mouth, and a pose of it.

        A clip's own mouth never comes back by itself: it may be speaking.
        """
        frame = self._file.frame(source)
        carried = self._carrier.to_frame(frame.mesh, frame.box)
        live = 1 - min(max(pose.rest, 0.0), 1.0)
        posed = pose_mouth(self._mouth, MouthPose(pose.open * live, pose.wide * live, 0.0))
        photo, space, soft = frame.photo, carried.space, self._softness.at(source)
        mouth = replace(
            self._mouth,
            photo=photo,
            interior=self._interior(photo, frame.mesh, space, soft),
            softness=soft,
            region=carried.region,
            to_mouth=affine_of(space),
            pixels=space.pixels,
        )
        return mouth, posed._replace(maps=self._carrier.maps(posed, carried))

    def _interior(self, photo: Crop, mesh: Mesh, space: MouthSpace, soft: float) -> Interior:
        """The reference frame's, where the head is now, in its light and as soft as it."""
        interior = self._mouth.interior
        gain = np.clip(_skin(photo, mesh, space) / self._skin, *_GAINS).astype(np.float32)
        corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        origin, column, row = self._head.space.to_crop(space.from_crop(corners))
        place = np.stack([column - origin, row - origin, origin], axis=1).astype(np.float32)
        picture = self._layers.picture(soft)
        tongue = interior.tongue * gain
        return replace(interior, picture=picture, tongue=tongue, place=place, gain=gain)


def prepare_clip(
    source: AvatarSource,
    options: AvatarOptions,
    finder: FaceFinder,
    folder: Path,
    on_face: OnFace,
    check: CancelCheck,
) -> ClipAvatar:
    """Follow the face through all source frames, and solve the poses of one of them.

    Memory does not grow with the clip, but for a few bytes a frame.

    Args:
        finder: one for many runs.
        folder: on whose disk what is needed of each frame is kept, some 15 KB.

    Raises:
        errors.InputError: the video cannot be decoded, or has no usable face in any frame; see
            `FaceTracker`.
        errors.UsageError: options that make no sense.
    """
    tracker, keeper = FaceTracker(options, finder), _Keeper(source, ClipFile(folder), on_face)
    smoother = BoxSmoother[_Seen | None](is_on=options.smooth)
    for picture in source.partial_pictures():
        check()
        found = tracker.track(picture)
        seen = None if found is None else _Seen.of(picture, found, is_held=options.smooth)
        for frame in smoother.add(seen, None if found is None else found.box):
            keeper.keep(*frame)
    for frame in smoother.finish():
        keeper.keep(*frame)
    best = keeper.finish()
    if best is None:
        raise tracker.refusal
    mouth = mouth_of(best.photo, best.mesh, best.box, check, fades=False)
    return ClipAvatar((source.width, source.height), keeper, mouth, best)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A source frame with a face, until its box is known.

    Attributes:
        picture: the frame, or the part of it around the face.
        corner: x, y of that part in the frame.
    """

    picture: PictureLike
    corner: tuple[int, int]
    landmarks: Landmarks

    @staticmethod
    def of(picture: PictureLike, found: TrackedFace, *, is_held: bool) -> _Seen:
        """A frame; where many are held, only the part of it that its crop may need."""
        if not is_held:
            return _Seen(picture, (0, 0), found.landmarks)
        box = found.box
        across, down = (round(side * _SHIFT) for side in box[2:])
        left, top = max(0, box.x - across), max(0, box.y - down)
        right, bottom = box.x + box.width + across, box.y + box.height + down
        return _Seen(picture[top:bottom, left:right].copy(), (left, top), found.landmarks)

    def rows(self, box: Box, first: int) -> Crop:
        """See `pixels.crop_rows`."""
        x, y = self.corner
        return crop_rows(self.picture, box._replace(x=box.x - x, y=box.y - y), first)


class _Keeper:
    """Keeps what is needed of each source frame, and finds the one whose poses are solved."""

    def __init__(self, source: AvatarSource, file: ClipFile, on_face: OnFace) -> None:
        self.file = file
        self.softness = ClipSoftness()
        self._source = source
        self._on_face = on_face
        self._best: ReferenceFrame | None = None

    def keep(self, seen: _Seen | None, box: Box | None) -> None:
        """Take the next source frame."""
        number, face = len(self.file), None
        if seen is None or box is None:
            self.file.add(None)
        else:
            mesh = seen.landmarks.points.astype(np.float64)
            face = _face(number, mesh, box, self._source.width, self._source.height)
            rows = seen.rows(box, _first_row(mesh, face))
            self.file.add(ClipFrame(box, mesh, rows))
            self.softness.add(number, rows)
            cost = cost_of(seen.landmarks, rows, self.softness.last)
            if self._best is None or cost < self._best.cost:
                points = seen.landmarks.points
                self._best = ReferenceFrame(cost, number, points, box, seen.rows(box, 0))
        self._on_face(number, self._source.frames, face)

    def finish(self) -> ReferenceFrame | None:
        """There are no more; the frame whose poses are solved, if one has a face."""
        self.file.finish()
        return self._best


def _face(source: int, mesh: Mesh, box: Box, width: int, height: int) -> Face:
    place, mask = jaw_mask(mesh[:, :2], box, width, height, detail=_MASK_DETAIL)
    return Face(source=source, box=box, mask_box=place, mask=mask)


def _first_row(mesh: Mesh, face: Face) -> int:
    """The first row of a crop that is kept."""
    nose = int((mesh[NOSE_TIP, 1] - face.box.y) * CROP_SIZE / face.box.height)
    return max(0, min(window(face).first, nose, CROP_SIZE) - _SPARE_ROWS)


def _skin(photo: Crop, mesh: Mesh, space: MouthSpace) -> NDArray[np.float32]:
    """(3,) float32: the colour of the skin around the mouth."""
    places = space.to_crop(space.from_picture(mesh[list(SKIN), :2]))
    columns, rows = np.clip(places.round().astype(int), 2, CROP_SIZE - 3).T
    patches = [photo[y - 2 : y + 3, x - 2 : x + 3] for x, y in zip(columns, rows, strict=True)]
    middle = np.median(np.stack(patches).reshape(-1, 3), axis=0)
    return np.asarray(np.maximum(middle, 1), np.float32)
