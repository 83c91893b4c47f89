"""What a file says of its colours, against published colours and the formulas of the standards."""

from __future__ import annotations

import io
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from pictures import (
    ADOBE,
    GREY,
    P3,
    RGB,
    RGBA,
    SRGB,
    chain,
    chunk,
    gamma_curve,
    grey_profile,
    ink_profile,
    png,
    press_profile,
    rgb_profile,
    saved,
    srgb_curve,
    tiff,
)
from PIL import ExifTags, Image, ImageCms, features

from musetalk_fast.media.image import Still, load_still
from musetalk_fast.types import Picture

Load = Callable[[bytes], Still]
DATA = Path(__file__).parents[1] / "data"

PRIMARIES = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [119, 119, 119]])
IN_P3 = np.array([[234, 51, 35], [117, 251, 76], [0, 0, 245], [255, 255, 255], [119, 119, 119]])
IN_ADOBE = np.array([[219, 0, 0], [144, 255, 60], [0, 0, 250], [255, 255, 255], [118, 118, 118]])
"""The primaries of sRGB, white and a grey, as P3 and Adobe RGB have them."""
APPROXIMATE = "the picture's inks (CMYK) have no colour profile: its colours are approximate"
CANNOT = "the colour profile cannot be used: the picture's colours count as sRGB"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(data: bytes) -> Still:
        (tmp_path / "picture").write_bytes(data)
        return load_still(tmp_path / "picture", background="white", resolution=None)

    return load


def _patches(colours: np.ndarray) -> Picture:
    """(64, 64 n, ...): a square of each."""
    return np.repeat(np.repeat(colours[None], 64, axis=0), 64, axis=1).astype(colours.dtype)


def _seen(still: Still) -> np.ndarray:
    """The colour in the middle of each patch."""
    return still.rgb[32, 32::64].astype(int)


def _srgb(light: np.ndarray) -> np.ndarray:
    return 255 * np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light)


def _near(still: Still, expected: np.ndarray, most: int = 2) -> bool:
    return bool(np.abs(_seen(still) - expected).max() <= most)


GAMMA_18, SRGB_LIKE = (
    chunk(b"gAMA", (55_556).to_bytes(4, "big")),
    chunk(b"gAMA", (45_455).to_bytes(4, "big")),
)
LINEAR = chunk(b"gAMA", (100_000).to_bytes(4, "big"))
IS_SRGB, CICP_P3 = chunk(b"sRGB", b"\0"), chunk(b"cICP", bytes((12, 13, 0, 1)))


def _corners(*points: float) -> bytes:
    body = b"".join(round(point * 100_000).to_bytes(4, "big") for point in points)
    return chunk(b"cHRM", body)


def _profile_chunk(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"x\0\0" + zlib.compress(profile))


P3_CORNERS = _corners(0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
SRGB_CORNERS = _corners(0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
P3_PROFILE = rgb_profile(P3, srgb_curve())
ADOBE_PROFILE = rgb_profile(ADOBE, gamma_curve(563 / 256))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(
    ("chunks", "given"),
    [
        ((CICP_P3,), IN_P3),
        ((_profile_chunk(P3_PROFILE),), IN_P3),
        ((SRGB_LIKE, P3_CORNERS), IN_P3),
        ((P3_CORNERS,), IN_P3),
        # In the order in which they count; a PNG may have them in any.
        ((IS_SRGB, SRGB_LIKE, _profile_chunk(ADOBE_PROFILE), CICP_P3), IN_P3),
        ((GAMMA_18, IS_SRGB, _profile_chunk(ADOBE_PROFILE)), IN_ADOBE),
        ((GAMMA_18, P3_CORNERS, IS_SRGB), PRIMARIES),
        ((SRGB_LIKE,), PRIMARIES),
        ((SRGB_LIKE, SRGB_CORNERS), PRIMARIES),
        ((chunk(b"cICP", bytes((1, 1, 0, 1))),), PRIMARIES),
        ((chunk(b"cICP", bytes((2, 2, 0, 1))),), PRIMARIES),
    ],
)
def test_the_chunks_of_a_png(
    load: Load, chunks: tuple[bytes, ...], given: np.ndarray, depth: int
) -> None:
    samples = _patches(given) * (257 if depth == 16 else 1)
    still = load(png(samples, depth, RGB, *chunks))
    assert _near(still, PRIMARIES, 3)
    assert still.notes == ()
    if given is PRIMARIES:
        assert (_seen(still) == PRIMARIES).all()


def test_the_exponent_of_a_png_and_its_alpha(load: Load) -> None:
    levels = np.linspace(0, 255, 16).astype(np.uint8)
    expected = _srgb((levels / 255) ** 1.8)[:, None]
    assert _near(load(png(_patches(levels), 8, GREY, GAMMA_18)), expected, 1)
    clear = np.stack([levels, levels, levels, np.full(16, 128)], axis=1)
    still = load(png(_patches(clear), 8, RGBA, GAMMA_18))
    assert _near(still, expected * 128 / 255 + 255 * 127 / 255, 1)


@pytest.mark.parametrize("by_profile", [False, True])
def test_light_of_16_bits_keeps_its_shadows(load: Load, by_profile: bool) -> None:
    levels = np.array([*range(0, 2000, 100), 30_000, 65_535])
    said = _profile_chunk(rgb_profile(SRGB, gamma_curve(1))) if by_profile else LINEAR
    samples = np.repeat(_patches(levels)[..., None], 3, axis=2)
    still = load(png(samples, 16, RGB, said))
    assert _near(still, _srgb(levels / 65_535)[:, None], 1)
    assert len(np.unique(still.rgb)) == len(levels)


def test_deep_samples_between_the_levels_of_a_profile(load: Load) -> None:
    samples = np.random.default_rng(3).integers(0, 65_536, (64, 64, 3))
    still = load(png(samples, 16, RGB, _profile_chunk(P3_PROFILE)))
    by_numbers = load(png(samples, 16, RGB, CICP_P3))  # which is no table, and of 16 bits
    assert np.abs(still.rgb.astype(int) - by_numbers.rgb).max() <= 2
    assert np.abs(still.rgb.astype(int) - by_numbers.rgb).mean() < 0.2


def test_numbers_and_a_profile_that_say_the_same(load: Load) -> None:
    samples = np.random.default_rng(4).integers(0, 256, (64, 64, 3))
    still = load(png(samples, 8, RGB, CICP_P3))
    by_littlecms = load(png(samples, 8, RGB, _profile_chunk(P3_PROFILE)))
    assert np.abs(still.rgb.astype(int) - by_littlecms.rgb).max() <= 1


@pytest.mark.parametrize(
    "bad",
    [
        chunk(b"cICP", bytes((200, 13, 0, 1))),
        chunk(b"cICP", bytes((1, 13, 6, 1))),
        chunk(b"cICP", b"\1"),
        chunk(b"gAMA", bytes(4)),
        chunk(b"gAMA", b"\1"),
        _corners(0, 0, 0, 0, 0, 0, 0, 0),
        _corners(0.3, 0.3, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3),
    ],
)
def test_chunks_that_mean_no_colours(load: Load, bad: bytes) -> None:
    still = load(png(_patches(PRIMARIES), 8, RGB, bad))
    assert (_seen(still) == PRIMARIES).all()
    assert still.notes == (CANNOT,)


def test_hdr_is_toned_down_to_sdr(load: Load) -> None:
    # 100 cd/m2 by PQ; BT.2408 has white at 203, which is 0.75 of HLG.
    pq = np.rint(np.array([0.0, 0.5081, 1.0]) * 65_535)
    seen = _seen(load(png(_patches(pq), 16, GREY, chunk(b"cICP", bytes((9, 16, 0, 1))))))
    assert seen[:, 0].tolist() == pytest.approx([0, _srgb(np.array(100 / 203)), 255], abs=1)
    hlg = np.rint(np.array([0.0, 0.5, 0.75, 1.0]) * 65_535)
    seen = _seen(load(png(_patches(hlg), 16, GREY, chunk(b"cICP", bytes((9, 18, 0, 1))))))
    half = (1 / 12) ** 1.2 * 1000 / 203
    assert seen[[0, 1], 0].tolist() == pytest.approx([0, _srgb(np.array(half))], abs=1)
    assert 240 < seen[2, 0] < 250 < seen[3, 0]


def test_narrow_range(load: Load) -> None:
    still = load(png(_patches(np.array([0, 16, 235, 255])), 8, GREY, chunk(b"cICP", b"\1\x0d\0\0")))
    assert _seen(still)[:, 0].tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize(("profile", "given"), [(P3_PROFILE, IN_P3), (ADOBE_PROFILE, IN_ADOBE)])
def test_profiles_in_every_format(load: Load, kind: str, profile: bytes, given: np.ndarray) -> None:
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("Pillow was built without AVIF")
    exactly = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}
    picture = Image.fromarray(_patches(given).astype(np.uint8))
    options = exactly.get(kind, {"quality": 100} if kind == "AVIF" else {})
    still = load(saved(picture, kind, icc_profile=profile, **options))
    assert _near(still, PRIMARIES, 6)  # what is beyond sRGB by a level of P3 is cut
    assert still.notes == ()


def test_a_grey_profile(load: Load) -> None:
    levels = np.linspace(0, 255, 16).astype(np.uint8)
    picture = Image.fromarray(_patches(levels))
    still = load(saved(picture, "JPEG", quality=100, icc_profile=grey_profile(1.8)))
    assert _near(still, _srgb((levels / 255) ** (461 / 256))[:, None])


@pytest.mark.skipif(not features.check("avif"), reason="Pillow was built without AVIF")
def test_code_points_of_an_avif(load: Load) -> None:
    picture = Image.fromarray(_patches(IN_P3).astype(np.uint8))
    data = saved(picture, "AVIF", quality=100, subsampling="4:4:4")
    assert data.count(b"colrnclx\0\x01\0\x0d") == 1
    assert not _near(load(data), PRIMARIES, 6)
    marked = data.replace(b"colrnclx\0\x01\0\x0d", b"colrnclx\0\x0c\0\x0d")
    assert _near(load(marked), PRIMARIES, 6)
    unknown = load(data.replace(b"colrnclx\0\x01\0\x0d", b"colrnclx\0\xc8\0\x0d"))
    assert unknown.notes == (CANNOT,)


def test_a_camera_that_was_set_to_adobe_rgb(load: Load) -> None:
    picture = Image.fromarray(_patches(IN_ADOBE).astype(np.uint8))
    for rule, expected in (("R03", PRIMARIES), ("R98", IN_ADOBE)):
        exif = Image.Exif()
        exif[ExifTags.IFD.Exif] = {ExifTags.IFD.Interop: {1: rule}}
        still = load(saved(picture, "JPEG", quality=100, subsampling=0, exif=exif))
        assert _near(still, expected, 3)


def test_a_tiff_of_cie_lab(load: Load) -> None:
    # Red and green of sRGB, white and a grey under D50; a and b have signs.
    lab = [(54.29, 80.81, 69.89), (87.82, -79.27, 80.99), (100, 0, 0), (50, 0, 0)]
    stored = np.array([(round(light * 2.55), round(a), round(b)) for light, a, b in lab])
    samples = _patches(stored % 256).astype(np.uint8)
    height, width = samples.shape[:2]
    tags = {256: (width,), 257: (height,), 258: (8, 8, 8), 259: (1,), 262: (8,), 277: (3,)}
    tags |= {278: (height,), 273: (0,), 279: (samples.nbytes,)}
    assert _near(load(tiff(tags, samples.tobytes())), PRIMARIES[[0, 1, 3, 4]], 14)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_without_a_profile_are_reported(load: Load, kind: str) -> None:
    inks = Image.new("CMYK", (64, 64), (0, 255, 255, 0))
    still = load(saved(inks, kind))
    assert _near(still, np.array([[255, 0, 0]]), 1)
    assert still.notes == (APPROXIMATE,)
    assert load(saved(inks, kind, icc_profile=ink_profile())).notes == ()


EXACTLY = ImageCms.Flags.NOOPTIMIZE | ImageCms.Flags.NOCACHE
"""Without the tables that LittleCMS makes for speed: of inks these are up to 4 levels off."""


@pytest.mark.parametrize(
    ("name", "profile", "mode", "flags"),
    [
        ("P3 by a profile", P3_PROFILE, "RGB", EXACTLY),
        ("P3 by code points", P3_PROFILE, "RGB", EXACTLY),
        ("Adobe RGB by a profile", ADOBE_PROFILE, "RGB", EXACTLY),
        ("Adobe RGB by Exif", ADOBE_PROFILE, "RGB", EXACTLY),
        ("inks", press_profile(), "CMYK", 0),
    ],
)
def test_within_a_level_of_littlecms(
    load: Load,
    name: str,
    profile: bytes,
    mode: str,
    flags: int,
    record_property: Callable[[str, object], None],
) -> None:
    samples = np.random.default_rng(5).integers(0, 256, (96, 96, len(mode)), dtype=np.uint8)
    picture, exif = Image.fromarray(samples, mode), Image.Exif()
    exif[ExifTags.IFD.Exif] = {ExifTags.IFD.Interop: {1: "R03"}}
    data = {
        "P3 by code points": lambda: png(samples, 8, RGB, CICP_P3),
        "Adobe RGB by Exif": lambda: saved(picture, "PNG", exif=exif),
    }.get(name, lambda: saved(picture, "TIFF", icc_profile=profile))()
    theirs = ImageCms.profileToProfile(
        picture,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags(flags),
    )
    still = load(data)
    most = int(np.abs(still.rgb.astype(int) - np.array(theirs)).max())
    record_property("P3, Adobe RGB and CMYK against LittleCMS: most (at most 1 level)", most)
    assert most <= 1
    assert still.rgb.std(axis=(0, 1)).min() > 30
    assert still.notes == ()


def test_profiles_that_are_made_to_be_slow_or_large(load: Load) -> None:
    picture = Image.new("RGB", (64, 64), (40, 80, 120))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    large = load(saved(picture, "TIFF", icc_profile=srgb + bytes(1 << 24)))
    assert large.notes == (CANNOT,)
    slow = rgb_profile(P3, srgb_curve(), {b"D2B0": chain(5000), b"D2B1": chain(5000)})
    slow = slow[:8] + b"\x04\x20\0\0" + slow[12:]
    data = saved(picture, "PNG", icc_profile=slow)
    began = time.process_time()
    assert load(data).notes == ()
    assert time.process_time() - began < 1  # with those steps it takes 20 s


def test_a_jpeg_with_a_profile_of_which_a_piece_is_missing(load: Load) -> None:
    picture = Image.fromarray(_patches(PRIMARIES).astype(np.uint8))
    data = saved(picture, "JPEG", quality=100, subsampling=0, icc_profile=P3_PROFILE)
    assert data.count(b"ICC_PROFILE\0\1\1") == 1
    for numbers in (b"\1\2", b"\2\2", b"\0\0"):
        still = load(data.replace(b"ICC_PROFILE\0\1\1", b"ICC_PROFILE\0" + numbers))
        assert _near(still, PRIMARIES, 3)
        assert still.notes == (CANNOT,)


def test_a_lossy_webp_is_as_bright_as_what_went_in(load: Load, astronaut: Picture) -> None:
    data = saved(Image.fromarray(astronaut), "WEBP", quality=90)
    far = load(data).rgb.astype(int) - astronaut
    assert np.abs(far.mean(axis=(0, 1))).max() < 0.25
    # FFmpeg's own conversion is the one that is a level too dark.
    (theirs,) = av.open(io.BytesIO(data)).decode(video=0)
    assert (theirs.to_ndarray(format="rgb24").astype(int) - astronaut).mean() < -0.5
