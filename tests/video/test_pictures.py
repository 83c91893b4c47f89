"""Parts become moving pictures and sequences: each as a decoder that did not make it shows it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

import av
import numpy as np
import pytest
from numbered_video import FACE, HEIGHT, WIDTH, crop_of, frame_of, number_in, picture
from numpy.typing import NDArray
from PIL import Image

from musetalk_fast.config import OutputSettings
from musetalk_fast.errors import (
    OutputExistsError,
    OutputFormatError,
    OutputPlaceError,
    OutputWriteError,
)
from musetalk_fast.kernels import yuv_matrix
from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.media.image import Still
from musetalk_fast.media.still_source import StillSource
from musetalk_fast.types import BT709, SourceRun
from musetalk_fast.video import rgb_frames
from musetalk_fast.video.compositor import StillCompositor
from musetalk_fast.video.containers import CONTAINERS, check_pictures
from musetalk_fast.video.encoder_selection import resolve
from musetalk_fast.video.frame_names import FrameNames
from musetalk_fast.video.part_encoder import PartEncoder
from musetalk_fast.video.parts import Part, read_part
from musetalk_fast.video.picture_join import join_animation, join_sequence
from musetalk_fast.video.provenance import read_comment
from musetalk_fast.video.rgb_frames import FrameLook
from musetalk_fast.video.sequence_folder import MARKER, read_marker

FPS = Fraction(30)
LENGTHS = (2, 1, 2)
FRAMES = sum(LENGTHS)
NAMES = FrameNames.parse("%04d.png")
MOUTH = FACE.mask_box
COMMENT = "von uns: <Größe> & 'Länge'; " * 12
"""Longer than a block of a GIF, with what XML has a meaning for."""


def _alpha() -> NDArray[np.uint8]:
    """A soft disc, which cuts the mouth's rectangle."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    distance = np.hypot(x - WIDTH / 2, y - HEIGHT / 2)
    return np.clip((120 - distance) * 20, 0, 255).astype(np.uint8)


def _made(folder: Path, *, alpha: bool) -> tuple[list[Part], FrameLook]:
    settings, output = OutputSettings(), Path("o.gif")
    encoder = resolve(settings, output, WIDTH, HEIGHT, FPS, BT709, alpha=alpha)
    still = Still(Path("still.png"), picture(), "", (), _alpha() if alpha else None)
    planes = next(StillSource(still).planes(SourceRun(0, 0, 1), LAYOUTS[encoder.pix_fmt]))
    parts, number = [], 0
    for place, length in enumerate(LENGTHS):
        compositor = StillCompositor(planes, FACE, FPS, BT709)
        path = folder / f"{place}{encoder.part_suffix}"
        part = PartEncoder(path, encoder, WIDTH, HEIGHT, FPS, BT709, 0, "label")
        for index in range(length):
            # Column 0 of the crop is outside of the disc.
            part.encode(compositor.compose(frame_of(crop_of(number << 1)), index))
            number += 1
        parts.append(part.finish())
    return parts, FrameLook(WIDTH, HEIGHT, encoder.pix_fmt, BT709)


@pytest.fixture(scope="module", name="of_alpha")
def _of_alpha(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, tuple[list[Part], FrameLook]]:
    """Parts whose frames show their numbers: opaque, and with alpha."""
    return {
        alpha: _made(tmp_path_factory.mktemp(f"parts{alpha:d}"), alpha=alpha)
        for alpha in (False, True)
    }


def _shown(path: Path) -> Iterator[tuple[NDArray[np.uint8], float]]:
    """(H, W, 4) RGBA and milliseconds of each frame, by Pillow."""
    with Image.open(path) as image:
        for frame in range(getattr(image, "n_frames", 1)):
            image.seek(frame)
            yield np.asarray(image.convert("RGBA")), image.info.get("duration", 0)


def _number(rgba: NDArray[np.uint8]) -> int:
    return number_in(rgba[..., 1]) >> 1 & 63


def _is_like(rgba: NDArray[np.uint8], look: FrameLook, tolerance: int, hard_alpha: bool) -> bool:
    """Whether the picture around the mouth is the avatar's."""
    seen = np.ones((HEIGHT, WIDTH), bool)
    seen[MOUTH.y :, MOUTH.x : MOUTH.x + MOUTH.width] = False
    alpha = np.full((HEIGHT, WIDTH), 255, np.uint8)
    if look.pix_fmt == "yuva444p":
        alpha = _alpha()
        alpha = np.where(alpha >= 128, 255, 0).astype(np.uint8) if hard_alpha else alpha
    opaque = seen & (alpha == 255)
    change = np.abs(rgba[..., :3].astype(int) - picture())[opaque]
    return bool((rgba[..., 3] == alpha).all() and change.mean() <= tolerance)


@pytest.mark.parametrize(
    ("name", "alpha", "ticks", "tolerance"),
    [
        ("gif", False, 10, 8),
        ("gif", True, 10, 8),
        ("webp", True, 1, 2),
        ("apng", True, Fraction(1, 3), 1),
    ],
)
def test_a_moving_picture_shows_every_frame_in_time(
    of_alpha: dict[bool, tuple[list[Part], FrameLook]],
    tmp_path: Path,
    name: str,
    alpha: bool,
    ticks: int | Fraction,
    tolerance: int,
) -> None:
    parts, look = of_alpha[alpha]
    assert [read_part(part.path, FPS) for part in parts] == parts
    output = tmp_path / f"o.{name}"
    ways = {"comment": COMMENT, "folder": tmp_path, "on_frames": (done := []).append}
    joined = join_animation(parts, output, CONTAINERS[name], look, FPS, **ways)
    assert {*done} == {*range(FRAMES)}
    assert done == sorted(done)
    assert (joined.frames, joined.bytes) == (FRAMES, output.stat().st_size)
    shown = list(_shown(output))
    assert [_number(rgba) for rgba, _ in shown] == [*range(FRAMES)]
    ends = np.cumsum([secs for _, secs in shown])
    exact = [float(1000 * (frame + 1) / FPS) for frame in range(FRAMES)]
    assert np.abs(ends - exact)[:-1].max() <= float(ticks) / 2 + 1e-6
    # libwebp has its own idea of the length of the last frame.
    assert abs(ends[-1] - exact[-1]) <= float(ticks) / (1 if name == "webp" else 2) + 1e-6
    for rgba, _ in shown:
        assert _is_like(rgba, look, tolerance, hard_alpha=name == "gif")
    with Image.open(output) as image:
        assert image.info["loop"] == 0
    assert read_comment(output) == COMMENT == _comment_by_others(output)
    assert [each.name for each in tmp_path.iterdir()] == [output.name]


def _comment_by_others(path: Path) -> str:
    """As FFmpeg finds it in a GIF, and Pillow in the others."""
    if path.suffix == ".gif":
        with av.open(str(path)) as container:
            return container.metadata["comment"]
    with Image.open(path) as image:
        if path.suffix == ".webp":
            root = ET.fromstring(image.info["xmp"])
            [text] = root.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li")
            return text.text or ""
        return image.text["Comment"]


@pytest.mark.parametrize("name", ["gif", "webp", "apng"])
def test_one_picture_has_a_comment_where_its_format_has_a_place(
    of_alpha: dict[bool, tuple[list[Part], FrameLook]], tmp_path: Path, name: str
) -> None:
    parts, look = of_alpha[False]
    output = tmp_path / f"o.{name}"
    ways = {"comment": COMMENT, "folder": tmp_path}
    join_animation(parts[1:2], output, CONTAINERS[name], look, FPS, **ways)
    [(rgba, _)] = _shown(output)
    assert _number(rgba) == LENGTHS[0]
    assert read_comment(output) == ("" if name == "webp" else COMMENT)


@pytest.mark.parametrize(("kind", "tolerance"), [("png", 1), ("jpeg", 2)])
def test_a_sequence_has_a_file_for_each_frame(
    of_alpha: dict[bool, tuple[list[Part], FrameLook]], tmp_path: Path, kind: str, tolerance: int
) -> None:
    made = of_alpha[kind == "png"]
    look = made[1]
    place, names = tmp_path / "out", FrameNames.parse(f"%04d.{kind}")
    assert names is not None
    joined = _join_sequence(made, place, kind, names)
    files = sorted(path for path in place.iterdir() if path.name != MARKER)
    assert [path.name for path in files] == [f"{n:04d}.{kind}" for n in range(FRAMES)]
    assert joined.bytes == sum(path.stat().st_size for path in files)
    shown = [rgba for path in files for rgba, _ in _shown(path)]
    assert [_number(rgba) for rgba in shown] == [*range(FRAMES)]
    assert all(_is_like(rgba, look, tolerance, hard_alpha=False) for rgba in shown)
    if kind == "png":
        with Image.open(files[0]) as image:
            assert "srgb" in image.info


def _join_sequence(
    made: tuple[list[Part], FrameLook],
    place: Path,
    kind: str = "png",
    names: FrameNames | None = NAMES,
    check: Callable[[], None] = lambda: None,
    *,
    overwrite: bool = True,
) -> object:
    assert names is not None
    work = place.parent / "work"
    work.mkdir(exist_ok=True)
    parts, look = made
    container = CONTAINERS[kind]
    ways = {"folder": work, "threads": 2, "overwrite": overwrite, "check": check}
    return join_sequence(parts, place, names, container, look, FPS, comment="us", **ways)  # type: ignore[arg-type]


@pytest.fixture
def one(of_alpha: dict[bool, tuple[list[Part], FrameLook]]) -> tuple[list[Part], FrameLook]:
    """One part of two frames."""
    parts, look = of_alpha[False]
    return parts[:1], look


def test_a_sequence_of_ours_is_replaced_whole_and_nothing_else_is(
    one: tuple[list[Part], FrameLook], tmp_path: Path
) -> None:
    place = tmp_path / "out"
    place.mkdir()
    _join_sequence(one, place)
    inode = place.stat().st_ino
    longer = {**json.loads((place / MARKER).read_text()), "frames": 3}
    (place / MARKER).write_text(json.dumps(longer))
    (place / "0002.png").touch()
    with pytest.raises(OutputExistsError):
        _join_sequence(one, place, overwrite=False)
    assert (place.stat().st_ino, len(list(place.iterdir()))) == (inode, 4)
    (tmp_path / "work").rename(tmp_path / "work.old")
    _join_sequence(one, place)
    assert sorted(each.name for each in place.iterdir()) == [
        MARKER,
        "0000.png",
        "0001.png",
    ]
    assert not list((tmp_path / "work").iterdir())
    for foreign in ("0003.png", "notes.txt"):
        (place / foreign).write_text("mine")
        (tmp_path / "work").rename(tmp_path / f"work.{foreign}")
        with pytest.raises(OutputPlaceError, match=f"none of ours: {foreign}"):
            _join_sequence(one, place)
        assert (place / foreign).read_text() == "mine"
        (place / foreign).unlink()


def test_a_sequence_that_is_stopped_does_not_appear(
    one: tuple[list[Part], FrameLook], tmp_path: Path
) -> None:
    calls = 0

    def stop() -> None:
        nonlocal calls
        calls += 1
        if calls > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _join_sequence(one, tmp_path / "out", check=stop)
    assert [each.name for each in tmp_path.iterdir()] == ["work"]


def test_a_part_with_other_frames_is_named(
    one: tuple[list[Part], FrameLook], tmp_path: Path
) -> None:
    parts, look = one
    ways = {"comment": "us", "folder": tmp_path}
    for wrong in (look._replace(width=WIDTH + 2), look._replace(pix_fmt="yuv420p")):
        with pytest.raises(OutputWriteError, match="the part is damaged: its frame"):
            join_animation(parts, tmp_path / "o", CONTAINERS["apng"], wrong, FPS, **ways)
    longer = [replace(parts[0], frames=4)]
    with pytest.raises(OutputWriteError, match="2 of 4 frames"):
        join_animation(longer, tmp_path / "o", CONTAINERS["gif"], look, FPS, **ways)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "look", "said"),
    [
        ("gif", (64, 64, 10, 51), "51 frames a second; players show at most 50"),
        ("webp", (16_384, 2, 10, 25), "a side has at most 16383"),
        ("webp", (1920, 1080, 2072, 25), "2072 frames of 1920x1080; .* has at most 2071"),
    ],
)
def test_what_such_a_file_cannot_hold_is_refused(
    name: str, look: tuple[int, int, int, int], said: str
) -> None:
    *size, fps = look
    with pytest.raises(OutputFormatError, match=said) as caught:
        check_pictures(CONTAINERS[name], *size, Fraction(fps))  # type: ignore[arg-type, call-arg]
    assert "--" in str(caught.value.hint)
    check_pictures(CONTAINERS["apng"], 1920, 1080, 1_000_000, Fraction(50))


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("%06d.png", "000012.png"), ("a%d.png", "a12.png"), ("%02d-x.png", "12-x.png")],
)
def test_the_names_of_frames(pattern: str, name: str) -> None:
    names = FrameNames.parse(pattern)
    assert names is not None
    assert (names.name(12), names.frame(name)) == (name, 12)
    assert names.frame("x" + name) is None


@pytest.mark.parametrize("pattern", ["a.png", "%06x.png", "%d%d.png", "%s.png", "%099d.png", "%3d"])
def test_what_is_no_pattern(pattern: str) -> None:
    assert FrameNames.parse(pattern) is None


def test_every_matrix_that_frames_are_made_with_has_a_way_back() -> None:
    assert set(rgb_frames._MATRICES) == set(yuv_matrix._MATRICES)


def test_what_is_no_marker(tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text("[]")
    assert read_marker(tmp_path) is None
