"""Transparent parts: kept with colours that make no fringe, or laid over a colour or a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import HEIGHT, WIDTH, over, saved
from PIL import Image, ImageOps

from musetalk_fast import errors
from musetalk_fast.kernels.planes import ALPHA, LAYOUTS
from musetalk_fast.media.background import load_background
from musetalk_fast.media.frame_size import Resolution
from musetalk_fast.media.image import Background, Still, load_still
from musetalk_fast.media.picture.transparency import TRANSPARENT, extended
from musetalk_fast.media.still_source import StillSource
from musetalk_fast.types import Fit, Picture, SourceRun

Load = Callable[..., Still]
SKIN, HIDDEN = (200, 140, 120), (0, 255, 0)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(
        data: bytes, background: Background = TRANSPARENT, resolution: Resolution | None = None
    ) -> Still:
        (tmp_path / "picture").write_bytes(data)
        return load_still(tmp_path / "picture", background=background, resolution=resolution)

    return load


@pytest.fixture(scope="session")
def disc() -> NDArray[np.uint8]:
    """A soft disc of skin; where nothing of it is seen, the file has green."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    distance = np.hypot(x - WIDTH / 3, y - HEIGHT / 2)
    alpha = np.clip((25 - distance) * 40, 0, 255).astype(np.uint8)
    colours = np.where(alpha[..., None] > 0, SKIN, HIDDEN).astype(np.uint8)
    return np.dstack([colours, alpha])


FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "PNG": ("PNG", {}),
    "WebP": ("WEBP", {"lossless": True, "exact": True}),
    "TIFF": ("TIFF", {}),
    "AVIF": ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
}


@pytest.mark.parametrize("name", FILES)
def test_alpha_is_kept(load: Load, disc: NDArray[np.uint8], name: str) -> None:
    kind, options = FILES[name]
    still = load(saved(Image.fromarray(disc), kind, **options))
    tolerance, seen = 2 * (kind == "AVIF"), disc[..., 3] > 0
    assert still.alpha is not None
    assert np.abs(still.alpha.astype(int) - disc[..., 3]).max() <= tolerance
    assert np.abs(still.rgb[seen].astype(int) - disc[..., :3][seen]).max() <= 3 * tolerance
    assert still.notes == ()
    source = StillSource(still)
    assert source.pix_fmt == "rgba"
    (planes,) = source.planes(SourceRun(0, 0, 1), LAYOUTS["yuva420p"])
    assert (planes.samples(ALPHA) == still.alpha).all()


@pytest.mark.parametrize("alpha", [None, 255])
def test_an_opaque_file_is_opaque_whatever_it_is_tagged_as(load: Load, alpha: int | None) -> None:
    picture = Image.new("RGB", (WIDTH, HEIGHT), SKIN)
    if alpha is not None:
        picture.putalpha(alpha)
    still = load(saved(picture, "PNG"))
    assert still.alpha is None
    assert StillSource(still).pix_fmt == "rgb24"


def test_what_is_cut_away_does_not_make_it_transparent(load: Load) -> None:
    picture = np.full((HEIGHT, WIDTH + 1, 4), 255, np.uint8)
    picture[:, WIDTH, 3] = 0
    assert load(saved(Image.fromarray(picture), "PNG")).alpha is None


def test_hidden_colours_are_those_of_what_is_seen(load: Load, disc: NDArray[np.uint8]) -> None:
    still = load(saved(Image.fromarray(disc), "PNG"))
    assert np.abs(still.rgb.astype(int) - SKIN).max() <= 3


def test_seen_colours_do_not_change_and_hidden_ones_are_near(disc: NDArray[np.uint8]) -> None:
    noise = np.random.default_rng(4).integers(60, 200, disc[..., :3].shape).astype(np.uint8)
    alpha = disc[..., 3]
    hidden = np.where(alpha[..., None] > 0, noise, np.uint8(255))
    filled = extended(hidden, alpha)
    assert (filled[alpha > 0] == noise[alpha > 0]).all()
    assert filled[alpha == 0].max() < 200
    assert filled.flags.c_contiguous
    assert (extended(noise, np.zeros_like(alpha)) == 0).all()  # nothing to be seen


@pytest.mark.parametrize("orientation", [3, 6])
def test_alpha_turns_and_scales_with_its_picture(
    load: Load, disc: NDArray[np.uint8], orientation: int
) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    picture = Image.fromarray(disc)
    picture.info["exif"] = exif.tobytes()
    upright = ImageOps.exif_transpose(picture)
    still = load(saved(Image.fromarray(disc), "PNG", exif=exif))
    assert still.alpha is not None
    assert (still.alpha == np.array(upright)[..., 3]).all()
    half = load(
        saved(Image.fromarray(disc), "PNG", exif=exif),
        TRANSPARENT,
        Resolution((80, 90), Fit.STRETCH),
    )
    scaled = np.array(upright.getchannel("A").resize((80, 90), Image.Resampling.LANCZOS))
    assert half.alpha is not None
    assert np.abs(half.alpha.astype(int) - scaled).max() <= 1
    change = np.abs(half.rgb.astype(int) - SKIN)
    assert (change * half.alpha[..., None] / 255).max() <= 3  # no green came in
    assert change[half.alpha == 0].max() <= 6


@pytest.fixture
def behind(tmp_path: Path, astronaut: Picture) -> Callable[[tuple[int, int]], Path]:
    def behind(size: tuple[int, int]) -> Path:
        path = tmp_path / "sea.png"
        Image.fromarray(astronaut).resize(size).save(path)
        return path

    return behind


def test_a_picture_behind(load: Load, disc: NDArray[np.uint8], behind: Any) -> None:
    path = behind((WIDTH, HEIGHT))
    still = load(saved(Image.fromarray(disc), "PNG"), load_background(str(path)))
    expected = over(disc[..., :3], disc[..., 3], np.array(Image.open(path)))  # type: ignore[arg-type]
    assert (still.rgb == expected).all()
    assert still.alpha is None
    filled = "transparent parts were filled with sea.png, scaled to cover 70x66 (--background)"
    assert still.notes == (filled,)


@pytest.mark.parametrize("size", [(280, 132), (140, 264)])
def test_a_picture_behind_is_covered_from_its_middle(
    load: Load, disc: NDArray[np.uint8], behind: Any, size: tuple[int, int]
) -> None:
    path = behind(size)
    still = load(saved(Image.fromarray(disc), "PNG"), load_background(str(path)))
    fitted = ImageOps.fit(Image.open(path), (WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    clear = disc[..., 3] == 0
    assert (still.rgb[clear] == np.array(fitted)[clear]).all()


def test_a_picture_behind_an_opaque_one_is_not_seen(load: Load, behind: Any) -> None:
    background = load_background(str(behind((WIDTH, HEIGHT))))
    still = load(saved(Image.new("RGB", (WIDTH, HEIGHT), SKIN), "PNG"), background)
    assert (still.rgb == SKIN).all()
    assert still.notes == ("nothing of the picture is transparent: sea.png is not seen",)


def test_a_colour_comes_before_a_file_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("teal").write_bytes(b"")
    assert load_background("teal") == "teal"
    assert load_background("transparent") == TRANSPARENT
    with pytest.raises(errors.ImageFormatError, match="the file is empty") as caught:
        load_background("./teal")
    assert caught.value.where == "--background teal"


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("puce", errors.UsageError, "'puce' is not a colour"),
        ("#12345", errors.UsageError, "'#12345' is not a colour"),
        ("#11223344", errors.UsageError, "'#11223344' is not a colour"),
        ("Transparent", errors.UsageError, "'Transparent' is not a colour"),
        ("absent.jpg", errors.InputNotFoundError, "no such file"),
        ("absent/sea", errors.InputNotFoundError, "no such file"),
        (".", errors.InputUnreadableError, "this is a folder"),
    ],
)
def test_what_is_no_background(text: str, error: type[errors.MuseTalkError], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        load_background(text)
    assert caught.value.hint
    if error is errors.UsageError:
        assert "transparent" in caught.value.hint
