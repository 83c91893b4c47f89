"""The picture that shows which faces there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from musetalk_fast.errors import OutputFormatError, OutputPlaceError
from musetalk_fast.media.face.face_preview import check_preview_path, write_face_preview
from musetalk_fast.types import AvatarOptions, Picture

CHOSEN, OTHER = (40, 220, 60), (255, 190, 30)


def _rgb_of(path: Path) -> Picture:
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def _share(picture: Picture, colour: tuple[int, int, int], columns: slice) -> float:
    return float((picture[:, columns] == colour).all(axis=-1).mean())


@pytest.mark.parametrize(
    ("face", "left", "right"),
    [("largest", OTHER, CHOSEN), ("0", CHOSEN, OTHER), ("7", OTHER, OTHER)],
)
def test_each_face_has_its_frame(
    face: str, left: tuple[int, ...], right: tuple[int, ...], couple: Picture, tmp_path: Path
) -> None:
    before = couple.copy()
    write_face_preview(tmp_path / "faces.png", couple, AvatarOptions(face=face))
    shown = _rgb_of(tmp_path / "faces.png")
    assert shown.shape == couple.shape
    for colour in (CHOSEN, OTHER):
        for columns, expected in ((slice(0, 512), left), (slice(512, 1024), right)):
            assert (_share(shown, colour, columns) > 0.001) == (colour == expected)
    assert list(tmp_path.iterdir()) == [tmp_path / "faces.png"]
    np.testing.assert_array_equal(couple, before)


def test_a_picture_without_faces_is_shown_as_it_is(tmp_path: Path) -> None:
    blank = np.full((80, 96, 3), 120, np.uint8)
    write_face_preview(tmp_path / "faces.jpg", blank, AvatarOptions())
    assert (tmp_path / "faces.jpg").read_bytes().startswith(b"\xff\xd8")
    assert np.abs(_rgb_of(tmp_path / "faces.jpg").astype(int) - 120).max() <= 2


def test_places_where_it_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "folder.png").mkdir()
    check_preview_path(tmp_path / "b.PNG", [tmp_path / "a.png"])
    with pytest.raises(OutputFormatError, match=r"'.gif'"):
        check_preview_path(tmp_path / "b.gif", [])
    for path, words in (
        ("a.png", "one of the inputs"),
        ("folder.png", "not a regular file"),
        ("none/b.png", "no such folder"),
    ):
        with pytest.raises(OutputPlaceError, match=words):
            check_preview_path(tmp_path / path, [tmp_path / "a.png"])
