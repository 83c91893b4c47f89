"""What stands at a path, before its bytes matter; and colours as users write them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from musetalk_fast import errors
from musetalk_fast.media.image import load_still
from musetalk_fast.media.input_file import file_sha256, open_input
from musetalk_fast.media.picture.colours import parse_colour


def test_a_file_is_opened_and_known_by_its_hash(tmp_path: Path) -> None:
    data = os.urandom(3 << 20)
    (tmp_path / "a").write_bytes(data)
    with open_input(tmp_path / "a") as file:
        assert file.read() == data
    assert file_sha256(tmp_path / "a") == hashlib.sha256(data).hexdigest()


def test_a_link_counts_as_its_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "link").symlink_to("a")
    assert file_sha256(tmp_path / "link") == hashlib.sha256(b"x").hexdigest()


def _refused(path: Path, kind: type[errors.InputError], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        open_input(path)
    assert caught.value.where == str(path)
    assert caught.value.hint
    assert caught.value.exit_code == 66


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("none")
    for name in ("none", "none/none", "dangling"):
        _refused(tmp_path / name, errors.InputNotFoundError, "no such file")


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    _refused(tmp_path, errors.InputUnreadableError, "this is a folder")
    # A pipe without a writer would block its reader forever.
    _refused(tmp_path / "pipe", errors.InputUnreadableError, "not a regular file")
    _refused(Path("/dev/null"), errors.InputUnreadableError, "not a regular file")
    _refused(tmp_path / "loop", errors.InputUnreadableError, "symbolic links")
    _refused(tmp_path / "file/x", errors.InputUnreadableError, "Not a directory")
    _refused(tmp_path / ("x" * 300), errors.InputUnreadableError, "too long")
    _refused(Path("a\0b"), errors.InputUnreadableError, "null")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that cannot be read")
def test_a_disk_that_fails() -> None:
    path = Path("/proc/self/mem")
    with pytest.raises(errors.InputUnreadableError, match="Input/output error"):
        load_still(path, background="white", resolution=None)
    with pytest.raises(errors.InputUnreadableError, match="Input/output error"):
        file_sha256(path)


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        ("white", (255, 255, 255)),
        ("Black", (0, 0, 0)),
        (" teal ", (0, 128, 128)),
        ("#102fA0", (16, 47, 160)),
        ("#fff", (255, 255, 255)),
        ("rebeccapurple", (102, 51, 153)),
    ],
)
def test_colours(text: str, colour: tuple[int, int, int]) -> None:
    assert parse_colour(text) == colour


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#12345678",
        "#1234567",
        "rgb(256,0,0)",
        "rgba(0,0,0,0)",
        "#12345g",
        "puce",
        "#１２３４５６",
        "x" * 99,
    ],
)
def test_what_is_no_colour(text: str) -> None:
    with pytest.raises(errors.UsageError) as caught:
        parse_colour(text)
    assert len(caught.value.message) < 80
    assert "#RRGGBB" in (caught.value.hint or "")
