"""Paste a crop into the planes of a frame: scale, convert and blend in one pass.

The result is defined in the planes. With the crop converted to Y'CbCr and scaled to the box
(pixel centres at halves, edges repeated, clipped to the code range), a luma sample becomes
`old + mask / 255 * (new - old)`. A chroma sample does the same with the mean of the new chroma
and the mean of the mask over the pixels that it covers and the frame has. The kernel is within
one code value of this; `reference.paste` says what it computes, bit for bit.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.errors import FrameShapeError, ProtocolError
from musetalk_fast.kernels import native
from musetalk_fast.kernels.paste_rows import needed_rows, read_rows, rows_of_array, rows_of_bytes
from musetalk_fast.kernels.paste_tables import Seen, reach, seen_samples, tables
from musetalk_fast.kernels.planes import MAX_SIDE, PixelLayout, Planes, check_size
from musetalk_fast.kernels.reference import paste as reference
from musetalk_fast.kernels.tone_map import CropTable
from musetalk_fast.kernels.yuv_matrix import (
    Recolouring,
    conversion,
    recoloured_conversion,
    recoloured_levels,
)
from musetalk_fast.types import CROP_SIZE, Box, Crop, Face, Rows

_Native = getattr(native.load("paste"), "Paste", None)


class Paste:
    """A prepared face: taps of its box and weights of its mask for one pixel layout.

    One `Paste` serves one thread at a time: it holds the scratch memory of its kernel.

    Args:
        face: box and mask; the mask's rectangle lies inside both box and frame.
        width, height: pixels of the frame.
        layout: how the frame's samples lie.
        matrix: `bt709` or `bt601`.
        full_range: codes from 0 to the top instead of the limited (video) range.
        sharp: scale with Lanczos-3 instead of bilinear.
        table: converts crops in place of the matrix, for a frame that is not SDR.

    Raises:
        ProtocolError: a face whose mask does not fit its rectangle, its box or the frame.
        ValueError: a matrix or a size that is not known.
    """

    def __init__(
        self,
        face: Face,
        width: int,
        height: int,
        layout: PixelLayout,
        *,
        matrix: str = "bt709",
        full_range: bool = False,
        sharp: bool = False,
        table: CropTable | None = None,
    ) -> None:
        check_size(width, height)
        self._table = table
        self._levels: NDArray[np.uint8] | None = None
        self._seen: Seen | None = None
        _check_face(face, width, height)
        self._size = (layout, width, height)
        self._planes: Planes | None = None
        self._avatar: Planes | None = None
        self._colours = partial(recoloured_conversion, matrix, layout.depth, full_range=full_range)
        colours = conversion(matrix, layout.depth, full_range=full_range)
        self._tables = (
            tables(face, (width, height), layout, colours, sharp=sharp) if face.mask.any() else None
        )
        self._rows, self._read = needed_rows(self._tables), read_rows(self._tables)
        self._padded: Crop | None = None
        """A crop whose server left out rows that are read for nothing."""
        self._native = None
        if _Native is not None and self._tables is not None:
            stop = self._read.first + self._read.count
            self._native = _Native(self._tables, self._read.first, stop, CROP_SIZE, width, height)

    @property
    def rows(self) -> Rows:
        """The rows of the crop that weigh something; none if the mask is empty."""
        return self._rows

    def paste(
        self,
        crop: Crop | memoryview,
        first_row: int,
        planes: Planes,
        avatar: Planes | None = None,
        *,
        weight: float = 1.0,
    ) -> None:
        """Paste one crop; only samples under the mask's rectangle are written.

        The planes of the last call stay open: for the next crop into the same ones nothing is
        checked or looked up again. Their memory must stay where it is until then.

        Args:
            crop: (rows, 256, 3) uint8 RGB, C-contiguous: the rows of the crop from `first_row` on.
                The bytes of such an array will do.
            first_row: number of its first row.
            planes: of the layout and size this was made for.
            avatar: what the crop is blended with: planes of the same kind that share no memory
                with the others, or None for `planes` themselves. Where the mask is 0, `planes`
                must hold the avatar's samples already: they are not always written.
            weight: of the crop, from 0 to 1, beside those of the mask: 0 shows the avatar alone.

        Raises:
            FrameShapeError: the crop is not such an array, or lacks rows that the mask needs.
            ValueError: planes of another layout or size.
            RuntimeError: another thread is inside this `Paste`.
        """
        avatar = planes if avatar is None else avatar
        if planes is not self._planes or avatar is not self._avatar:
            self._open(planes, avatar)
        rows = rows_of_bytes(crop) if isinstance(crop, memoryview) else rows_of_array(crop)
        self._check_rows(first_row, first_row + rows)
        read, share = self._read, round(min(max(weight, 0.0), 1.0) * reference.WHOLE)
        if first_row > read.first or first_row + rows < read.first + read.count:
            crop, first_row, rows = self._pad(crop, first_row, rows), read.first, read.count
        if self._table is not None and self._tables is not None:
            pixels = np.frombuffer(crop, np.uint8).reshape(rows, CROP_SIZE, 3)
            self._paste_by(self._table, pixels, first_row, share)
        elif self._native is not None:
            self._native.paste(crop, first_row, share)
        elif self._tables is not None:
            pixels = np.frombuffer(crop, np.uint8).reshape(rows, CROP_SIZE, 3)
            reference.paste(self._tables, pixels, first_row, avatar, planes, share)

    def _paste_by(self, table: CropTable, pixels: Crop, first_row: int, share: int) -> None:
        planes, avatar, prepared = self._planes, self._avatar, self._tables
        assert planes is not None
        assert avatar is not None
        assert prepared is not None
        if self._levels is not None:
            pixels = np.stack([self._levels[k][pixels[..., k]] for k in range(3)], axis=-1)
        components = table.components(pixels)
        if self._native is not None:
            self._native.paste_components(components, len(pixels), first_row, share, self._seen)
        else:
            reference.paste_components(
                prepared, components, first_row, avatar, planes, share, self._seen
            )

    @property
    def reach(self) -> Box | None:
        """The pixels that the written samples cover; None if the mask is empty."""
        return None if self._tables is None else reach(self._tables)

    def give_back(self, seen: NDArray[np.int16]) -> None:
        """Where crops are like what an engine saw, paste what the avatar has beyond it, too.

        An engine sees a picture that was rounded, tone-mapped, and whose chroma was spread. A crop
        that is this picture leaves the planes as they are; one that differs is given the less of
        the difference, the less it is like it: nothing beyond 18 levels.

        Args:
            seen: (3, height, width) int16 of `reach`: what the table makes of that picture.

        Raises:
            ValueError: the mask is empty, or there is no table.
        """
        if self._tables is None or self._table is None:
            raise ValueError("nothing is converted by a table")
        self._seen = seen_samples(self._tables, seen)

    def recolour(self, recoloured: Recolouring) -> None:
        """Paste the next crops in other colours; costs a paste nothing, but where there is a table.

        Raises:
            RuntimeError: another thread is inside this `Paste`.
        """
        if self._tables is None:
            return
        if self._table is not None:
            self._levels = recoloured_levels(recoloured)
            return
        colours = self._colours(recoloured=recoloured)
        if self._native is not None:
            self._native.convert(colours)
        self._tables = self._tables._replace(conversion=colours)

    def _pad(self, crop: Crop | memoryview, first_row: int, rows: int) -> Crop:
        """The rows that are read, whatever stands in those that the crop lacks."""
        read = self._read
        if self._padded is None:
            self._padded = np.zeros((read.count, CROP_SIZE, 3), np.uint8)
        pixels = np.frombuffer(crop, np.uint8).reshape(rows, CROP_SIZE, 3)
        start = max(first_row, read.first)
        stop = min(first_row + rows, read.first + read.count)
        own = pixels[start - first_row : stop - first_row]
        self._padded[start - read.first : stop - read.first] = own
        return self._padded

    def _open(self, planes: Planes, avatar: Planes) -> None:
        self._planes = self._avatar = None
        self._check_planes(planes)
        self._check_planes(avatar)
        if self._native is not None:
            self._native.open(avatar, planes)
        self._planes, self._avatar = planes, avatar

    def _check_planes(self, planes: Planes) -> None:
        if (planes.layout, planes.width, planes.height) != self._size:
            raise ValueError(
                f"planes are {planes.layout.name} {planes.width}x{planes.height}, "
                f"this Paste is for {self._size[0].name} {self._size[1]}x{self._size[2]}"
            )

    def _check_rows(self, first: int, stop: int) -> None:
        needed = self._rows
        if needed.count and (not 0 <= first <= needed.first or stop < needed.first + needed.count):
            raise FrameShapeError(
                f"the crop has rows {first}..{stop - 1}; "
                f"the mask needs {needed.first}..{needed.first + needed.count - 1}"
            )


def _check_face(face: Face, width: int, height: int) -> None:
    box, rectangle, mask = face.box, face.mask_box, face.mask
    if not (1 <= box.width <= MAX_SIDE and 1 <= box.height <= MAX_SIDE):
        raise ProtocolError(f"a face box of {box.width}x{box.height}; sides are 1..{MAX_SIDE}")
    if mask.dtype != np.uint8 or mask.shape != (rectangle.height, rectangle.width):
        raise ProtocolError(
            f"a mask of {mask.dtype} {mask.shape} for a rectangle of "
            f"{rectangle.width}x{rectangle.height}"
        )
    for name, outer in (("box", box), ("frame", Box(0, 0, width, height))):
        if mask.size and not _inside(rectangle, outer):
            raise ProtocolError(f"the mask's rectangle {tuple(rectangle)} leaves the {name}")


def _inside(inner: Box, outer: Box) -> bool:
    return (
        outer.x <= inner.x
        and outer.y <= inner.y
        and inner.x + inner.width <= outer.x + outer.width
        and inner.y + inner.height <= outer.y + outer.height
    )
