"""A pose's maps in a frame of a clip, node by node.

`painting_reference.carried_maps` is the same in NumPy.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.preview.numba_cache import compiled
from musetalk_fast.engines.preview.warp import Floats

Affine = NDArray[np.float64]
"""(2, 3) float64: applied to (across, down, 1)."""


class Frames(NamedTuple):
    """How the coordinates of a frame and of the reference frame go over into one another.

    Attributes:
        columns, rows: (nodes,) float64 of the frame's crop, where its region's nodes are.
        to_mouth: the frame's crop -> its mouth.
        to_nodes: the mouth -> columns and rows of the nodes of the reference frame's region.
        to_units: (2, 2) pixels of the reference frame's crop -> mouth widths.
        to_pixels: (2, 2) mouth widths -> pixels of the frame's crop.
    """

    columns: NDArray[np.float64]
    rows: NDArray[np.float64]
    to_mouth: Affine
    to_nodes: Affine
    to_units: NDArray[np.float64]
    to_pixels: NDArray[np.float64]


@numba.njit(inline="always")
def _at(values: Any, to_nodes: Any, x: Any, y: Any) -> Any:
    """A layer's values at a place of the mouth: bilinear, and beyond the nodes as at their rim."""
    last = values.shape[0] - 1
    across = to_nodes[0, 0] * x + to_nodes[0, 1] * y + to_nodes[0, 2]
    down = to_nodes[1, 0] * x + to_nodes[1, 1] * y + to_nodes[1, 2]
    across, down = min(max(across, 0.0), last * 1.0), min(max(down, 0.0), last * 1.0)
    column, row = min(int(across), last - 1), min(int(down), last - 1)
    across, down = across - column, down - row
    upper = values[row, column, 0] + (values[row, column + 1, 0] - values[row, column, 0]) * across
    lower = (
        values[row + 1, column, 0]
        + (values[row + 1, column + 1, 0] - values[row + 1, column, 0]) * across
    )
    above = values[row, column, 1] + (values[row, column + 1, 1] - values[row, column, 1]) * across
    below = (
        values[row + 1, column, 1]
        + (values[row + 1, column + 1, 1] - values[row + 1, column, 1]) * across
    )
    return upper + (lower - upper) * down, above + (below - above) * down


@compiled
def carried_maps(
    posed: Floats,
    turned: Floats,
    moved: Floats,
    free: NDArray[np.float64],
    frames: Frames,
    out: Floats,
) -> None:
    """Write the maps of a pose of the reference frame for a frame's region.

    Args:
        posed, turned, moved, out: (2, nodes, nodes, 2) float32, see `carry.Carried`, `warp.Atlas`.
        free: (nodes, nodes) float64: how much of its movement each node may make.
    """
    columns, rows, to_mouth, to_nodes, to_units, to_pixels = frames
    for layer in range(out.shape[0]):
        for row in range(out.shape[1]):
            for column in range(out.shape[2]):
                fx, fy = columns[column], rows[row]
                x = to_mouth[0, 0] * fx + to_mouth[0, 1] * fy + to_mouth[0, 2]
                y = to_mouth[1, 0] * fx + to_mouth[1, 1] * fy + to_mouth[1, 2]
                right, down = _at(turned[layer], to_nodes, x, y)
                there_x, there_y = x - right, y - down
                right, down = _at(posed[layer], to_nodes, there_x, there_y)
                there_x += right * to_units[0, 0] + down * to_units[1, 0]
                there_y += right * to_units[0, 1] + down * to_units[1, 1]
                right, down = _at(moved[layer], to_nodes, there_x, there_y)
                x, y = there_x + right - x, there_y + down - y
                share = free[row, column]
                out[layer, row, column, 0] = (x * to_pixels[0, 0] + y * to_pixels[1, 0]) * share
                out[layer, row, column, 1] = (x * to_pixels[0, 1] + y * to_pixels[1, 1]) * share
