"""What belongs together in a folder, and that one bad job does not cost the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from musetalk_fast import errors
from musetalk_fast.batching import Job, make_folder, pair, plan_all
from musetalk_fast.config import Settings

REPOSITORY = Path(__file__).parents[1]


def _folder(path: Path, *names: str) -> Path:
    path.mkdir(exist_ok=True)
    for name in names:
        (path / name).touch()
    return path


def _out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_pairs_by_base_name_sorted(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "bob.JPG", "bob.mp3", "anna.take1.png", "anna.take1.wav")
    pairing = pair(folder, _out(tmp_path), ".mp4")
    assert pairing.jobs == (
        Job("anna.take1", folder / "anna.take1.png", folder / "anna.take1.wav",
            tmp_path / "out/anna.take1.mp4"),
        Job("bob", folder / "bob.JPG", folder / "bob.mp3", tmp_path / "out/bob.mp4"),
    )  # fmt: skip
    assert pairing.left_over == ()


def test_what_does_not_pair_is_listed_with_the_reason(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "a.png", "a.wav", "b.png", "c.ogg", "notes.txt", ".d.wav")
    (folder / "e.wav").mkdir()
    pairing = pair(folder, _out(tmp_path), ".webm")
    assert [job.output.name for job in pairing.jobs] == ["a.webm"]
    assert pairing.left_over == (
        "b.png: no recording is named b",
        "c.ogg: no picture is named c",
        "notes.txt: neither a picture nor a recording",
    )


def test_one_avatar_for_all_recordings(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "me.png", "other.png", "a.wav", "b.flac")
    avatar = folder / "me.png"
    pairing = pair(folder, _out(tmp_path), ".mp4", avatar)
    assert [(job.name, job.avatar) for job in pairing.jobs] == [("a", avatar), ("b", avatar)]
    assert pairing.left_over == ("other.png: not used: one avatar was given for all",)


@pytest.mark.parametrize(
    ("names", "left_over"),
    [
        (
            ("a.png", "a.jpg", "a.wav"),
            [f"{name}: more than one picture is named a: a.jpg, a.png"
             for name in ("a.jpg", "a.png", "a.wav")],
        ),
        (
            ("a.png", "a.mp3", "a.wav"),
            [f"{name}: more than one recording is named a: a.mp3, a.wav"
             for name in ("a.mp3", "a.png", "a.wav")],
        ),
    ],
)  # fmt: skip
def test_ambiguous_names_are_left_over(
    tmp_path: Path, names: tuple[str, ...], left_over: list[str]
) -> None:
    folder = _folder(tmp_path / "in", *names, "b.png", "b.ogg")
    pairing = pair(folder, _out(tmp_path), ".mp4")
    assert [job.name for job in pairing.jobs] == ["b"]
    assert list(pairing.left_over) == left_over


def test_two_recordings_of_a_name_beside_one_avatar(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "a.mp3", "a.wav", "b.ogg")
    pairing = pair(folder, _out(tmp_path), ".mp4", tmp_path / "x.png")
    assert [job.name for job in pairing.jobs] == ["b"]
    assert pairing.left_over[0] == "a.mp3: more than one recording is named a: a.mp3, a.wav"


def test_a_video_is_a_recording_if_a_picture_has_its_name(tmp_path: Path) -> None:
    names = ("a.png", "a.mov", "b.png", "b.wav", "b.mp4", "c.mkv", "d.png", "d.webm", "d.AVI")
    folder = _folder(tmp_path / "in", *names)
    pairing = pair(folder, _out(tmp_path), ".mp4")
    assert [job.audio.name for job in pairing.jobs] == ["a.mov", "b.wav"]
    assert pairing.left_over == (
        "b.mp4: not used: the recording is b.wav",
        "c.mkv: no picture is named c",
        "d.AVI: more than one recording is named d: d.AVI, d.webm",
        "d.png: more than one recording is named d: d.AVI, d.webm",
        "d.webm: more than one recording is named d: d.AVI, d.webm",
    )


def test_a_video_does_not_take_the_place_of_its_recording(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "a.png", "a.mp4", "b.png", "b.wav")
    pairing = pair(folder, folder, ".mp4")
    assert [job.name for job in pairing.jobs] == ["b"]
    why = "the video would take the place of a.mp4: choose another folder for the videos"
    assert pairing.left_over == (f"a.mp4: {why}", f"a.png: {why}")


def test_a_video_beside_one_avatar_is_left_over(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "a.wav", "b.mp4")
    pairing = pair(folder, _out(tmp_path), ".mp4", tmp_path / "x.png")
    assert pairing.left_over == ("b.mp4: not used: a video needs a picture of its name",)


def test_two_pictures_do_not_matter_beside_one_avatar(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "a.png", "a.jpg", "a.wav")
    assert len(pair(folder, _out(tmp_path), ".mp4", tmp_path / "x.png").jobs) == 1


def test_nothing_pairs_up(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "a.png", "b.wav")
    with pytest.raises(errors.InputNotFoundError, match=r"a\.png: no recording") as caught:
        pair(folder, _out(tmp_path), ".mp4")
    assert "--avatar" in (caught.value.hint or "")
    with pytest.raises(errors.InputNotFoundError, match="the folder is empty"):
        pair(_folder(tmp_path / "empty"), _out(tmp_path), ".mp4")


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(errors.InputNotFoundError, match="no such folder"):
        pair(tmp_path / "none", _out(tmp_path), ".mp4")
    (tmp_path / "file").touch()
    with pytest.raises(errors.InputUnreadableError, match="cannot be listed"):
        pair(tmp_path / "file", _out(tmp_path), ".mp4")


def test_the_output_folder_is_made(tmp_path: Path) -> None:
    make_folder(tmp_path / "a/b")
    make_folder(tmp_path / "a/b")
    assert (tmp_path / "a/b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(errors.OutputWriteError) as caught:
        make_folder(tmp_path / "file/x")
    assert caught.value.exit_code == 74


def test_a_plan_for_each_job_or_its_error(tmp_path: Path) -> None:
    portrait, speech = REPOSITORY / "examples/portrait.png", REPOSITORY / "tests/data/short.wav"
    jobs = [
        Job("good", portrait, speech, tmp_path / "good.mp4"),
        Job("bad", speech, speech, tmp_path / "bad.mp4"),
        Job("gone", portrait, tmp_path / "none.wav", tmp_path / "gone.mp4"),
    ]
    good, bad, gone = plan_all(jobs, Settings(), lambda _job, _event: None)
    assert good.result is not None
    assert good.result.frames == 75
    assert isinstance(bad.error, errors.VideoFormatError)
    assert isinstance(gone.error, errors.InputNotFoundError)
    assert list(tmp_path.iterdir()) == []
