"""Videos with transparent parts: kept, or laid over something."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_clips import HEIGHT, WIDTH, luma_of, number_in
from numpy.typing import NDArray
from PIL import Image

from musetalk_fast.kernels.planes import ALPHA, LAYOUTS, Planes
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.media.background import load_background
from musetalk_fast.media.frame_size import Resolution
from musetalk_fast.media.video import VideoSource
from musetalk_fast.types import BT709, Fit, SourceRun

FRAMES = 14
SOFT = 12
"""Columns over which alpha rises."""

CODECS = {
    "vp9.webm": ("libvpx-vp9", "yuva420p", {"lossless": "1", "cpu-used": "8", "g": "6"}),
    "vp8.webm": (
        "libvpx",
        "yuva420p",
        {"cpu-used": "8", "auto-alt-ref": "0", "g": "6", "crf": "4"},
    ),
    "prores.mov": ("prores_ks", "yuva444p10le", {"alpha_bits": "16"}),
    "rle.mov": ("qtrle", "argb", {}),
    "ffv1.mkv": ("ffv1", "yuva444p10le", {}),
    "rgb.mkv": ("ffv1", "bgra", {}),
}
EXACT = ("vp9.webm", "ffv1.mkv", "rgb.mkv", "rle.mov")
"""Without loss in luma and alpha, but for a conversion's rounding."""


def alpha_of(number: int) -> NDArray[np.uint8]:
    """A column that moves to the right, with soft edges; all rows but the last 16 have it."""
    x = np.arange(WIDTH)
    edge = np.minimum(x - 4 - number, 80 + number - x).clip(0, SOFT)
    row = np.rint(edge * 255 / SOFT).astype(np.uint8)
    alpha = np.tile(row, (HEIGHT, 1))
    alpha[-16:] = 0
    return alpha


def write_alpha(path: Path, name: str, alphas: list[NDArray[np.uint8]]) -> Path:
    codec, pix_fmt, options = CODECS[name]
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        if name == "vp8.webm":  # as many recipes say, and joined videos have it: read as ALPHA_MODE
            stream.metadata["alpha_mode"] = "1"
        context = stream.codec_context
        context.thread_count = 1
        context.colorspace, context.color_range = (BT709.matrix, BT709.range)
        for index, alpha in enumerate(alphas):
            grey = np.repeat(luma_of(index)[..., None], 3, axis=2)
            rgba = av.VideoFrame.from_ndarray(np.dstack([grey, alpha]), "rgba")
            colours = {} if "yuv" not in pix_fmt else {"dst_colorspace": 1, "dst_color_range": 1}
            frame = rgba.reformat(format=pix_fmt, **colours)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module", params=CODECS)
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name = request.param
    path = tmp_path_factory.mktemp("alpha") / name
    return write_alpha(path, name, [alpha_of(number) for number in range(FRAMES)])


def luma_codes(number: int) -> NDArray[np.float64]:
    return luma_of(number) * (219 / 255) + 16


def test_alpha_is_kept_in_every_frame_whichever_way(clip: Path) -> None:
    source = VideoSource(clip, background="transparent")
    assert "a" in source.pix_fmt.replace("planar", "")
    off = 2 if clip.name in EXACT else 12
    layout = LAYOUTS["yuva420p"]
    runs = (SourceRun(0, 1, FRAMES), SourceRun(FRAMES - 1, -1, FRAMES), SourceRun(7, 1, 2))
    for run in runs:
        for place, planes in enumerate(source.planes(run, layout)):
            number = run.first + place * run.step
            wanted = alpha_of(number)
            assert np.abs(planes.samples(ALPHA).astype(int) - wanted).max() <= off
            seen = wanted == 255
            difference = np.abs(planes.samples(0) - luma_codes(number))[seen]
            assert difference.mean() <= (1 if clip.name in EXACT else 6)
    assert source.notes == VideoSource(clip).notes  # kept as well where nothing was asked for


def test_transparent_parts_are_laid_over_what_is_behind(clip: Path, tmp_path: Path) -> None:
    wall = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    Image.fromarray(wall).save(tmp_path / "wall.png")
    behind = Planes.allocate(LAYOUTS["yuv420p"], WIDTH, HEIGHT)
    rgb_to_planes(wall, behind)
    source = VideoSource(clip, background=load_background(str(tmp_path / "wall.png")))
    assert any("filled with wall.png" in note for note in source.notes)
    assert "a" not in source.pix_fmt
    for number, planes in zip(
        (9, 8), source.planes(SourceRun(9, -1, 2), behind.layout), strict=True
    ):
        alpha = alpha_of(number)
        weight = alpha / 255
        wanted = luma_codes(number) * weight + behind.samples(0) * (1 - weight)
        difference = np.abs(planes.samples(0) - wanted)
        assert difference.mean() <= (1 if clip.name in EXACT else 6)
        hidden = np.abs(planes.samples(0)[-16:].astype(int) - behind.samples(0)[-16:])
        assert hidden.mean() <= (0 if clip.name in EXACT else 10)
        for each in (1, 2):
            found, other = planes.samples(each), behind.samples(each)
            share = weight.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).mean(axis=(1, 3))
            mixed = 128 * share + other * (1 - share)
            assert np.abs(found - mixed).mean() <= (1 if clip.name in EXACT else 3)
        assert planes.opacity is not None
        assert np.abs(planes.opacity.astype(int) - alpha).max() <= 12


@pytest.fixture(scope="module")
def lossless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    alphas = [alpha_of(number) for number in range(FRAMES)]
    return write_alpha(tmp_path_factory.mktemp("alpha") / "a.mkv", "ffv1.mkv", alphas)


@pytest.mark.parametrize("layout", ["nv12", "p010le", "yuv444p", "yuv422p10le"])
def test_every_layout_is_laid_over_alike(lossless: Path, layout: str) -> None:
    source = VideoSource(lossless, background="#ff0000")
    planes = next(source.planes(SourceRun(3, 1, 1), LAYOUTS[layout]))
    scale = 1 << (planes.layout.depth - 8)
    luma = (planes.samples(0) >> planes.layout.shift) / scale
    weight = alpha_of(3) / 255
    wanted = luma_codes(3) * weight + 63 * (1 - weight)
    assert np.abs(luma - wanted).mean() <= 1
    red = planes.samples(2)[-4:] >> planes.layout.shift
    assert np.abs(red / scale - 240).max() <= 1


def test_blur_goes_on_from_what_is_seen(lossless: Path) -> None:
    source = VideoSource(lossless, Resolution((192, 64)), "blur")
    for planes in source.planes(SourceRun(3, 1, 2), LAYOUTS["yuv420p"]):
        luma = planes.samples(0)
        assert luma[8:40, 60:90].std() > 20
        for hidden in (luma[:, :40], luma[:, 160:], luma[-12:]):
            assert 30 <= hidden.min() <= hidden.max() <= 220  # of what is seen, never black
    assert any("filled with a blurred copy" in note for note in source.notes)


def test_hidden_colours_do_not_tint_scaled_edges(tmp_path: Path) -> None:
    """Straight colours are weighed by their alpha: green is hidden, grey is seen."""
    rgba = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    rgba[..., :3] = (0, 255, 0)
    rgba[16:48, 24:72] = (150, 150, 150, 255)
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgra"
        file.mux(stream.encode(av.VideoFrame.from_ndarray(rgba, "rgba").reformat(format="bgra")))
        file.mux(stream.encode(None))
    for size in ((70, 64), (150, 100)):
        wanted = Resolution(size, Fit.STRETCH)
        kept = next(VideoSource(path, wanted).planes(SourceRun(0, 1, 1), LAYOUTS["yuva444p"]))
        seen = kept.samples(ALPHA) >= 64
        assert np.abs(kept.samples(1)[seen].astype(int) - 128).max() <= 2
        # Bicubic scaling overshoots at an edge as hard as this one.
        assert np.abs(kept.samples(0)[seen].astype(int) - 145).max() <= 10
        flat = VideoSource(path, wanted, "#969696")
        grey = next(flat.planes(SourceRun(0, 1, 1), LAYOUTS["yuv420p"]))
        for each, level in ((0, 145), (1, 128), (2, 128)):
            assert np.abs(grey.samples(each).astype(int) - level).max() <= (10 if each == 0 else 3)


def test_what_is_tagged_transparent_and_is_not_is_opaque(tmp_path: Path) -> None:
    opaque = [np.full((HEIGHT, WIDTH), 255, np.uint8)] * FRAMES
    source = VideoSource(write_alpha(tmp_path / "a.webm", "vp9.webm", opaque), None, "transparent")
    assert (source.pix_fmt, source.notes) == ("yuv420p", ())
    (planes,) = source.planes(SourceRun(9, 1, 1), LAYOUTS["yuv420p"])
    assert number_in(planes) == 9
    late = [*opaque[:-1], alpha_of(0)]
    source = VideoSource(write_alpha(tmp_path / "b.webm", "vp9.webm", late), None, "transparent")
    assert source.pix_fmt == "yuva420p"
