"""Source frames with a face on their way to the file of an avatar: parsed, masked, encoded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.base import OnFace
from musetalk_fast.engines.musetalk.compute import Compute
from musetalk_fast.engines.musetalk.lanczos import mouth_input
from musetalk_fast.engines.musetalk.latent_file import FaceFrame, LatentWriter, Layout
from musetalk_fast.errors import NoFaceError
from musetalk_fast.media.face.mask_region import Labels, MaskOptions, Region, region_of
from musetalk_fast.media.face.parsing_square import mesh_labels, parser_input, softened
from musetalk_fast.types import Box, Crop, Face, Picture

_STILL_DETAIL, _CLIP_DETAIL = 1024, 256
"""Pixels of a mask's longer side in which it is made: those of clips are many."""


@dataclass(frozen=True, slots=True, eq=False)
class SeenFace:
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
    def around(picture: Picture, box: Box, points: NDArray[np.float32]) -> SeenFace:
        """A frame that is held back: only the part that its crop and its mask may need."""
        reach = max(box.width, box.height)
        x, y = box.x + box.width // 2, box.y + box.height // 2
        left, top = max(0, x - reach), max(0, y - reach)
        part = picture[top : max(top, y + reach), left : max(left, x + reach)]
        return SeenFace(part.copy(), (left, top), points)

    def crop(self, box: Box) -> Crop:
        """The networks' input."""
        x, y = self.corner
        return mouth_input(self.picture, box._replace(x=box.x - x, y=box.y - y))


class FaceKeeper:
    """Takes the source frames in order: reports each, and encodes them in batches.

    Args:
        compute: what encodes, and parses where it has a face parser.
        writer: of the file that they go to, which has this layout.
        masks: how they are made.
    """

    def __init__(
        self,
        compute: Compute,
        writer: LatentWriter,
        masks: MaskOptions,
        layout: Layout,
        on_face: OnFace,
    ) -> None:
        self._compute = compute
        self._writer = writer
        self._masks = masks
        self._layout = layout
        self._on_face = on_face
        self._waiting: list[tuple[int, Box, Region, Crop]] = []
        self._number = 0
        self._faces = self._empty = 0

    def keep(self, seen: SeenFace | None, box: Box | None) -> None:
        """Take the next source frame."""
        number, face, layout = self._number, None, self._layout
        self._number += 1
        if seen is not None and box is not None:
            region = region_of(self._labels(seen, box), self._masks)
            face = face_of(number, box, region, self._masks, layout.size, layout.frames)
            if face is None:
                self._empty += 1
            else:
                self._waiting.append((number, box, region, seen.crop(box)))
                self._faces += 1
        if len(self._waiting) == self._compute.info.batch:
            self._encode()
        self._on_face(number, layout.frames, face)

    def finish(self) -> bool:
        """There are no more; whether one had a face.

        Raises:
            errors.NoFaceError: all masks are empty.
        """
        if self._waiting:
            self._encode()
        if self._empty and not self._faces:
            raise NoFaceError(
                "the mask of the face is empty: no skin and no lips are seen below its middle",
                hint="the face may be covered; a server with `--mask mesh` does not look at it",
            )
        return self._faces > 0

    def _labels(self, seen: SeenFace, box: Box) -> Labels:
        if self._compute.info.parser_digest is None:
            return mesh_labels(seen.points.astype(np.float64), box)
        picture = parser_input(seen.picture, seen.corner, box)
        labels: Labels = self._compute.labels(picture[None])[0]
        return labels

    def _encode(self) -> None:
        latents = self._compute.latents([crop for *_, crop in self._waiting])
        for (number, box, region, _), own in zip(self._waiting, latents, strict=True):
            self._writer.put(number, FaceFrame(box, region, own))
        self._waiting.clear()


def face_of(
    source: int, box: Box, region: Region, masks: MaskOptions, size: tuple[int, int], frames: int
) -> Face | None:
    """The face of a source frame, one of so many, of so many pixels; None: its mask is empty."""
    detail = _STILL_DETAIL if frames == 1 else _CLIP_DETAIL
    place, mask = softened(region, box, masks, size, detail)
    if not mask.size:
        return None
    return Face(source=source, box=box, mask_box=place, mask=mask)
