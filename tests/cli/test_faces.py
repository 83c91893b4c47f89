"""Which faces there are, and which one speaks, as a user sees it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from musetalk_fast.cli.display_selection import open_display
from musetalk_fast.cli.formatting import faces_line, mouth_line
from musetalk_fast.cli.verbosity import Verbosity
from musetalk_fast.events import FacePlace, FacesEvent, MouthFigures

REPOSITORY = Path(__file__).parents[2]
ONE = FacePlace(x=180, y=110, width=92, height=109)
TWO = FacePlace(x=683, y=131, width=184, height=203)
BOTH = FacesEvent(faces=(ONE, TWO), chosen=1, reason="largest")
LINE = "faces: 2; takes 1 at 683,131 (184x203), the largest; 0 at 180,110 (92x109)"


@pytest.fixture
def group(tmp_path: Path) -> Path:
    """A small face on the left, a large one on the right."""
    picture = Image.new("RGB", (1024, 600), (90, 90, 90))
    picture.paste(Image.open(REPOSITORY / "examples/portrait.png"), (0, 40))
    picture.paste(Image.open(REPOSITORY / "tests/data/grace_hopper.jpg"), (512, 0))
    picture.save(tmp_path / "group.png")
    shutil.copy(REPOSITORY / "tests/data/short.wav", tmp_path / "a.wav")
    return tmp_path


FILES = ("-i", "group.png", "-a", "a.wav", "-o", "out.mp4")


def test_a_line_for_several_faces(capsys: pytest.CaptureFixture[str]) -> None:
    single = FacesEvent(faces=(TWO,), chosen=0, reason="largest")
    assert faces_line(BOTH) == LINE
    assert faces_line(single) == "faces: 1, at 683,131 (184x203)"
    many = FacesEvent(faces=(ONE,) * 12, chosen=11, reason="right")
    assert faces_line(many).endswith("7 at 180,110 (92x109) and 3 more")
    display, verbose = open_display(Verbosity()), Verbosity()
    verbose.verbose = True
    for event in (single, BOTH):
        display(event)
    open_display(verbose)(single)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [LINE, "faces: 1, at 683,131 (184x203)"]


def test_a_line_for_the_mouth() -> None:
    speaks = MouthFigures(moved=2.94, follows=0.42, speech_secs=6.1)
    assert mouth_line(speaks) == (
        "mouth: moves by 2.9 levels of 255 in 80 ms of speech, correlation with its loudness 0.42"
    )
    held = MouthFigures(moved=2.94, follows=None, speech_secs=6.1)
    assert mouth_line(held) == "mouth: moves by 2.9 levels of 255 in 80 ms of speech"
    silent = MouthFigures(moved=None, follows=None, speech_secs=0.0)
    assert mouth_line(silent) == "mouth: no speech to move to"


def test_a_dry_run_lists_and_shows_the_faces(run, group: Path) -> None:
    done = run("render", *FILES, "-n", "--face-preview", "faces.jpg")
    assert done.returncode == 0, done.stderr
    assert "takes 1 at " in done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("faces  "))
    assert "2; takes 1 at " in row
    with Image.open(group / "faces.jpg") as shown:
        assert (shown.format, shown.size) == ("JPEG", (1024, 600))
    assert not (group / "out.mp4").exists()


def test_a_choice_that_fails_still_shows_the_faces(run, group: Path) -> None:
    done = run("render", *FILES, "--face-center", "500,300", "--face-preview", "f.png", "--json")
    assert done.returncode == 65
    error = json.loads(done.stdout.splitlines()[-1])
    assert error["token"] == "MTF-NO-FACE"
    assert "0 at 1" in error["hint"]
    assert "1 at 6" in error["hint"]
    assert (group / "f.png").read_bytes().startswith(b"\x89PNG")


def test_a_batch_lists_the_faces_of_each_job(run, group: Path) -> None:
    clips = group / "clips"
    clips.mkdir()
    shutil.copy(group / "group.png", clips / "a.png")
    shutil.copy(group / "a.wav", clips / "a.wav")
    done = run("batch", "clips", "-n", "-o", "out", "--json", "--face", "left")
    assert done.returncode == 0, done.stderr
    faces, summary = (json.loads(line) for line in done.stdout.splitlines())
    assert (faces["event"], faces["job"], faces["chosen"], faces["reason"]) == (
        *("faces", "a", 0, "left"),
    )
    assert [each["x"] < 512 for each in faces["faces"]] == [True, False]
    assert summary["jobs"][0]["faces"] == 2


def test_a_preview_does_not_replace_an_input(run, group: Path) -> None:
    before = (group / "group.png").read_bytes()
    done = run("render", *FILES, "-n", "--face-preview", "group.png")
    assert done.returncode == 73
    assert "one of the inputs" in done.stderr
    assert (group / "group.png").read_bytes() == before
