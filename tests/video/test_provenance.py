"""What a finished video says of itself, and what is no such comment."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest

from musetalk_fast.storage import AtomicFile
from musetalk_fast.types import EngineIdentity
from musetalk_fast.video.animation_comment import add_comment, read_animation_comment
from musetalk_fast.video.provenance import (
    Length,
    comment_of,
    is_comment_of,
    is_ours,
    length_of,
    read_comment,
)

ENGINE = EngineIdentity("preview", "preview-1", is_preview=True)
APNG = b"\x89PNG\r\n\x1a\n" + bytes(32) + b"\0\0\0\0IEND\xaeB`\x82"
WEBP = b"RIFF\x2e\0\0\0WEBPVP8X\x0a\0\0\0\x02" + bytes(33)


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30_000, 1001)])
def test_a_comment_says_engine_length_and_plan(fps: Fraction) -> None:
    comment = comment_of(ENGINE, "ab12", Length(178, fps))
    assert length_of(comment) == (178, fps)
    assert is_comment_of(comment, ENGINE, "ab12")
    assert is_comment_of(comment, None, "ab12")
    assert not is_comment_of(comment, ENGINE, "ab13")
    other = EngineIdentity("preview", "preview-2", is_preview=True)
    assert not is_comment_of(comment, other, "ab12")


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "178 frames at 25 fps",
        "x; musetalk-fast 1; frames at 25 fps; plan a",
        "x; musetalk-fast 1; 9999999999 frames at 25 fps; plan a",
        "x; musetalk-fast 1; 1 frames at 0 fps; plan a",
        "x; musetalk-fast 1; 1 frames at 1/0 fps; plan a",
        "x; musetalk-fast 1; 1 frames at 25.5 fps; plan a",
        "x; 1 frames at 25 fps; plan a",
    ],
)
def test_what_says_no_length(comment: str) -> None:
    assert length_of(comment) is None


def _with_comment(path: Path, content: bytes, comment: str) -> bytes:
    with AtomicFile(path) as file:
        file.write(content)
        add_comment(file, comment)
        file.commit()
    return path.read_bytes()


@pytest.mark.parametrize("content", [APNG, WEBP], ids=["apng", "webp"])
def test_only_a_whole_comment_is_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "o"
    whole = _with_comment(path, content, "us & them")
    assert read_animation_comment(path) == "us & them"
    for cut in range(1, len(whole) - len(content) + 1):
        path.write_bytes(whole[:-cut])
        assert read_animation_comment(path) == ""
    for changed in range(len(content), len(whole)):
        path.write_bytes(whole[:changed] + bytes([whole[changed] ^ 0x80]) + whole[changed + 1 :])
        assert read_animation_comment(path) in ("", "us & them")


@pytest.mark.parametrize("content", [APNG, WEBP], ids=["apng", "webp"])
def test_what_others_wrote_has_no_comment_of_ours(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "o"
    for other in (content, content[:20], b"", b"x" * 5000, b"XMP <x:xmpmeta iTXtComment"):
        path.write_bytes(other)
        assert read_animation_comment(path) == ""
    assert read_animation_comment(tmp_path / "none") == ""


def test_a_webp_that_is_not_extended_stays_as_it_is(tmp_path: Path) -> None:
    plain = b"RIFF\x10\0\0\0WEBPVP8 " + bytes(20)
    assert _with_comment(tmp_path / "o", plain, "us") == plain


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.mp4")
    assert read_comment(tmp_path / "out.mp4") == ""
    assert not is_ours(tmp_path / "out.mp4")
