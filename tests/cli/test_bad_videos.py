"""What can be wrong with a video, as a user meets it: the program, its exit code, its words."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import av
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/media/video"))

from numbered_clips import X264, patch, set_matrix, write_clip  # noqa: E402

Run = Callable[..., "subprocess.CompletedProcess[str]"]

NOWHERE = ("-s", "http://127.0.0.1:9")
"""No server listens there: what fails before the connection never notices."""
AVI_RATE = 4 + 4 + 20
"""Bytes from the head of an AVI's stream to its scale and rate."""


def _without_frames(path: Path) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        file.start_encoding()


def _without_index(path: Path) -> None:
    write_clip(path, frames=3, options=X264)
    data = path.read_bytes()
    path.write_bytes(data[: data.find(b"moov") - 4])


def _without_rate(path: Path) -> None:
    write_clip(path, "mjpeg", frames=3, options={}, pix_fmt="yuvj420p")
    patch(path, b"strh", AVI_RATE, struct.pack("<II", 0, 0))


def _turned(path: Path) -> None:
    write_clip(path, frames=3, options=X264)
    set_matrix(path, 1, 1, -1, 1)


BAD: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "without frames": ("a.avi", _without_frames, "the video has no frames"),
    "without its index": ("a.mov", _without_index, "an MP4 or MOV that was cut"),
    "too fast": (
        "a.mp4",
        lambda path: write_clip(path, frames=9, options={**X264, "bf": "0"}, rate=90_000),
        "90000 frames a second are outside",
    ),
}
STRANGE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "without a rate": (
        "a.avi",
        _without_rate,
        "warning: the file's rate of 0/0 frames a second is none: 25 are taken",
    ),
    "turned by an eighth": (
        "a.mp4",
        _turned,
        "warning: the video asks for a rotation that is no quarter turn: it is not turned",
    ),
}


def _render(run: Run, folder: Path, image: str, *options: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "tests/data/short.wav", folder / "a.wav")
    return run("render", "-i", image, "-a", "a.wav", "-o", "out.mp4", *NOWHERE, *options)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_video(run: Run, tmp_path: Path, name: str) -> None:
    file, write, message = BAD[name]
    write(tmp_path / file)
    done = _render(run, tmp_path, file)
    assert done.returncode == 65, done.stderr
    what, place, hint = done.stderr.splitlines()[-3:]
    assert what.startswith("error: ")
    assert message in what
    assert what.endswith("(MTF-VIDEO-FORMAT)")
    assert place == f"  where: {file}"
    assert hint.startswith("  hint: ")
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_video_works_with_a_warning(run: Run, tmp_path: Path, name: str) -> None:
    file, write, warning = STRANGE[name]
    write(tmp_path / file)
    done = _render(run, tmp_path, file, "--no-face-check", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert f"{warning} (MTF-WARNING)" in done.stderr.splitlines()
