"""Avatars made ready: faces found, cropped, and encoded to latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from musetalk_fast.engines.base import CancelCheck, OnFace
from musetalk_fast.engines.face_sequence import FaceSequence
from musetalk_fast.engines.musetalk.compute import Compute
from musetalk_fast.engines.musetalk.face_keeper import FaceKeeper, SeenFace, face_of
from musetalk_fast.engines.musetalk.latent_cache import LatentCache, latents_key
from musetalk_fast.engines.musetalk.latent_file import (
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
from musetalk_fast.media.face.mask_region import MaskOptions, first_row
from musetalk_fast.types import AvatarOptions, Face, SourceRun

_DEFAULT = AvatarOptions()


class MuseTalkAvatar:
    """A prepared avatar."""

    def __init__(self, file: LatentFile, masks: MaskOptions) -> None:
        self.width, self.height = file.size
        self._file = file
        self._masks = masks

    @property
    def faces(self) -> Sequence[Face | None]:
        """One entry per source frame, made when it is asked for."""
        return FaceSequence(len(self._file), self._face)

    def _face(self, source: int) -> Face | None:
        file = self._file
        if not file.has_face(source):
            return None
        return face_of(source, *file.place(source), self._masks, file.size, len(file))

    def latents(self, source: int) -> Latents:
        """(8, 32, 32): the masked face and the entire one of a source frame that has a face."""
        return self._file.latents(source)


class AvatarPreparer:
    """Prepares avatars, for one thread; those of the same content and options only once.

    Args:
        compute: what encodes.
        cache: where they are kept.
        version: of MuseTalk, whose options differ.
        masks: how they are made: of the face parser's labels where `compute` has one, else of the
            mesh.
        identity: of whatever else decides what the latents are.
    """

    def __init__(
        self,
        compute: Compute,
        cache: LatentCache,
        version: ModelVersion,
        masks: MaskOptions,
        identity: str,
    ) -> None:
        self._compute = compute
        self._cache = cache
        self._version = version
        self._masks = masks
        self._identity = identity
        self._finder: FaceFinder | None = None

    def prepare(
        self, path: Path, options: AvatarOptions, on_face: OnFace, check: CancelCheck
    ) -> MuseTalkAvatar:
        """See `base.Engine.prepare_avatar`."""
        options = options_of(self._version, options)
        source = open_asset(path)
        check()
        key = latents_key(source.sha256, options, self._regions, self._identity)
        size = (source.width, source.height)
        dtype = latents_dtype(self._compute.info.numbers)
        layout = Layout(key, size, source.frames, dtype, first_row(self._masks))
        place = self._cache.path(key)
        kept = open_whole(place, layout)
        if kept is not None:
            self._cache.touch(key)
            avatar = MuseTalkAvatar(kept, self._masks)
            for number, face in enumerate(avatar.faces):
                check()
                on_face(number, source.frames, face)
            return avatar
        is_kept = self._cache.can_keep(layout.bytes)
        with LatentWriter(place, layout) as writer:
            keeper = FaceKeeper(self._compute, writer, self._masks, layout, on_face)
            if source.rate is None:
                self._still(source, options, keeper)
            else:
                self._clip(source, options, keeper, check)
            if is_kept:  # only now: an avatar that cannot be used is no reason to remove others
                self._cache.make_space(layout.bytes)
            return MuseTalkAvatar(writer.finish(is_kept=is_kept), self._masks)

    @property
    def _regions(self) -> str:
        """Whatever decides them; what is done to them afterwards is not kept."""
        own = self._masks
        parser = self._compute.info.parser_digest
        widths = own.left_cheek_width, own.right_cheek_width
        return f"{parser} {own.mode} {widths} {first_row(own)}"

    def _still(self, source: AvatarSource, options: AvatarOptions, keeper: FaceKeeper) -> None:
        rgb = source.picture(0)
        finder = self._finder = self._finder or FaceFinder()
        found = find_face(rgb, options, finder, list_others=False, trust_box=True)
        keeper.keep(SeenFace(rgb, (0, 0), found.landmarks.points[:, :2]), found.box)
        keeper.finish()

    def _clip(
        self, source: AvatarSource, options: AvatarOptions, keeper: FaceKeeper, check: CancelCheck
    ) -> None:
        finder = self._finder = self._finder or FaceFinder()
        tracker = FaceTracker(options, finder)
        smoother = BoxSmoother[SeenFace | None](is_on=options.smooth)
        for picture in source.pictures(SourceRun(0, 1, source.frames)):
            check()
            found = tracker.track(picture)
            box = None if found is None else found.box
            seen = None
            if found is not None:
                seen = SeenFace.around(picture, found.box, found.landmarks.points[:, :2])
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
