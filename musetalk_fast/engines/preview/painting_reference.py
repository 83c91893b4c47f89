"""The plain-NumPy form of `painting` and `carry_maps`: what a frame is, pixel by pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musetalk_fast.engines.preview import painting
from musetalk_fast.engines.preview.carry_maps import Affine, Frames
from musetalk_fast.engines.preview.mouth import Mouth, Posed
from musetalk_fast.engines.preview.region import NODES
from musetalk_fast.types import Crop

Plane = NDArray[np.float32]


def paint(mouth: Mouth, posed: Posed) -> Crop:
    """One crop, (256, 256, 3) uint8 RGB."""
    out = mouth.photo.copy()
    left, right, top, bottom = mouth.region
    columns = np.arange(left, right + 1, dtype=np.float32)
    rows = np.arange(top, bottom + 1, dtype=np.float32)
    x, y = np.meshgrid(columns, rows)
    upper, lower = (
        _sampled(mouth.photo, x + moved[..., 0], y + moved[..., 1])
        for moved in _spread(posed.maps, len(rows), len(columns))
    )
    weight, inside, light, tongue = _opening(mouth, posed, x, y)
    lips = upper + (lower - upper) * weight[..., None]
    across, down = (row[0] * x + row[1] * y + row[2] for row in mouth.interior.place)
    behind = _sampled(mouth.interior.picture, across, down) * mouth.interior.gain
    behind += (mouth.interior.tongue - behind) * tongue[..., None]
    bounced = np.float32(painting.BOUNCE) * mouth.interior.tongue
    lit = bounced + (behind - bounced) * light[..., None]
    lips += (lit - lips) * inside[..., None]
    out[top : bottom + 1, left : right + 1] = np.clip(lips + np.float32(0.5), 0, 255)
    return out


def _spread(maps: Plane, height: int, width: int) -> Plane:
    """(2, NODES, NODES, 2) -> (2, height, width, 2), linear between nodes."""
    tall = _linear(maps, height, axis=1)
    return _linear(tall, width, axis=2)


def _linear(values: Plane, count: int, axis: int) -> Plane:
    places = np.arange(count, dtype=np.float32) * np.float32((NODES - 1) / (count - 1))
    below = np.minimum(places.astype(np.intp), NODES - 2)
    shape = [1] * values.ndim
    shape[axis] = count
    share = (places - below).astype(np.float32).reshape(shape)
    one, other = np.take(values, below, axis), np.take(values, below + 1, axis)
    return np.asarray(one + (other - one) * share, np.float32)


def _sampled(photo: Crop, x: Plane, y: Plane) -> Plane:
    x, y = np.clip(x, 0, photo.shape[1] - 1), np.clip(y, 0, photo.shape[0] - 1)
    column = np.minimum(x.astype(np.intp), photo.shape[1] - 2)
    row = np.minimum(y.astype(np.intp), photo.shape[0] - 2)
    across = (x - column).astype(np.float32)[..., None]
    down = (y - row).astype(np.float32)[..., None]
    pixels = photo.astype(np.float32)
    upper = pixels[row, column] * (1 - across) + pixels[row, column + 1] * across
    lower = pixels[row + 1, column] * (1 - across) + pixels[row + 1, column + 1] * across
    return np.asarray(upper * (1 - down) + lower * down, np.float32)


def _opening(mouth: Mouth, posed: Posed, x: Plane, y: Plane) -> tuple[Plane, Plane, Plane, Plane]:
    """Weights of the lower lip's layer and of what is behind; its light, and its tongue."""
    s, pixels, live = painting, np.float32(mouth.pixels), 1 - posed.rest
    u, v = (row[0] * x + row[1] * y + row[2] for row in mouth.to_mouth)
    e = (u - posed.middle) / posed.half
    a = np.abs(e)
    upper, lower = _edges(posed.curves, e)
    soft = s.SEAM + s.SEAM_BESIDE * np.clip(a - 1, 0, 1)
    weight = _unit((v - (upper + lower) / 2) * pixels / soft * 0.5 + 0.5)
    gap = lower - upper
    edge, corner = s.edge_width(mouth), s.corner_width(mouth)
    inside = _unit((v - upper) * pixels / edge + s.EDGE_SHIFT)
    inside *= _unit((lower - v) * pixels / edge + s.EDGE_SHIFT)
    inside *= _unit((1 - a) * posed.half * pixels / corner) * _unit(gap * pixels / s.LEAST_GAP)
    inside *= live
    ambient = s.ambient(posed.gap, is_own=mouth.interior.is_own)
    light = s.LIP_SHADE + (1 - s.LIP_SHADE) * _unit((v - upper) / s.LIP_SHADE_REACH)
    light = light * ambient * (1 - s.CORNER_SHADE * np.minimum(a, 1) ** 3)
    light = 1 - (1 - light) * live
    tongue = np.exp(-((e / s.TONGUE_HALF) ** 2))
    tongue *= _unit((v - (lower - s.TONGUE_GAP * gap - s.TONGUE_BASE)) / s.TONGUE_SOFT)
    tongue *= s.tongue(posed.gap)
    return weight, inside, light, tongue


def _edges(curves: Plane, e: Plane) -> tuple[Plane, Plane]:
    """Both lips' edges at `e` in -1..1 from corner to corner."""
    steps = curves.shape[1] - 1
    places = np.clip((e + 1) * (0.5 * steps), 0, steps)
    below = np.minimum(places.astype(np.intp), steps - 1)
    share = places - below
    upper, lower = (each[below] + (each[below + 1] - each[below]) * share for each in curves)
    return upper, lower


def _unit(values: Plane | float) -> Plane:
    return np.clip(np.asarray(values, np.float32), 0, 1)


def carried_maps(
    posed: Plane, turned: Plane, moved: Plane, free: NDArray[np.float64], frames: Frames
) -> Plane:
    """See `carry_maps.carried_maps`."""
    nodes = np.stack(np.meshgrid(frames.columns, frames.rows), axis=-1)
    here = np.broadcast_to(_mapped(frames.to_mouth, nodes), posed.shape)
    places = here - _between(turned, _mapped(frames.to_nodes, here))
    places = places + _between(posed, _mapped(frames.to_nodes, places)) @ frames.to_units
    places = places + _between(moved, _mapped(frames.to_nodes, places))
    return ((places - here) @ frames.to_pixels * free[..., None]).astype(np.float32)


def _mapped(affine: Affine, places: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(places @ affine[:, :2].T + affine[:, 2])


def _between(values: Plane, spots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Both layers' values at columns and rows of the nodes: bilinear, beyond them as at the rim."""
    spots = np.clip(spots, 0, NODES - 1)
    below = np.minimum(spots.astype(np.intp), NODES - 2)
    across, down = np.split(spots - below, 2, axis=-1)
    layer = np.arange(len(values))[:, None, None]
    column, row = below[..., 0], below[..., 1]
    upper, lower = (
        values[layer, each, column] * (1 - across) + values[layer, each, column + 1] * across
        for each in (row, row + 1)
    )
    return np.asarray(upper * (1 - down) + lower * down)
