"""Every kind of picture against an independent decoder: Pillow, or the samples that went in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictures import (
    GREY,
    GREY_ALPHA,
    HEIGHT,
    PALETTE,
    RGB,
    RGBA,
    WIDTH,
    chunk,
    eight_bits,
    opened,
    over,
    png,
    saved,
    tiff,
)
from PIL import Image, ImageOps

from musetalk_fast.media.image import Still, load_still
from musetalk_fast.types import Picture

Load = Callable[..., Still]
FILLED = "transparent parts were filled with {} (--background)"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(data: bytes, background: str = "white") -> Still:
        (tmp_path / "picture").write_bytes(data)
        return load_still(tmp_path / "picture", background=background, resolution=None)

    return load


@pytest.fixture
def noise() -> np.random.Generator:
    return np.random.default_rng(1)


@pytest.fixture(scope="session")
def small(astronaut: Picture) -> Image.Image:
    return Image.fromarray(astronaut).resize((WIDTH, HEIGHT))


@pytest.fixture(scope="session")
def clear(small: Image.Image) -> Image.Image:
    """With every strength of alpha."""
    alpha = np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH) % 256
    return Image.fromarray(np.dstack([np.array(small), alpha.astype(np.uint8)]))


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_grey_png(load: Load, noise: np.random.Generator, depth: int) -> None:
    samples = noise.integers(0, 1 << depth, (HEIGHT, WIDTH))
    still = load(png(samples, depth, GREY))
    assert (still.rgb == eight_bits(samples, depth)[..., None]).all()
    assert still.notes == ()


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_grey_png_with_a_transparent_grey(
    load: Load, noise: np.random.Generator, depth: int
) -> None:
    samples = noise.integers(0, 1 << depth, (HEIGHT, WIDTH))
    key = int(samples[0, 0])
    still = load(png(samples, depth, GREY, chunk(b"tRNS", key.to_bytes(2, "big"))), "red")
    grey = np.repeat(eight_bits(samples, depth)[..., None], 3, axis=-1)
    assert (still.rgb == over(grey, np.where(samples == key, 0, 255), (255, 0, 0))).all()
    assert still.notes == (FILLED.format("red"),)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
@pytest.mark.parametrize("transparent", [False, True])
def test_png_with_a_palette(
    load: Load, noise: np.random.Generator, depth: int, transparent: bool
) -> None:
    colours = noise.integers(0, 256, (1 << depth, 3)).astype(np.uint8)
    alpha = noise.integers(0, 256, 1 << depth).astype(np.uint8)
    samples = noise.integers(0, 1 << depth, (HEIGHT, WIDTH))
    chunks = [chunk(b"PLTE", colours.tobytes())]
    chunks += [chunk(b"tRNS", alpha.tobytes())] if transparent else []
    still = load(png(samples, depth, PALETTE, *chunks), "#102030")
    if not transparent:
        alpha[:] = 255
    assert (still.rgb == over(colours[samples], alpha[samples], (16, 32, 48))).all()
    assert still.notes == ((FILLED.format("#102030"),) if transparent else ())


@pytest.mark.parametrize("depth", [8, 16])
def test_png_of_colours(load: Load, noise: np.random.Generator, depth: int) -> None:
    samples = noise.integers(0, 1 << depth, (HEIGHT, WIDTH, 4))
    eight = eight_bits(samples, depth)
    assert (load(png(samples[..., :3], depth, RGB)).rgb == eight[..., :3]).all()
    assert (load(png(samples, depth, RGBA)).rgb == over(eight[..., :3], eight[..., 3])).all()
    grey = np.repeat(eight[..., :1], 3, axis=-1)
    still = load(png(samples[..., :2], depth, GREY_ALPHA), "black")
    assert (still.rgb == over(grey, eight[..., 1], (0, 0, 0))).all()
    assert still.notes == (FILLED.format("black"),)


def test_opaque_alpha_is_no_news(load: Load, small: Image.Image) -> None:
    still = load(saved(small.convert("RGBA"), "PNG"))
    assert (still.rgb == np.array(small)).all()
    assert still.notes == ()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg(load: Load, small: Image.Image, mode: str, progressive: bool) -> None:
    data = saved(small.convert(mode), "JPEG", progressive=progressive)
    _close(load(data), opened(data), 1)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_jpeg_with_coarser_colour(load: Load, small: Image.Image, subsampling: int) -> None:
    data = saved(small, "JPEG", subsampling=subsampling)
    _close(load(data), opened(data), 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(load: Load, small: Image.Image, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(small, kind, exif=exif, **options)
    _close(load(data), ImageOps.exif_transpose(opened(data)), 1)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_changes_nothing(
    load: Load, small: Image.Image, orientation: int
) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    data = saved(small, "PNG", exif=exif)
    assert (load(data).rgb == np.array(small)).all()


def test_webp(load: Load, small: Image.Image, clear: Image.Image) -> None:
    assert (load(saved(small, "WEBP", lossless=True)).rgb == np.array(small)).all()
    flat = load(saved(clear, "WEBP", lossless=True, exact=True))
    pixels = np.array(clear)
    assert (flat.rgb == over(pixels[..., :3], pixels[..., 3])).all()
    assert flat.notes == (FILLED.format("white"),)
    assert load(saved(clear, "WEBP")).notes == (FILLED.format("white"),)
    # Decoders differ in how they spread colour over the pixels: compare what is smooth.
    data = saved(small.resize((700, 660)), "WEBP", quality=90)
    far = np.abs(load(data).rgb.astype(int) - np.array(opened(data).convert("RGB")))
    assert far.mean() < 2


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_bmp(load: Load, small: Image.Image, mode: str) -> None:
    data = saved(small.convert(mode), "BMP")
    _close(load(data), opened(data), 0)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_tiff(load: Load, small: Image.Image, mode: str, compression: str | None) -> None:
    data = saved(small.convert(mode), "TIFF", compression=compression)
    _close(load(data), opened(data), 1)


def test_tiff_of_rare_kinds(load: Load, small: Image.Image, clear: Image.Image) -> None:
    pixels = np.array(clear)
    still = load(saved(clear, "TIFF"))
    assert (still.rgb == over(pixels[..., :3], pixels[..., 3])).all()
    deep = np.arange(WIDTH * HEIGHT, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 14
    grey = load(saved(Image.fromarray(deep), "TIFF")).rgb
    assert (grey == eight_bits(deep, 16)[..., None]).all()
    data = saved(small.convert("YCbCr"), "TIFF")
    _close(load(data), opened(data), 2)
    fax = saved(small.convert("1"), "TIFF", compression="group4")
    _close(load(fax), opened(fax), 0)
    planes = np.ascontiguousarray(np.array(small).transpose(2, 0, 1)).tobytes()
    area = WIDTH * HEIGHT
    tags = {256: (WIDTH,), 257: (HEIGHT,), 258: (8, 8, 8), 259: (1,), 262: (2,), 277: (3,)}
    tags |= {278: (HEIGHT,), 273: (0, area, 2 * area), 279: (area,) * 3, 284: (2,)}
    assert (load(tiff(tags, planes)).rgb == np.array(small)).all()


def _close(still: Still, other: Image.Image, tolerance: int) -> None:
    expected = np.array(other.convert("RGB")).astype(int)
    assert still.rgb.shape == expected.shape
    assert np.abs(still.rgb - expected).max() <= tolerance
