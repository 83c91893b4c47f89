"""Avatars made ready: faces found, cropped, and encoded to latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.base import CancelCheck, OnFace
from musetalk_fast.engines.face_sequence import FaceSequence
from musetalk_fast.engines.musetalk.compute import Compute
from musetalk_fast.engines.musetalk.lanczos import mouth_input
from musetalk_fast.engines.musetalk.latent_cache import LatentCache, latents_key
from musetalk_fast.engines.musetalk.latent_file import (
    FaceFrame,
    LatentFile,
    LatentWriter,
    Layout,
    open_whole,
)
from musetalk_fast.engines.musetalk.latents import Latents, latents_dtype
from musetalk_fast.engines.musetalk.model_folder import ModelVersion
from musetalk_fast.errors import FaceOptionsError
from musetalk_fast.media.avatar import AvatarSource, open_asset
from musetalk_fast.media.face import BoxSmoother, FaceFinder, FaceTracker, find_face
from musetalk_fast.media.face.mask import jaw_mask
from musetalk_fast.types import AvatarOptions, Box, Crop, Face, Picture, SourceRun

_STILL_DETAIL, _CLIP_DETAIL = 1024, 128
"""Pixels of a mask's longer side in which it is made: those of clips are many."""
_DEFAULT = AvatarOptions()


class MuseTalkAvatar:
    """A prepared avatar."""

    def __init__(self, file: LatentFile) -> None:
        self.width, self.height = file.size
        self._file = file

    @property
    def faces(self) -> Sequence[Face | None]:
        """One entry per source frame, made when it is asked for."""
        return FaceSequence(len(self._file), self._face)

    def _face(self, source: int) -> Face | None:
        file = self._file
        if not file.has_face(source):
            return None
        box, points = file.place(source)
        detail = _STILL_DETAIL if len(file) == 1 else _CLIP_DETAIL
        place, mask = jaw_mask(points, box, *file.size, detail=detail)
        return Face(source=source, box=box, mask_box=place, mask=mask)

    def latents(self, source: int) -> Latents:
        """(8, 32, 32): the masked face and the entire one of a source frame that has a face."""
        return self._file.latents(source)


class AvatarPreparer:
    """Prepares avatars, for one thread; those of the same content and options only once.

    Args:
        compute: what encodes.
        cache: where they are kept.
        version: of MuseTalk, whose options differ.
        identity: of whatever else decides what the latents are.
    """

    def __init__(
        self, compute: Compute, cache: LatentCache, version: ModelVersion, identity: str
    ) -> None:
        self._compute = compute
        self._cache = cache
        self._version = version
        self._identity = identity
        self._still_finder: FaceFinder | None = None
        self._clip_finder: FaceFinder | None = None

    def prepare(
        self, path: Path, options: AvatarOptions, on_face: OnFace, check: CancelCheck
    ) -> MuseTalkAvatar:
        """See `base.Engine.prepare_avatar`."""
        options = options_of(self._version, options)
        source = open_asset(path)
        check()
        key = latents_key(source.sha256, options, self._identity)
        size = (source.width, source.height)
        layout = Layout(key, size, source.frames, latents_dtype(self._compute.info.numbers))
        place = self._cache.path(key)
        kept = open_whole(place, layout)
        if kept is not None:
            self._cache.touch(key)
            avatar = MuseTalkAvatar(kept)
            for number, face in enumerate(avatar.faces):
                check()
                on_face(number, source.frames, face)
            return avatar
        is_kept = self._cache.make_space(layout.bytes)
        with LatentWriter(place, layout) as writer:
            keeper = _Keeper(self._compute, writer, size, source.frames, on_face)
            if source.rate is None:
                self._still(source, options, keeper)
            else:
                self._clip(source, options, keeper, check)
            return MuseTalkAvatar(writer.finish(is_kept=is_kept))

    def _still(self, source: AvatarSource, options: AvatarOptions, keeper: _Keeper) -> None:
        rgb = source.picture(0)
        finder = self._still_finder = self._still_finder or FaceFinder()
        found = find_face(rgb, options, finder, list_others=False, trust_box=True)
        keeper.keep(_Seen(rgb, (0, 0), found.landmarks.points[:, :2]), found.box)
        keeper.finish()

    def _clip(
        self, source: AvatarSource, options: AvatarOptions, keeper: _Keeper, check: CancelCheck
    ) -> None:
        finder = self._clip_finder = self._clip_finder or FaceFinder(many_runs=True)
        tracker = FaceTracker(options, finder)
        smoother = BoxSmoother[_Seen | None](is_on=options.smooth)
        for picture in source.pictures(SourceRun(0, 1, source.frames)):
            check()
            found = tracker.track(picture)
            box = None if found is None else found.box
            seen = None
            if found is not None:
                seen = _Seen.around(picture, found.box, found.landmarks.points[:, :2])
            for each in smoother.add(seen, box):
                keeper.keep(*each)
        for each in smoother.finish():
            keeper.keep(*each)
        if not keeper.finish():
            raise tracker.refusal


def options_of(version: ModelVersion, options: AvatarOptions) -> AvatarOptions:
    """The options that a version of MuseTalk has, or a refusal of those that it has not.

    1.5 was trained without a shift of the box and with ten pixels below the chin; 1.0 without such
    a margin.

    Raises:
        errors.FaceOptionsError: one that it does not have.
    """
    if version is ModelVersion.V15:
        if options.bbox_shift:
            raise FaceOptionsError(
                f"MuseTalk 1.5 has no bbox_shift; {options.bbox_shift} was asked for",
                hint="leave out --bbox-shift: it belongs to MuseTalk 1.0",
            )
        return options
    if options.extra_margin not in (0, _DEFAULT.extra_margin):
        raise FaceOptionsError(
            f"MuseTalk 1.0 has no extra_margin; {options.extra_margin} was asked for",
            hint="leave out --extra-margin: it belongs to MuseTalk 1.5",
        )
    return replace(options, extra_margin=0)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A source frame with a face, until its box is known.

    Attributes:
        picture: the frame, or the part of it around the face.
        corner: x, y of that part in the frame.
        points: (478, 2) landmarks, pixels of the frame.
    """

    picture: Picture
    corner: tuple[int, int]
    points: NDArray[np.float32]

    @staticmethod
    def around(picture: Picture, box: Box, points: NDArray[np.float32]) -> _Seen:
        """A frame that is held back: only the part that its crop may need."""
        left, top = max(0, box.x - box.width // 2), max(0, box.y - box.height // 2)
        right, bottom = left + 2 * box.width, top + 2 * box.height
        return _Seen(picture[top:bottom, left:right].copy(), (left, top), points)

    def crop(self, box: Box) -> Crop:
        """The networks' input."""
        x, y = self.corner
        return mouth_input(self.picture, box._replace(x=box.x - x, y=box.y - y))


class _Keeper:
    """Takes the source frames in order: reports each, and encodes them in batches."""

    def __init__(
        self,
        compute: Compute,
        writer: LatentWriter,
        size: tuple[int, int],
        frames: int,
        on_face: OnFace,
    ) -> None:
        self._compute = compute
        self._writer = writer
        self._size = size
        self._frames = frames
        self._on_face = on_face
        self._waiting: list[tuple[int, Box, NDArray[np.float64], Crop]] = []
        self._number = 0
        self._has_face = False

    def keep(self, seen: _Seen | None, box: Box | None) -> None:
        """Take the next source frame."""
        number, face = self._number, None
        self._number += 1
        if seen is not None and box is not None:
            # As they will be read: in float32.
            points = seen.points.astype(np.float64)
            self._waiting.append((number, box, points, seen.crop(box)))
            detail = _STILL_DETAIL if self._frames == 1 else _CLIP_DETAIL
            place, mask = jaw_mask(points, box, *self._size, detail=detail)
            face = Face(source=number, box=box, mask_box=place, mask=mask)
            self._has_face = True
        if len(self._waiting) == self._compute.info.batch:
            self._encode()
        self._on_face(number, self._frames, face)

    def finish(self) -> bool:
        """There are no more; whether one had a face."""
        if self._waiting:
            self._encode()
        return self._has_face

    def _encode(self) -> None:
        latents = self._compute.latents([crop for *_, crop in self._waiting])
        for (number, box, points, _), own in zip(self._waiting, latents, strict=True):
            self._writer.put(number, FaceFrame(box, points, own))
        self._waiting.clear()
