"""The source frames that a segment shows, decoded one after the other, with their faces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.kernels.planes import PixelLayout, Planes
from musetalk_fast.media.avatar import AvatarSource
from musetalk_fast.rendering.face_placement import placed
from musetalk_fast.rendering.face_table import FaceTable
from musetalk_fast.types import Face, SourceRun
from musetalk_fast.video.video_compositor import ShownFrame

_FACES_AT_ONCE = 8
"""A mask is as large as a frame at most."""

_OPAQUE = 255

_MAX_SKIPPED = 60
"""Source frames that are decoded for nothing rather than to seek: a seek decodes from the key frame
before, which is half a GOP away."""


def shown_frames(
    avatar: AvatarSource, faces: FaceTable, runs: tuple[SourceRun, ...], layout: PixelLayout
) -> Iterator[ShownFrame]:
    """What each output frame of these runs shows.

    Args:
        layout: of the planes.

    Raises:
        errors.InputError: a source frame cannot be decoded.
        errors.OutputWriteError: a face cannot be read.
    """
    sources = (run.first + run.step * place for run in runs for place in range(run.count))
    decoded = _planes(avatar, sources, layout)
    for (source, planes), face in zip(decoded, _placed(avatar, faces, runs), strict=True):
        seen = face if planes.opacity is None else _where_opaque(face, planes.opacity)
        yield ShownFrame(source, planes, seen)


def _where_opaque(face: Face | None, opacity: NDArray[np.uint8]) -> Face | None:
    """With a mask that leaves alone what shows through an avatar."""
    if face is None:
        return None
    x, y, width, height = face.mask_box
    under = opacity[y : y + height, x : x + width]
    if under.size == 0 or under.min() == _OPAQUE:
        return face
    mask = (face.mask.astype(np.uint16) * under + _OPAQUE // 2) // _OPAQUE
    return replace(face, mask=mask.astype(np.uint8))


def _placed(
    avatar: AvatarSource, faces: FaceTable, runs: Iterable[SourceRun]
) -> Iterator[Face | None]:
    """The faces of runs of source frames, in pixels of the frame."""
    placement = avatar.placement
    if placement is None:
        yield from _faces(faces, runs)
        return
    last: tuple[Face | None, Face | None] = (None, None)
    for face in _faces(faces, runs):
        if face is not last[0]:
            last = (face, None if face is None else placed(face, placement))
        yield last[1]


def _faces(faces: FaceTable, runs: Iterable[SourceRun]) -> Iterator[Face | None]:
    for run in runs:
        if run.step == 0:
            yield from faces.read(replace(run, count=1)) * run.count
            continue
        for done in range(0, run.count, _FACES_AT_ONCE):
            count = min(_FACES_AT_ONCE, run.count - done)
            yield from faces.read(SourceRun(run.first + run.step * done, run.step, count))


def _planes(
    avatar: AvatarSource, sources: Iterable[int], layout: PixelLayout
) -> Iterator[tuple[int, Planes]]:
    for stretch in _stretches(sources):
        at, step = stretch[0], 1 if stretch[-1] >= stretch[0] else -1
        run = SourceRun(at, step, abs(stretch[-1] - at) + 1)
        frames = avatar.planes(run, layout)
        planes = next(frames)
        for source in stretch:
            while at != source:
                planes, at = next(frames), at + step
            yield source, planes


def _stretches(sources: Iterable[int]) -> Iterator[list[int]]:
    """Source frames that one pass of a decoder can show, forward or backward."""
    stretch: list[int] = []
    direction = 0
    for source in sources:
        jump = source - stretch[-1] if stretch else 0
        if jump * direction < 0 or abs(jump) > _MAX_SKIPPED:
            yield stretch
            stretch, direction, jump = [], 0, 0
        direction = direction or (jump > 0) - (jump < 0)
        stretch.append(source)
    yield stretch
