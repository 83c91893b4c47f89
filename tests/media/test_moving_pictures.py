"""Animated pictures and sequences of pictures are avatars that move."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from musetalk_fast import errors
from musetalk_fast.kernels.planes import ALPHA, LAYOUTS
from musetalk_fast.media import animation
from musetalk_fast.media.avatar import AvatarSource, open_asset, open_avatar
from musetalk_fast.media.frame_size import Resolution
from musetalk_fast.media.image_sequence import find_sequence, input_sha256
from musetalk_fast.media.picture_video import PictureVideo
from musetalk_fast.types import BT709, Fit, SourceRun

LEVELS = (10, 60, 120, 180, 240, 90, 30)
TIMES = [40, 40, 200, 40, 40, 70, 90]


def _picture(level: int, width: int = 96, height: int = 80) -> Image.Image:
    ramp = np.linspace(0, 15, width).astype(np.uint8)
    return Image.fromarray(np.broadcast_to(level + ramp, (3, height, width)).transpose(1, 2, 0))


def _save(path: Path, duration: Any, pictures: Sequence[Image.Image] = (), **how: Any) -> Path:
    first, *others = pictures or [_picture(level) for level in LEVELS]
    first.save(path, save_all=True, append_images=others, duration=duration, loop=0, **how)
    return path


def _open(path: Path, size: tuple[int, int] | None = None) -> AvatarSource:
    return open_avatar(path, background="white", resolution=Resolution(size))


def _levels(source: AvatarSource, run: SourceRun) -> list[int]:
    """The source frames that are nearest in brightness to those of a run."""
    shown = [int(planes.samples(0)[3, 0]) for planes in source.planes(run, LAYOUTS["yuv420p"])]
    codes = np.array(LEVELS) * 219 / 255 + 16
    return [int(np.abs(codes - luma).argmin()) for luma in shown]


def test_the_still_of_an_animated_png_is_no_frame_of_it(tmp_path: Path) -> None:
    """What programs show that know no APNG (PNG, third edition, section 4.9)."""
    pictures = [_picture(255), *(_picture(level) for level in LEVELS)]
    source = _open(_save(tmp_path / "a.png", 200, pictures, default_image=True))
    assert source.frames == len(LEVELS)
    assert _levels(source, SourceRun(0, 1, len(LEVELS))) == list(range(len(LEVELS)))
    assert (source.rate, source.timestamps) == (5, None)


@pytest.mark.parametrize(
    ("name", "how"),
    [("a.gif", {}), ("a.png", {"default_image": False}), ("a.webp", {"lossless": True})],
)
def test_an_animation_moves(name: str, how: dict[str, Any], tmp_path: Path) -> None:
    path = _save(tmp_path / name, TIMES, **how)
    source = _open(path)
    assert (source.width, source.height, source.frames) == (96, 80, 7)
    assert (source.colour, source.bit_depth, source.notes) == (BT709, 8, ())
    assert source.sha256 == input_sha256(path)
    times = source.timestamps
    assert times is not None
    secs = [Fraction(at) * times.tick for at in (*times.starts, times.end)]
    assert secs == [Fraction(sum(TIMES[:n]), 1000) for n in range(8)]
    assert _levels(source, SourceRun(0, 1, 7)) == list(range(7))
    assert _levels(source, SourceRun(5, -1, 4)) == [5, 4, 3, 2]
    shown = np.array(_picture(LEVELS[3]))
    assert np.abs(source.picture(3).astype(int) - shown).max() <= (4 if name == "a.gif" else 0)
    for planes in source.planes(SourceRun(0, 0, 1), LAYOUTS["yuv420p"]):
        assert abs(int(planes.samples(0)[5, 5]) - (10 * 219 / 255 + 16)) <= 1


def test_servers_get_a_lossless_video_of_equal_bytes(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.webp", 40, lossless=True)
    sources = [_open(path) for _ in range(2)]
    one, two = (source.asset() for source in sources)
    assert one.sha256 == two.sha256
    assert isinstance(one.data, Path)
    assert isinstance(two.data, Path)
    assert one.data.read_bytes() == two.data.read_bytes()
    seen = _open(one.data)
    assert (seen.frames, seen.rate, sources[0].rate, sources[0].timestamps) == (7, 25, 25, None)
    for number in range(7):
        assert np.array_equal(seen.picture(number), sources[0].picture(number))
    folder = one.data.parent
    del sources
    gc.collect()
    assert not folder.exists()


def test_transparent_frames_are_laid_over_the_background(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (96, 80), (0, 0, 0, 0))
    solid = Image.new("RGBA", (96, 80), (0, 0, 255, 255))
    path = _save(tmp_path / "a.png", 50, [clear, solid, clear], disposal=1)
    source = open_avatar(path, background="#ff0000", resolution=Resolution((64, 64), Fit.STRETCH))
    assert [tuple(source.picture(n)[0, 0]) for n in range(2)] == [(255, 0, 0), (0, 0, 255)]
    assert (source.width, source.height) == (64, 64)
    assert any("#ff0000" in note for note in source.notes)


def test_transparent_frames_stay_so(tmp_path: Path) -> None:
    """Whatever hidden colours the file has: those that are seen beside them go on."""
    rgba = np.zeros((80, 96, 4), np.uint8)
    pictures = []
    for level in LEVELS:
        rgba[20:60, 30:70] = (level, level, level, 255)
        rgba[40:60, 30:70, 3] = 128
        pictures.append(Image.fromarray(rgba.copy()))
    layout = LAYOUTS["yuva420p"]
    names = {"a.png": {"disposal": 1}, "a.webp": {"lossless": True, "exact": True}}
    for name, how in names.items():
        path = _save(tmp_path / name, 40, pictures, **how)
        for background in ("transparent", None):
            source = open_avatar(path, background=background, resolution=None)
            assert (source.pix_fmt, source.notes) == ("rgba", ())
        (planes,) = source.planes(SourceRun(2, 0, 1), layout)
        assert np.abs(planes.samples(ALPHA).astype(int) - rgba[..., 3]).max() <= 1
        luma = LEVELS[2] * 219 / 255 + 16
        assert np.abs(planes.samples(0)[16:64, 26:74] - luma).max() <= 2
        seen = open_asset(_path_of(source))
        assert (seen.frames, seen.pix_fmt) == (len(LEVELS), "bgra")
        assert np.array_equal(seen.picture(2), source.picture(2))
    opaque = open_avatar(_save(tmp_path / "b.webp", 40), background=None, resolution=None)
    assert opaque.pix_fmt == "rgb24"
    for number, picture in enumerate(pictures):
        picture.save(tmp_path / f"s{number}.png")
    small = Resolution((64, 128))
    source = open_avatar(tmp_path / "s%d.png", background="transparent", resolution=small)
    assert (source.width, source.height, source.pix_fmt) == (64, 128, "rgba")
    assert next(source.planes(SourceRun(0, 1, 1), layout)).samples(ALPHA)[:36].max() == 0


def _path_of(source: AvatarSource) -> Path:
    data = source.asset().data
    assert isinstance(data, Path)
    return data


def test_a_frame_that_asks_for_no_time_has_that_of_browsers(tmp_path: Path) -> None:
    source = _open(_save(tmp_path / "a.gif", 0))
    assert (source.rate, source.timestamps) == (10, None)


def test_numbered_files_are_a_sequence(tmp_path: Path) -> None:
    for number, level in zip((7, 8, 9, 10, 11, 13, 14), LEVELS, strict=True):
        _picture(level).save(tmp_path / f"f{number:03}.png")
    (tmp_path / "f12.png").write_bytes(b"two digits are not what the pattern says")
    source = _open(tmp_path / "f%03d.png")
    assert (source.frames, source.rate, source.timestamps) == (7, 25, None)
    assert source.notes == ("1 pictures of the sequence are missing, after number 11: it goes on",)
    assert _levels(source, SourceRun(6, -1, 7)) == [6, 5, 4, 3, 2, 1, 0]
    assert np.array_equal(source.picture(2), np.array(_picture(LEVELS[2])))
    before = source.sha256
    assert input_sha256(tmp_path / "f%03d.png") == before
    _picture(200).save(tmp_path / "f009.png")
    assert input_sha256(tmp_path / "f%03d.png") != before
    _picture(99).save(tmp_path / "%d.png")
    assert _open(tmp_path / "%d.png").rate is None  # a file that is named like a pattern


def test_a_folder_is_a_sequence_in_natural_order(tmp_path: Path) -> None:
    for name, level in zip(("a1.png", "a2.PNG", "a10.png", "b.png"), LEVELS, strict=False):
        _picture(level).save(tmp_path / name)
    for name in (".hidden.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"no picture")
    source = _open(tmp_path)
    assert isinstance(source, PictureVideo)
    assert _levels(source, SourceRun(0, 1, 4)) == [0, 1, 2, 3]


def test_whoever_waits_for_a_sequence_sees_how_far_it_is_and_can_stop_it(tmp_path: Path) -> None:
    for number, level in enumerate(LEVELS):
        _picture(level).save(tmp_path / f"{number}.png")
    seen: list[tuple[int, int]] = []

    def on_picture(*progress: int) -> None:
        seen.append(progress)  # type: ignore[arg-type]
        if progress == (2, 7) and len(seen) > 8:
            raise KeyboardInterrupt

    open_avatar(tmp_path, background="white", resolution=None, on_picture=on_picture)
    assert seen == [(done, 7) for done in range(8)]
    with pytest.raises(KeyboardInterrupt):
        open_avatar(tmp_path, background="white", resolution=None, on_picture=on_picture)


def _refused(path: Path, kind: type[errors.InputError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        _open(path)
    assert caught.value.where


def test_what_is_no_sequence_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _refused(tmp_path, errors.InputUnreadableError, "a folder without pictures")
    _refused(tmp_path / "%d.png", errors.InputNotFoundError, "no file is named so")
    _refused(tmp_path / "none" / "%d.png", errors.InputNotFoundError, "no such folder")
    _picture(20).save(tmp_path / "1.png")
    _picture(20, 98).save(tmp_path / "2.png")
    _refused(tmp_path, errors.ImageSizeError, "this picture is 98x80, the first one 96x80")
    assert _open(tmp_path, (96, 80)).frames == 2
    (tmp_path / "2.png").write_bytes(b"nothing")
    _refused(tmp_path / "%d.png", errors.ImageFormatError, "no picture")
    monkeypatch.setattr("musetalk_fast.media.image_sequence.MAX_FRAMES", 1)
    _refused(tmp_path, errors.ImageSizeError, "2 pictures; the limit is 1")
    assert find_sequence(tmp_path / "1.png") is None


def test_damaged_and_endless_animations_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _save(tmp_path / "a.webp", 40, lossless=True)
    monkeypatch.setattr(animation, "MAX_FRAMES", 6)
    _refused(path, errors.ImageSizeError, "7 frames; the limit is 6")
    monkeypatch.undo()
    for name in ("a.webp", "a.png", "a.gif"):
        data = _save(tmp_path / name, 40).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) * 2 // 3])
        _refused(tmp_path / name, errors.ImageFormatError, r"broken (WebP|PNG|GIF)")
    tiny = [Image.new("RGB", (20, 20), (n, 0, 0)) for n in range(3)]
    _refused(_save(tmp_path / "t.gif", 40, tiny), errors.ImageSizeError, "20x20 pixels")
