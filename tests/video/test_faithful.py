"""Colours and pixels of a still, from its file to a decoded video, by formulas of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numbered_video import avatar_planes, frame_of
from numpy.typing import NDArray
from PIL import Image

from musetalk_fast.config import OutputSettings
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.media.avatar import open_avatar
from musetalk_fast.media.video import VideoSource
from musetalk_fast.types import BT709, CROP_SIZE, Box, ColourTags, Crop, Face, Picture, SourceRun
from musetalk_fast.video.compositor import Compositor, StillCompositor, planes_of
from musetalk_fast.video.encoder_selection import resolve
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.mux import join
from musetalk_fast.video.part_encoder import PartEncoder
from musetalk_fast.video.video_compositor import ShownFrame, VideoCompositor

PORTRAIT = Path(__file__).parents[2] / "examples/portrait.png"
FPS = Fraction(25)
PATCH, ACROSS, DOWN = 16, 16, 10
SIZE = WIDTH, HEIGHT = ACROSS * PATCH, DOWN * PATCH
Floats = NDArray[np.float64]
Note = Callable[[str, object], None]
"""Pytest's `record_property`: figures for ci/faithfulness.py."""

LUMA = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114)}
"""Weights of red and blue by the tag of the matrix (ITU-T H.273, table 4)."""


def _patches() -> Picture:
    """Black, white, greys, the corners of the cube, and colours from everywhere in it."""
    corners = np.indices((2, 2, 2)).reshape(3, -1).T * 255
    greys = np.repeat(np.linspace(0, 255, 24).round()[:, None], 3, axis=1)
    count = ACROSS * DOWN - len(corners) - len(greys)
    others = np.random.default_rng(2).integers(0, 256, (count, 3))
    grid = np.concatenate([corners, greys, others]).astype(np.uint8).reshape(DOWN, ACROSS, 3)
    return grid.repeat(PATCH, axis=0).repeat(PATCH, axis=1)


def _samples(planes: Planes) -> list[Floats]:
    """Y, Cb and Cr of each pixel, in levels of 8 bits."""
    layout = planes.layout
    found = []
    for number in range(3):
        samples = planes.samples(number).astype(np.float64)
        samples /= 1 << (layout.shift + layout.depth - 8)
        across, down = (layout.chroma_x, layout.chroma_y) if number else (0, 0)
        whole = samples.repeat(1 << down, axis=0).repeat(1 << across, axis=1)
        found.append(whole[: planes.height, : planes.width])
    return found


def _decoded(planes: Planes, matrix: int, colour_range: int) -> Floats:
    """RGB, by the matrix and the range that the tags say."""
    red, blue = LUMA[matrix]
    luma, cb, cr = _samples(planes)
    if colour_range == 1:
        luma, cb, cr = (luma - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    else:
        luma, cb, cr = luma / 255, (cb - 128) / 255, (cr - 128) / 255
    r, b = luma + 2 * (1 - red) * cr, luma + 2 * (1 - blue) * cb
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return 255 * np.stack([r, g, b], axis=-1)


def _check_patches(rgb: Floats, wanted: Picture, note: Note, what: str) -> None:
    error = np.abs(rgb - wanted)
    note(f"{what}: mean (at most 0.6 levels)", float(error.mean()))
    note(f"{what}: most (at most 2 levels)", float(error.max()))
    assert error.mean() <= 0.6
    assert error.max() <= 2


def _face(mask: NDArray[np.uint8], box: Box, left: int, top: int) -> Face:
    return Face(0, box, Box(left, top, mask.shape[1], mask.shape[0]), mask)


@pytest.mark.parametrize("pix_fmt", LAYOUTS)
def test_patches_in_every_layout(pix_fmt: str, record_property: Note) -> None:
    wanted = _patches()
    rgb = _decoded(avatar_planes(wanted, pix_fmt), BT709.matrix, BT709.range)
    _check_patches(rgb, wanted, record_property, "colour of a still's planes, every layout")


@dataclass
class _Lossless:
    """A video of four frames with crops of noise: its file, and the samples that were encoded."""

    path: Path
    encoder: EncoderSettings
    given: list[list[NDArray[Any]]]

    @staticmethod
    def of(compositor: Compositor, path: Path, colour: ColourTags, *, moves: bool) -> _Lossless:
        encoder = resolve(OutputSettings(crf=0), path, *SIZE, FPS, colour)
        part = PartEncoder(path.with_suffix(".part"), encoder, *SIZE, FPS, colour, 0, "label")
        given = []
        for index in range(4):
            message = replace(frame_of(_noise(index)), source=index if moves else 0)
            frame = compositor.compose(message, index)
            given.append([planes_of(frame).samples(number).copy() for number in range(3)])
            part.encode(frame)
        join([part.finish()], path, sound=None, fps=FPS, encoder=encoder, metadata={})
        return _Lossless(path, encoder, given)

    def shown(self) -> list[Planes]:
        """Its frames, which are those that were encoded."""
        with av.open(str(self.path)) as container:
            shown = [planes_of(frame) for frame in container.decode(video=0)]
        for one, samples in zip(shown, self.given, strict=True):
            assert all(np.array_equal(one.samples(number), samples[number]) for number in range(3))
        return shown


def _check_beside(one: Planes, own: Planes, mask: Box, note: Note, what: str) -> None:
    """Beside the chroma samples that a mask covers, nothing changes; in it something does."""
    outside = np.ones((HEIGHT, WIDTH), bool)
    (left, right), (top, bottom) = (
        (start // 2 * 2, -(-(start + side) // 2) * 2)
        for start, side in ((mask.x, mask.width), (mask.y, mask.height))
    )
    outside[top:bottom, left:right] = False
    pairs = list(zip(_samples(one), _samples(own), strict=True))
    note(what, sum(int((ours[outside] != theirs[outside]).sum()) for ours, theirs in pairs))
    for ours, theirs in pairs:
        assert (ours[outside] == theirs[outside]).all()
        assert (ours != theirs)[top + 2 : bottom - 2, left + 2 : right - 2].any()


def test_patches_through_a_lossless_video_and_pixels_beside_the_mask(
    tmp_path: Path, record_property: Note
) -> None:
    wanted = _patches()
    Image.fromarray(wanted).save(tmp_path / "a.png")
    avatar = open_avatar(tmp_path / "a.png", background="white", resolution=None)
    planes = next(avatar.planes(SourceRun(0, 0, 1), LAYOUTS["yuv420p"]))
    face = _face(np.full((40, 64), 200, np.uint8), Box(90, 50, 100, 100), 101, 103)
    compositor = StillCompositor(planes, face, FPS, avatar.colour)
    video = _Lossless.of(compositor, tmp_path / "o.mp4", avatar.colour, moves=False)
    assert video.encoder.pix_fmt == "yuv420p"
    with av.open(str(video.path)) as container:
        tags = container.streams.video[0].codec_context
        matrix, colour_range = int(tags.colorspace), int(tags.color_range)
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[102:144, 100:166] = False  # whole chroma samples
    for one in video.shown():
        rgb = _decoded(one, matrix, colour_range)
        what = "colour of a still through lossless H.264"
        _check_patches(rgb[outside], wanted[outside], record_property, what)
        what = "samples beside a still's mask that change (0)"
        _check_beside(one, planes, face.mask_box, record_property, what)


def test_pixels_beside_the_mask_of_a_video(tmp_path: Path, record_property: Note) -> None:
    face = _face(np.full((40, 64), 200, np.uint8), Box(90, 50, 100, 100), 101, 103)
    still = StillCompositor(avatar_planes(_patches(), "yuv420p"), face, FPS, BT709)
    clip = _Lossless.of(still, tmp_path / "clip.mp4", BT709, moves=False)
    source, layout = VideoSource(clip.path), LAYOUTS["yuv420p"]
    own = [planes.copy() for planes in source.planes(SourceRun(0, 1, 4), layout)]
    face = _face(np.full((30, 51), 255, np.uint8), Box(80, 40, 90, 90), 95, 71)
    shown = (ShownFrame(index, planes, face) for index, planes in enumerate(own))
    compositor = VideoCompositor(shown, SIZE, layout, FPS, source.colour)
    video = _Lossless.of(compositor, tmp_path / "o.mp4", source.colour, moves=True)
    for one, planes in zip(video.shown(), own, strict=True):
        what = "samples beside a video's mask that change (0)"
        _check_beside(one, planes, face.mask_box, record_property, what)


def _noise(seed: int) -> Crop:
    return np.random.default_rng(seed).integers(0, 256, (CROP_SIZE, CROP_SIZE, 3), dtype=np.uint8)


def _enlarged(crop: Crop, width: int, height: int) -> Floats:
    """As `cv2.resize` does it by default: bilinear, centres at halves, edges repeated."""
    picture = crop.astype(np.float64)
    for length in (height, width):
        size = len(picture)
        at = (np.arange(length) + 0.5) * size / length - 0.5
        first = np.floor(at).astype(int)
        rest = (at - first)[:, None, None]
        near, far = first.clip(0, size - 1), (first + 1).clip(0, size - 1)
        picture = (picture[near] * (1 - rest) + picture[far] * rest).swapaxes(0, 1)
    return picture


def _blended(body: Picture, crop: Crop, face: Face) -> Floats:
    """MuseTalk's compositing: the crop, enlarged to the box, over the picture by the mask."""
    height, width = body.shape[:2]
    x, y, across, down = face.box
    over, mask = body.astype(np.float64), np.zeros((height, width, 1))
    left, top = max(x, 0), max(y, 0)
    enlarged = _enlarged(crop, across, down)[top - y :, left - x :]
    seen = enlarged[: height - top, : width - left]
    over[top : top + seen.shape[0], left : left + seen.shape[1]] = seen
    part = face.mask_box
    mask[part.y : part.y + part.height, part.x : part.x + part.width, 0] = face.mask
    return over * mask / 255 + body * (1 - mask / 255)


def _bt709(rgb: Floats) -> list[Floats]:
    """Y, Cb and Cr in levels of 8 bits, limited range."""
    luma = rgb @ [0.2126, 0.7152, 0.0722]
    cb, cr = (rgb[..., 2] - luma) / 1.8556, (rgb[..., 0] - luma) / 1.5748
    return [16 + luma * 219 / 255, 128 + cb * 224 / 255, 128 + cr * 224 / 255]


@pytest.mark.parametrize("box", [Box(-15, -30, 290, 340), Box(-9, 11, 181, 203)])
@pytest.mark.parametrize("pix_fmt", ["yuv444p", "yuv420p"])
def test_a_blend_is_that_of_musetalk(pix_fmt: str, box: Box, record_property: Note) -> None:
    astronaut = np.array(Image.open(PORTRAIT).convert("RGB"))
    body = np.ascontiguousarray(astronaut[:320, :280])
    rows, columns = np.mgrid[0 : box.height // 2 - 7, 0 : box.width - 40]
    middle, half = (box.width - 40) / 2, box.width * 0.45
    soft = 1 - ((columns - middle) / half) ** 2 - (rows / (box.height * 0.47)) ** 2
    mask = np.rint(255 * (6 * soft).clip(0, 1)).astype(np.uint8)
    face = _face(mask, box, box.x + 20, box.y + box.height // 2)
    crop = np.array(Image.fromarray(astronaut[:200, 130:330]).resize((CROP_SIZE, CROP_SIZE)))
    compositor = StillCompositor(avatar_planes(body, pix_fmt), face, FPS, BT709)
    frame = planes_of(compositor.compose(frame_of(crop), 0))
    wanted = _bt709(_blended(body, crop, face))
    place = face.mask_box
    for number, exact in enumerate(wanted):
        samples = frame.samples(number).astype(np.float64)
        is_coarse = number > 0 and pix_fmt == "yuv420p"
        means = exact.reshape(160, 2, 140, 2).mean(axis=(1, 3))
        y, x, height, width = (side >> is_coarse for side in (place.y, place.x, *mask.shape))
        error = np.abs(samples - (means if is_coarse else exact))[y : y + height, x : x + width]
        kind = "chroma" if number else "luma"
        what = f"blend against MuseTalk's, {pix_fmt}, {kind}"
        record_property(f"{what}: mean (at most 0.5 levels)", float(error.mean()))
        if not is_coarse:
            record_property(f"{what}: most (at most 1 level)", float(error.max()))
        assert error.mean() <= 0.5
        assert is_coarse or error.max() <= 1
