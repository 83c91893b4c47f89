"""The coordinates of a mouth."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from musetalk_fast.errors import FaceSizeError
from musetalk_fast.media.face.anatomy import UPPER_INNER, Points
from musetalk_fast.types import CROP_SIZE, Box

MIN_MOUTH = 6
"""Pixels of the picture."""


@dataclass(frozen=True, slots=True, eq=False)
class MouthSpace:
    """Coordinates of a mouth: `across` the line of its corners, `down` at a right angle.

    The unit is the mouth's width, the origin lies between its inner corners; so every length
    below is a proportion of a face, whatever the picture's size and however the head is tilted.

    Attributes:
        origin: pixels of the picture.
        axes: (2, 2) rows are the unit's vectors across and down, pixels.
        box: MuseTalk's box, whose 256 x 256 picture is the crop.
        inverse: (2, 2) the inverse of `axes`.
        corner, size: the box's, (2,) pixels of the picture.
    """

    origin: Points
    axes: Points
    box: Box
    inverse: Points = field(init=False, repr=False)
    corner: Points = field(init=False, repr=False)
    size: Points = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inverse", np.linalg.inv(self.axes))
        object.__setattr__(self, "corner", np.array(self.box[:2], np.float64))
        object.__setattr__(self, "size", np.array(self.box[2:], np.float64))

    @staticmethod
    def of(points: Points, box: Box) -> MouthSpace:
        """Coordinates for a face's (478, 2) landmarks in pixels of the picture.

        Raises:
            errors.FaceSizeError: the mouth is too narrow, as in a profile.
        """
        left, right = points[UPPER_INNER[0]], points[UPPER_INNER[-1]]
        across = right - left
        width = float(np.hypot(*across))
        if not width >= MIN_MOUTH:
            raise FaceSizeError(
                f"the mouth is {width:.1f} pixels wide, less than {MIN_MOUTH}",
                hint="use a larger picture, or one that shows the face from the front",
            )
        axes = np.stack([across, [-across[1], across[0]]])
        return MouthSpace((left + right) / 2, axes, box)

    def from_picture(self, points: Points) -> Points:
        """Pixels of the picture -> coordinates of the mouth."""
        return np.asarray((points - self.origin) @ self.inverse)

    def to_picture(self, places: Points) -> Points:
        """Coordinates of the mouth -> pixels of the picture."""
        return np.asarray(self.origin + places @ self.axes)

    def to_crop(self, places: Points) -> Points:
        """Coordinates of the mouth -> columns and rows of the crop; pixel 0's centre is 0."""
        return np.asarray((self.to_picture(places) - self.corner) * (CROP_SIZE / self.size) - 0.5)

    def from_crop(self, places: Points) -> Points:
        """Columns and rows of the crop -> coordinates of the mouth."""
        return self.from_picture((places + 0.5) * (self.size / CROP_SIZE) + self.corner)

    @property
    def pixels(self) -> float:
        """Pixels of the crop to one unit: the geometric mean over both directions."""
        area = abs(float(np.linalg.det(self.axes)))
        return float(np.sqrt(area / (self.box.width * self.box.height))) * CROP_SIZE
