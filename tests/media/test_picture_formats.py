"""Every kind of picture against an independent decoder: Pillow, or the samples that went in."""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
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
    ink_profile,
    opened,
    over,
    png,
    saved,
    tiff,
    wide_profile,
)
from PIL import Image, ImageCms, ImageOps, features
from portraits import PORTRAITS

from musetalk_fast import errors
from musetalk_fast.media.image import Still, load_still
from musetalk_fast.media.picture.jpeg_file import read_jpeg
from musetalk_fast.types import Picture

Load = Callable[..., Still]
DATA = Path(__file__).parents[1] / "data"
SEVERAL = "the file holds several pictures: the one that it opens with is used"
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
    assert (load(saved(small, "TIFF", big_tiff=True)).rgb == np.array(small)).all()
    planes = np.ascontiguousarray(np.array(small).transpose(2, 0, 1)).tobytes()
    area = WIDTH * HEIGHT
    tags = {256: (WIDTH,), 257: (HEIGHT,), 258: (8, 8, 8), 259: (1,), 262: (2,), 277: (3,)}
    tags |= {278: (HEIGHT,), 273: (0, area, 2 * area), 279: (area,) * 3, 284: (2,)}
    assert (load(tiff(tags, planes)).rgb == np.array(small)).all()


def test_tiffs_of_tiles_and_with_jpeg_inside(load: Load, small: Image.Image) -> None:
    data = saved(small, "TIFF", compression="jpeg")
    _close(load(data), opened(data), 1)
    left, right = (np.array(small)[:64, at : at + 64] for at in (0, 6))
    tags = {256: (128,), 257: (64,), 258: (8, 8, 8), 259: (1,), 262: (2,), 277: (3,)}
    tags |= {322: (64,), 323: (64,), 324: (0, left.size), 325: (left.size, left.size)}
    got = load(tiff(tags, left.tobytes() + right.tobytes())).rgb
    assert (got == np.concatenate([left, right], axis=1)).all()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("count", [3, 4])
def test_tiffs_of_deep_colours(
    load: Load, noise: np.random.Generator, order: str, count: int
) -> None:
    samples = noise.integers(0, 1 << 16, (HEIGHT, WIDTH, count)).astype(f"{order}u2")
    size = samples.nbytes
    tags = {256: (WIDTH,), 257: (HEIGHT,), 258: (16,) * count, 259: (1,), 262: (2,), 277: (count,)}
    tags |= {278: (HEIGHT,), 273: (0,), 279: (size,)} | ({338: (2,)} if count == 4 else {})
    eight = eight_bits(samples.astype(int), 16)
    expected = eight if count == 3 else over(eight[..., :3], eight[..., 3])
    assert (load(tiff(tags, samples.tobytes(), order)).rgb == expected).all()


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiffs_of_deep_inks(load: Load, noise: np.random.Generator, order: str) -> None:
    samples = noise.integers(0, 1 << 16, (HEIGHT, WIDTH, 4)).astype(f"{order}u2")
    tags = {256: (WIDTH,), 257: (HEIGHT,), 258: (16,) * 4, 259: (1,), 262: (5,), 277: (4,)}
    tags |= {278: (HEIGHT,), 273: (0,), 279: (samples.nbytes,)}
    rounded = Image.fromarray(eight_bits(samples.astype(int), 16).astype(np.uint8), "CMYK")
    _close(load(tiff(tags, samples.tobytes(), order)), rounded, 0)


def test_an_interlaced_png(load: Load, small: Image.Image) -> None:
    encoder = av.CodecContext.create("png", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "rgb24"
    encoder.time_base, encoder.flags = Fraction(1), av.codec.context.Flags.interlaced_dct
    frame = av.VideoFrame.from_ndarray(np.array(small), format="rgb24")
    data = b"".join(map(bytes, encoder.encode(frame)))
    assert opened(data).info["interlace"] == 1
    assert (load(data).rgb == np.array(small)).all()


def test_premultiplied_alpha(load: Load, clear: Image.Image) -> None:
    pixels = np.array(clear)
    rgb, alpha = pixels[..., :3], pixels[..., 3]
    multiplied = np.dstack([over(rgb, alpha, (0, 0, 0)), alpha]).astype(np.uint8)
    tags = {256: (WIDTH,), 257: (HEIGHT,), 258: (8,) * 4, 259: (1,), 262: (2,), 277: (4,)}
    tags |= {278: (HEIGHT,), 273: (0,), 279: (multiplied.nbytes,), 338: (1,)}
    got = load(tiff(tags, multiplied.tobytes())).rgb
    assert np.abs(got - over(rgb, alpha)).max() <= 1


@pytest.mark.skipif(not features.check("avif"), reason="Pillow was built without AVIF")
def test_avif(load: Load, small: Image.Image, clear: Image.Image) -> None:
    data = saved(small, "AVIF")
    _close(load(data), opened(data), 0)
    assert load(saved(clear, "AVIF")).notes == (FILLED.format("white"),)
    exif = Image.Exif()
    exif[274] = 6
    data = saved(small, "AVIF", exif=exif)
    _close(load(data), ImageOps.exif_transpose(opened(data)), 0)


@pytest.mark.parametrize("mode", ["L", "P"])
def test_a_gif_of_one_frame(load: Load, small: Image.Image, mode: str) -> None:
    data = saved(small.convert(mode), "GIF")
    _close(load(data), opened(data), 0)
    data = saved(small.convert(mode), "GIF", transparency=0)
    assert load(data).notes == (FILLED.format("white"),)


def test_heic(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (DATA / "portrait.heic").read_bytes()
    if importlib.util.find_spec("pillow_heif") is not None:
        _alike(load(data), _portrait(load), 6)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if it were not installed
    with pytest.raises(errors.ImageFormatError, match="this is a HEIC picture") as caught:
        load(data)
    assert "pip install 'musetalk-fast[heif]'" in (caught.value.hint or "")


def _portrait(load: Load) -> Picture:
    return load(PORTRAITS["astronaut"].read_bytes()).rgb


def _alike(still: Still, expected: Picture, mean: float) -> None:
    """Coarsely, as lossy formats are: by blocks of 8 x 8 pixels."""
    width, height = still.width // 8, still.height // 8
    other = Image.fromarray(expected).resize((width, height), Image.Resampling.BOX)
    small = Image.fromarray(still.rgb).resize((width, height), Image.Resampling.BOX)
    assert np.abs(np.array(small).astype(int) - np.array(other)).mean() < mean


def test_inks_become_what_their_profile_says(load: Load, noise: np.random.Generator) -> None:
    inks = noise.integers(0, 256, (HEIGHT, WIDTH, 4)).astype(np.uint8)
    inks[..., 3] = np.arange(WIDTH) * 3
    data = saved(Image.fromarray(inks, "CMYK"), "TIFF", icc_profile=ink_profile())
    linear = ((1 - inks[..., 3] / 255) * 100 + 16) / 116
    light = np.where(linear > 6 / 29, linear**3, (linear - 4 / 29) * 3 * (6 / 29) ** 2)
    grey = np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light) * 255
    assert np.abs(load(data).rgb - grey[..., None]).max() <= 2
    # The same in a JPEG, whose inks are stored the other way round.
    inks[..., :3] = 0
    data = saved(
        Image.fromarray(inks, "CMYK"), "JPEG", quality=100, subsampling=0, icc_profile=ink_profile()
    )
    assert np.abs(load(data).rgb - grey[..., None]).max() <= 4


def test_a_profile_of_grey_and_of_a_png(load: Load, noise: np.random.Generator) -> None:
    wide = wide_profile()
    pixels = noise.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    picture = Image.fromarray(pixels)
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(wide)),
        ImageCms.createProfile("sRGB"),
        "RGB",
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    expected = ImageCms.applyTransform(picture, transform)
    assert np.abs(np.array(expected).astype(int) - pixels).max() > 20
    for kind, options in (("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})):
        _close(load(saved(picture, kind, icc_profile=wide, **options)), expected, 0)
    grey = picture.convert("L")
    expected = ImageCms.applyTransform(grey.convert("RGB"), transform)
    _close(load(saved(grey, "PNG", icc_profile=wide)), expected, 0)


def test_a_profile_of_srgb_changes_no_pixel(load: Load, small: Image.Image) -> None:
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    still = load(saved(small, "PNG", icc_profile=own))
    assert (still.rgb == np.array(small)).all()
    assert still.notes == ()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_a_profile_that_cannot_be_used_is_reported(
    load: Load, small: Image.Image, kind: str
) -> None:
    for profile in (b"damaged" * 40, ink_profile()):
        data = saved(small, kind, icc_profile=profile)
        still = load(data)
        _close(still, opened(data), 1)
        assert "the colour profile cannot be used" in still.notes[0]


def test_a_jpeg_whose_end_mark_alone_is_missing(load: Load, small: Image.Image) -> None:
    for progressive in (False, True):
        data = saved(small, "JPEG", progressive=progressive)
        _close(load(data[:-2]), opened(data), 1)


def test_a_film_behind_a_jpeg(load: Load, small: Image.Image) -> None:
    for progressive in (False, True):
        data = saved(small, "JPEG", progressive=progressive)
        film = b"\0\0\0\x18ftypmp42" + b"\xff\xda\0\x01" * (4 << 20) + b"\xff\xd9"
        for tail in (film, b"\xff\xd8\xff\xe0 another" + film, b"\0\0\x01\x0aImage_UTC_Data SEFT"):
            assert len(read_jpeg(data + tail).data) <= len(data)
        _close(load(data + film), opened(data), 1)


def test_a_jpeg_with_others_for_other_screens(load: Load, small: Image.Image) -> None:
    data = saved(small, "MPO", save_all=True, append_images=[small.rotate(180)])
    assert load(data).notes == ()
    _close(load(data), opened(data), 1)


def test_an_end_mark_inside_a_comment_between_scans(load: Load, small: Image.Image) -> None:
    data = saved(small, "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    marked = data[:last] + b"\xff\xfe\0\6\xff\xd9\xff\xd9" + data[last:]
    assert (load(marked).rgb == load(data).rgb).all()


def test_a_jpeg_with_bytes_between_its_segments(load: Load, small: Image.Image) -> None:
    data = saved(small, "JPEG")
    table = data.index(b"\xff\xdb")
    strewn = load(data[:table] + b"junk\0" + data[table:])
    assert (strewn.rgb == load(data).rgb).all()


def test_a_jpeg_that_is_filled_up_before_its_end_mark(load: Load, small: Image.Image) -> None:
    data = saved(small, "JPEG")
    filled = load(data[:-2] + bytes(9) + data[-2:])
    assert (filled.rgb == load(data).rgb).all()


def test_the_first_page_of_a_tiff(load: Load, small: Image.Image) -> None:
    still = load(saved(small, "TIFF", save_all=True, append_images=[small.rotate(180)]))
    _close(still, small, 0)
    assert still.notes == (SEVERAL,)
    tags = {256: (64,), 257: (64,), 258: (8,), 259: (1,), 262: (1,), 273: (0,), 279: (4096,)}
    assert load(tiff(tags, bytes(4096))).notes == ()
    assert load(tiff(tags | {330: (8,)}, bytes(4096))).notes == (SEVERAL,)  # as raw pictures do


def test_a_raw_picture_is_not_called_a_video(load: Load) -> None:
    with pytest.raises(errors.ImageFormatError, match="a camera's raw picture"):
        load(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(99))


def test_the_main_picture_of_a_heic(load: Load, small: Image.Image) -> None:
    heif = pytest.importorskip("pillow_heif")
    file = heif.from_pillow(small)
    file.add_from_pillow(small.rotate(180))
    data = io.BytesIO()
    file.save(data)
    still = load(data.getvalue())
    _alike(still, np.array(small), 6)
    assert still.notes == (SEVERAL,)


def _close(still: Still, other: Image.Image, tolerance: int) -> None:
    expected = np.array(other.convert("RGB")).astype(int)
    assert still.rgb.shape == expected.shape
    assert np.abs(still.rgb - expected).max() <= tolerance
