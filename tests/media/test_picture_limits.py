"""Pictures that are too small, too large, cut, animated, or lie; and how sizes become even."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictures import GREY, RGB, chunk, opened, png, saved, tiff
from PIL import Image

from musetalk_fast import errors
from musetalk_fast.media.frame_size import Resolution
from musetalk_fast.media.image import Still, load_still
from musetalk_fast.types import Fit, Picture

Load = Callable[..., Still]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(data: bytes, resolution: Resolution | None = None) -> Still:
        (tmp_path / "picture").write_bytes(data)
        return load_still(tmp_path / "picture", background="white", resolution=resolution)

    return load


def _grey(width: int, height: int) -> bytes:
    return png(np.zeros((height, width), np.uint8), 8, GREY)


@pytest.mark.parametrize(("width", "height"), [(64, 64), (8192, 64), (64, 8192)])
def test_the_limits_are_within(load: Load, width: int, height: int) -> None:
    still = load(_grey(width, height))
    assert (still.width, still.height) == (width, height)


@pytest.mark.parametrize(("width", "height"), [(63, 64), (64, 63), (8193, 64), (64, 8193)])
def test_beyond_the_limits(load: Load, width: int, height: int) -> None:
    with pytest.raises(errors.ImageSizeError, match=f"{width}x{height} pixels are outside"):
        load(_grey(width, height))


def test_odd_sides_lose_their_last_line(load: Load, astronaut: Picture) -> None:
    picture = astronaut[:101, :99]
    assert (load(saved(Image.fromarray(picture), "PNG")).rgb == picture[:100, :98]).all()


def test_the_least_size_holds_before_a_line_is_lost(load: Load) -> None:
    assert load(_grey(65, 65)).rgb.shape == (64, 64, 3)


@pytest.mark.parametrize("size", [(128, 128), (64, 200), (1024, 768)])
def test_another_resolution(load: Load, astronaut: Picture, size: tuple[int, int]) -> None:
    picture = Image.fromarray(astronaut)
    got = load(saved(picture, "PNG"), Resolution(size, Fit.STRETCH)).rgb
    expected = np.array(picture.resize(size, Image.Resampling.LANCZOS)).astype(int)
    assert got.shape == expected.shape
    # Two Lanczos filters: they agree but for the rounding of their weights, and at the borders.
    assert np.abs(got - expected).mean() < 1.5


def test_a_background_that_is_no_colour(tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(_grey(64, 64))
    with pytest.raises(errors.UsageError, match="'puce' is not a colour"):
        load_still(tmp_path / "picture", background="puce", resolution=None)


def test_the_upload_is_the_same_picture(load: Load, astronaut: Picture) -> None:
    still = load(saved(Image.fromarray(astronaut), "PNG"))
    asset = still.png()
    assert (np.array(opened(asset.data)) == astronaut).all()


CUT = {
    "PNG": {},
    "JPEG": {},
    "progressive JPEG": {"progressive": True},
    "WEBP": {},
    "lossless WEBP": {"lossless": True},
    "BMP": {},
    "TIFF": {},
    "LZW TIFF": {"compression": "tiff_lzw"},
}


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("share", [0.0, 0.0003, 0.02, 0.5, 0.9, 0.99, 0.999])
def test_a_picture_that_is_cut(load: Load, astronaut: Picture, name: str, share: float) -> None:
    # An odd width: rows of a BMP have padding, which a decoder may think absent.
    data = saved(Image.fromarray(astronaut[:166, :171]), name.rsplit(maxsplit=1)[-1], **CUT[name])
    with pytest.raises(errors.ImageFormatError) as caught:
        load(data[: int(len(data) * share)])
    assert caught.value.hint
    assert caught.value.where


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "AVIF"])
def test_an_animation(load: Load, astronaut: Picture, kind: str) -> None:
    frames = [Image.fromarray(np.roll(astronaut[:100, :100], shift, 0)) for shift in range(3)]
    with pytest.raises(errors.ImageFormatError, match="an animation"):
        load(saved(frames[0], kind, save_all=True, append_images=frames[1:]))


def test_a_tile_far_larger_than_its_tiff(load: Load) -> None:
    tags = {256: (128,), 257: (64,), 258: (8,), 259: (1,), 262: (1,), 277: (1,)}
    tags |= {322: (32768,), 323: (32768,), 324: (0,), 325: (9,)}
    with pytest.raises(errors.ImageFormatError, match="tiles of 32768x32768 pixels"):
        load(tiff(tags, bytes(9)))


def test_damaged_tags_are_passed_over_without_a_word(
    load: Load, recwarn: pytest.WarningsRecorder
) -> None:
    tags = {256: (64,), 257: (64,), 258: (8,), 259: (1,), 262: (1,), 277: (1,), 278: (64,)}
    tags |= {273: (0,), 279: (64 * 64,)} | {1000 + tag: (0,) * 9 for tag in range(30)}
    data = bytearray(tiff(tags, bytes(64 * 64)))
    for tag in range(30):
        at = data.index(struct.pack("<HH", 1000 + tag, 3))
        data[at + 4 : at + 8] = struct.pack("<I", 1 << 29)  # values of a gigabyte
    warnings.simplefilter("always")
    assert load(bytes(data)).rgb.shape == (64, 64, 3)
    assert not recwarn.list


def test_samples_that_are_not_read(load: Load) -> None:
    wide = Image.fromarray(np.zeros((64, 64), np.float32))
    with pytest.raises(errors.ImageFormatError, match="samples that are not read here") as caught:
        load(saved(wide, "TIFF"))
    assert "8 or 16 bits" in (caught.value.hint or "")


def test_a_jpeg_of_thousands_of_scans(load: Load) -> None:
    data = saved(_black(), "JPEG", progressive=True)
    scan = data.index(b"\xff\xda")
    with pytest.raises(errors.ImageFormatError, match="more than 200 scans"):
        load(data[:-2] + data[scan : scan + 14] * 300 + data[-2:])


def test_segments_and_chunks_without_end(load: Load) -> None:
    jpeg = saved(_black(), "JPEG")
    with pytest.raises(errors.ImageFormatError, match="no pixels behind its header"):
        load(jpeg[:2] + b"\xff\xe3\0\x02" * 20_000 + jpeg[2:])
    grey = _grey(64, 64)
    with pytest.raises(errors.ImageFormatError, match="chunks"):
        load(grey[:33] + chunk(b"abCd", b"") * 140_000 + grey[33:])


@pytest.mark.parametrize("kind", ["JPEG2000", "PPM", "ICO", "TGA"])
def test_other_formats_are_named_as_none_of_ours(load: Load, astronaut: Picture, kind: str) -> None:
    with pytest.raises(errors.ImageFormatError):
        load(saved(Image.fromarray(astronaut[:128, :128]), kind))


BOMBS = {
    "PNG": lambda: png(np.zeros((64, 64, 3), np.uint8), 8, RGB, size=(50_000, 50_000)),
    "JPEG": lambda: _patched(saved(_black(), "JPEG"), b"\x00\x40\x00\x40", b"\xc3\x50\xc3\x50"),
    "BMP": lambda: _patched(
        saved(_black(), "BMP"), b"\x40\0\0\0\x40\0\0\0", b"\x50\xc3\0\0\x50\xc3\0\0"
    ),
    "TIFF": lambda: tiff(
        {256: (50_000,), 257: (50_000,), 258: (8,), 259: (1,), 262: (1,), 273: (0,), 279: (9,)},
        bytes(9),
    ),
    "WEBP": lambda: _patched(
        saved(_black(), "WEBP", lossless=True, exif=b"Exif\0\0II*\0" + bytes(12)),
        b"\x3f\0\0\x3f\0\0",
        b"\x4f\xc3\0\x4f\xc3\0",
    ),
}


def _black() -> Image.Image:
    return Image.fromarray(np.zeros((64, 64, 3), np.uint8))


def _patched(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) == 1
    return data.replace(old, new)


@pytest.mark.parametrize("kind", BOMBS)
def test_a_header_that_claims_billions_of_pixels(load: Load, kind: str) -> None:
    with pytest.raises(errors.ImageSizeError, match="50000x50000 pixels are outside"):
        load(BOMBS[kind]())


_MEASURE = """
import resource, sys
from pathlib import Path
from musetalk_fast.errors import ImageFormatError
from musetalk_fast.media.image import load_still
import simplejpeg, PIL.PngImagePlugin, PIL.ImageCms, PIL.TiffImagePlugin
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    load_still(Path(sys.argv[1]), background="white", resolution=None)
    print("read")
except ImageFormatError as error:
    print(error.message)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def _measured(data: bytes, folder: Path) -> tuple[str, int]:
    """What reading a picture came to, and the MiB it took at its peak."""
    (folder / "picture").write_bytes(data)
    command = [sys.executable, "-c", _MEASURE, str(folder / "picture")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    words, size = done.stdout.splitlines()
    return words, int(size)


@pytest.mark.parametrize("kind", [b"zTXt", b"iCCP"])
def test_a_text_that_would_inflate_to_128_mib(tmp_path: Path, kind: bytes) -> None:
    packer = zlib.compressobj(9)
    zeros = bytes(1 << 20)
    body = b"".join(packer.compress(zeros) for _ in range(128)) + packer.flush()
    data = png(np.zeros((64, 64), np.uint8), 8, GREY, chunk(kind, b"x\0\0" + body))
    words, size = _measured(data, tmp_path)
    assert words == "read"
    assert size < 64


def test_pixels_that_end_before_the_picture(load: Load) -> None:
    data = png(np.zeros((64, 64), np.uint8), 8, GREY)
    at = data.index(b"IDAT") - 4
    with pytest.raises(errors.ImageFormatError, match="its header says 4160"):
        load(data[:at] + chunk(b"IDAT", zlib.compress(bytes(4000))) + chunk(b"IEND", b""))


def test_pixels_that_inflate_beyond_the_picture(load: Load) -> None:
    rows = zlib.compress(bytes(64 << 20))
    data = png(np.zeros((64, 64), np.uint8), 8, GREY)
    at = data.index(b"IDAT") - 4
    began = time.process_time()
    with pytest.raises(errors.ImageFormatError, match="more pixels than its header claims"):
        load(data[:at] + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    assert time.process_time() - began < 1


@pytest.mark.parametrize("depth", [8, 16])
def test_a_large_picture_needs_bounded_memory(tmp_path: Path, depth: int) -> None:
    # 2048 x 4096 pixels of four samples: what is decoded, an 8-bit copy, and the flat picture.
    samples = np.zeros((2048, 4096, 4), np.uint8)
    words, size = _measured(png(samples, depth, 6), tmp_path)
    assert words == "read"
    decoded = samples.nbytes * depth // 8
    assert size < (decoded + samples.nbytes * (depth > 8) + samples.nbytes) * 1.2 / (1 << 20) + 16


def test_the_limit_of_the_file(tmp_path: Path) -> None:
    with (tmp_path / "picture").open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        file.truncate((1 << 28) + 1)
    with pytest.raises(errors.ImageSizeError, match="larger than 256 MiB"):
        load_still(tmp_path / "picture", background="white", resolution=None)
