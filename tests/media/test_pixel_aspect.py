"""Pixels that are not square, as every format says it: the picture gets its true proportions."""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from pictures import GREY, chunk, png, saved
from PIL import Image, ImageOps, features

from musetalk_fast import errors
from musetalk_fast.media.frame_size import Resolution
from musetalk_fast.media.image import Still, load_still
from musetalk_fast.types import Picture

DATA = Path(__file__).parents[1] / "data"
SIDE = 192
Size = tuple[int, int]
Load = Callable[..., Still]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(data: bytes, resolution: Resolution | None = None) -> Still:
        (tmp_path / "picture").write_bytes(data)
        return load_still(tmp_path / "picture", background="white", resolution=resolution)

    return load


@pytest.fixture(scope="module")
def true(astronaut: Picture) -> Image.Image:
    return Image.fromarray(astronaut).resize((SIDE, SIDE), Image.Resampling.BOX)


def _squeezed(true: Image.Image, across: int, down: int) -> Image.Image:
    """So that pixels in as many of a length have the true proportions."""
    most = max(across, down)
    return true.resize((SIDE * across // most, SIDE * down // most), Image.Resampling.BOX)


def _jfif(picture: Image.Image, unit: int, across: int, down: int) -> bytes:
    data = bytearray(saved(picture, "JPEG", quality=95))
    assert data[6:11] == b"JFIF\0"
    data[13:18] = struct.pack(">BHH", unit, across, down)
    return bytes(data)


def _by_ffmpeg(codec: str, pix_fmt: str) -> Callable[[Image.Image, int, int], bytes]:
    def encoded(picture: Image.Image, across: int, down: int) -> bytes:
        encoder = av.CodecContext.create(codec, "w")
        assert isinstance(encoder, av.VideoCodecContext)
        (encoder.width, encoder.height), encoder.pix_fmt = picture.size, pix_fmt
        encoder.time_base, encoder.sample_aspect_ratio = Fraction(1), Fraction(down, across)
        encoder.color_range = 2
        frame = av.VideoFrame.from_ndarray(np.array(picture), format="rgb24")
        frame = frame.reformat(format=pix_fmt, dst_color_range="JPEG")
        frame.pts = 0
        return b"".join(map(bytes, [*encoder.encode(frame), *encoder.encode(None)]))

    return encoded


def _phys(picture: Image.Image, across: int, down: int) -> bytes:
    data = saved(picture, "PNG")
    return data[:33] + chunk(b"pHYs", struct.pack(">IIB", across, down, 0)) + data[33:]


def _gif(picture: Image.Image, across: int, down: int) -> bytes:
    data = bytearray(saved(picture, "GIF"))
    data[12] = 64 * down // across - 15
    return bytes(data)


def _shaped(data: bytes, across: int, down: int) -> bytes:
    """With the shape of pixels in the place of their bits, which is as long and says less."""
    at = data.index(b"pixi")
    return data[:at] + b"pasp" + struct.pack(">II", down, across) + data[at + 12 :]


KINDS: dict[str, Callable[[Image.Image, int, int], bytes]] = {
    "JPEG, dots per inch": lambda picture, *dots: saved(picture, "JPEG", quality=95, dpi=dots),
    "JPEG, dots per cm": lambda picture, *dots: _jfif(picture, 2, *dots),
    "JPEG, a ratio": lambda picture, *dots: _jfif(picture, 0, *dots),
    "JPEG by FFmpeg": _by_ffmpeg("mjpeg", "yuvj444p"),
    "PNG, dots per inch": lambda picture, *dots: saved(picture, "PNG", dpi=dots),
    "PNG, a ratio": _phys,
    "PNG by FFmpeg": _by_ffmpeg("png", "rgb24"),
    "TIFF, dots per inch": lambda picture, *dots: saved(picture, "TIFF", dpi=dots),
    "TIFF by FFmpeg": _by_ffmpeg("tiff", "rgb24"),
    "BMP": lambda picture, *dots: saved(picture, "BMP", dpi=dots),
    "GIF": _gif,
}
if features.check("avif"):
    KINDS["AVIF"] = lambda picture, *dots: _shaped(saved(picture, "AVIF", quality=95), *dots)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dots", [(36, 72), (64, 48)])
def test_pixels_become_square(load: Load, true: Image.Image, kind: str, dots: Size) -> None:
    still = load(KINDS[kind](_squeezed(true, *dots), *dots))
    assert still.rgb.shape == (SIDE, SIDE, 3)
    assert np.abs(still.rgb.astype(int) - np.array(true)).mean() < 9
    ratio = "2:1" if dots == (36, 72) else "1:1.33"
    (note,) = still.notes
    assert note.startswith(f"the picture's pixels are not square ({ratio}): it was scaled from ")
    assert note.endswith(f" to {SIDE}x{SIDE}")


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_before_the_picture_is_turned(
    load: Load, true: Image.Image, kind: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    still = load(saved(_squeezed(true, 36, 72), kind, exif=exif, dpi=(36, 72)))
    true.getexif()[274] = orientation
    upright = ImageOps.exif_transpose(true)
    del true.getexif()[274]
    assert still.rgb.shape == (SIDE, SIDE, 3)
    assert np.abs(still.rgb.astype(int) - np.array(upright)).mean() < 12
    size = "96x192" if orientation == 3 else "192x96"
    assert f"it was scaled from {size} to 192x192" in still.notes[0]


@pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is None, reason="needs pillow-heif")
def test_the_pixels_of_a_heic(load: Load) -> None:
    data = (DATA / "portrait.heic").read_bytes()
    width, height = load(data).width, load(data).height
    assert load(_shaped(data, 36, 72)).rgb.shape == (height, width * 2, 3)


@pytest.mark.parametrize("dots", [(72, 72), (72, 71), (0, 72), (0, 0)])
def test_square_pixels_stay(load: Load, true: Image.Image, dots: Size) -> None:
    still = load(_phys(true, *dots))
    assert (still.rgb == np.array(true)).all()
    assert still.notes == ()


def test_a_ratio_that_no_pixels_have(load: Load, true: Image.Image) -> None:
    still = load(_phys(true, 10, 72))
    assert (still.rgb == np.array(true)).all()
    assert still.notes == ("the file claims pixels of 7.2:1: they count as square",)


def test_a_resolution_is_reached_at_once_and_stretches_square_pixels(
    load: Load, true: Image.Image
) -> None:
    data = _phys(_squeezed(true, 36, 72), 36, 72)
    still = load(data, Resolution((128, 128)))
    assert still.rgb.shape == (128, 128, 3)
    assert (len(still.notes), still.size_note) == (1, None)
    assert "of 192x192 gets bars above" in (load(data, Resolution((96, 192))).size_note or "")


def test_the_largest_size_holds(load: Load) -> None:
    wide = chunk(b"pHYs", struct.pack(">IIB", 36, 72, 1))
    still = load(png(np.zeros((200, 8000), np.uint8), 8, GREY, wide))
    assert still.rgb.shape == (102, 8192, 3)
    assert "it was scaled from 8000x200 to 8192x102" in still.notes[0]
    with pytest.raises(errors.ImageSizeError, match="8192x33 pixels are outside"):
        load(png(np.zeros((64, 8000), np.uint8), 8, GREY, wide))
