"""What belongs together in folders, patterns and files."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from musetalk_fast import errors
from musetalk_fast.batching import Job, JobListDefaults, Jobs, collect_jobs
from musetalk_fast.config import OutputSettings, Settings


def _folder(path: Path, *names: str) -> Path:
    path.mkdir(exist_ok=True)
    for name in names:
        (path / name).touch()
    return path


def _out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def _pair(
    inputs: Path | list[str], outputs: Path, avatar: Path | None = None, *, recursive: bool = False
) -> Jobs:
    defaults = JobListDefaults(Settings(), outputs, avatar)
    named = inputs if isinstance(inputs, list) else [str(inputs)]
    return collect_jobs(named, defaults, recursive=recursive)


def _job(name: str, avatar: Path, audio: Path, output: Path) -> Job:
    return Job(name, avatar, audio, output, Settings())


def test_pairs_by_base_name_sorted(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "bob.JPG", "bob.mp3", "anna.take1.png", "anna.take1.wav")
    pairing = _pair(folder, _out(tmp_path))
    assert pairing.jobs == (
        _job("anna.take1", folder / "anna.take1.png", folder / "anna.take1.wav",
            tmp_path / "out/anna.take1.mp4"),
        _job("bob", folder / "bob.JPG", folder / "bob.mp3", tmp_path / "out/bob.mp4"),
    )  # fmt: skip
    assert pairing.left_over == ()


def test_what_does_not_pair_is_listed_with_the_reason(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "a.png", "a.wav", "b.png", "c.ogg", "notes.txt", ".d.wav")
    (folder / "e.wav").mkdir()
    webm = Settings(output=OutputSettings(format="webm"))
    pairing = collect_jobs([str(folder)], JobListDefaults(webm, _out(tmp_path)))
    assert [job.output.name for job in pairing.jobs] == ["a.webm"]
    assert pairing.left_over == (
        "b.png: no recording is named b",
        "c.ogg: no picture or video is named c",
        "notes.txt: neither a picture nor a recording",
    )


def test_one_avatar_for_all_recordings(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "me.png", "other.png", "a.wav", "b.flac")
    avatar = folder / "me.png"
    pairing = _pair(folder, _out(tmp_path), avatar)
    assert [(job.name, job.avatar) for job in pairing.jobs] == [("a", avatar), ("b", avatar)]
    assert pairing.left_over == ("other.png: not used: one avatar was given for all",)


@pytest.mark.parametrize(
    ("names", "left_over"),
    [
        (
            ("a.png", "a.jpg", "a.wav"),
            [f"{name}: more than one avatar is named a: a.jpg, a.png"
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
    pairing = _pair(folder, _out(tmp_path))
    assert [job.name for job in pairing.jobs] == ["b"]
    assert list(pairing.left_over) == left_over


def test_two_recordings_of_a_name_beside_one_avatar(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "a.mp3", "a.wav", "b.ogg")
    pairing = _pair(folder, _out(tmp_path), tmp_path / "x.png")
    assert [job.name for job in pairing.jobs] == ["b"]
    assert pairing.left_over[0] == "a.mp3: more than one recording is named a: a.mp3, a.wav"


def test_a_video_is_a_recording_if_a_picture_has_its_name(tmp_path: Path) -> None:
    names = ("a.png", "a.mov", "b.png", "b.wav", "b.mp4", "c.mkv", "d.png", "d.webm", "d.AVI")
    folder = _folder(tmp_path / "in", *names)
    pairing = _pair(folder, _out(tmp_path))
    assert [job.audio.name for job in pairing.jobs] == ["a.mov", "b.wav"]
    assert pairing.left_over == (
        "b.mp4: not used: the recording is b.wav",
        "c.mkv: no recording is named c",
        "d.AVI: more than one recording is named d: d.AVI, d.webm",
        "d.png: more than one recording is named d: d.AVI, d.webm",
        "d.webm: more than one recording is named d: d.AVI, d.webm",
    )


def test_a_video_does_not_take_the_place_of_its_recording(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "a.png", "a.mp4", "b.png", "b.wav")
    pairing = _pair(folder, folder)
    assert [job.name for job in pairing.jobs] == ["b"]
    why = "the video would take the place of a.mp4: choose another folder for the videos"
    assert pairing.left_over == (f"a.mp4: {why}", f"a.png: {why}")


def test_a_video_beside_one_avatar_is_left_over(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "a.wav", "b.mp4")
    pairing = _pair(folder, _out(tmp_path), tmp_path / "x.png")
    assert pairing.left_over == ("b.mp4: not used: a video needs a picture of its name",)


def test_two_pictures_do_not_matter_beside_one_avatar(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "a.png", "a.jpg", "a.wav")
    assert len(_pair(folder, _out(tmp_path), tmp_path / "x.png").jobs) == 1


def test_nothing_pairs_up(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "a.png", "b.wav")
    with pytest.raises(errors.InputNotFoundError, match=r"a\.png: no recording") as caught:
        _pair(folder, _out(tmp_path))
    assert "--avatar" in (caught.value.hint or "")
    with pytest.raises(errors.InputNotFoundError, match="no files"):
        _pair(_folder(tmp_path / "empty"), _out(tmp_path))


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(errors.InputNotFoundError, match="no such file or folder"):
        _pair(tmp_path / "none", _out(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(errors.InputNotFoundError, match="neither a picture nor a recording"):
        _pair(tmp_path / "file", _out(tmp_path))


def test_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("os.scandir", closed)
    with pytest.raises(errors.InputUnreadableError, match="cannot be listed: Permission denied"):
        _pair(_folder(tmp_path / "in"), _out(tmp_path))


def test_a_video_is_an_avatar_if_a_recording_has_its_name(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "a.mov", "a.wav", "b.png", "b.mov")
    pairing = _pair(folder, _out(tmp_path))
    assert [(job.avatar.name, job.audio.name) for job in pairing.jobs] == [
        ("a.mov", "a.wav"),
        ("b.png", "b.mov"),
    ]
    assert pairing.left_over == ()


def test_folders_of_a_folder_are_looked_into_on_request(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "a.png", "a.wav")
    _folder(folder / "day1", "a.png", "a.wav", "c.wav")
    _folder(folder / ".hidden", "b.png", "b.wav")
    _folder(folder / "out", "a.png", "a.wav")
    (folder / "linked").symlink_to(folder / "day1")
    assert [job.name for job in _pair(folder, folder / "out").jobs] == ["a"]
    found = _pair(folder, folder / "out", recursive=True)
    assert [job.name for job in found.jobs] == ["a", "day1/a"]
    assert found.jobs[1].output == folder / "out/day1/a.mp4"
    assert found.left_over == ("day1/c.wav: no picture or video is named c",)


def test_patterns_and_files_of_several_folders_pair_up(tmp_path: Path) -> None:
    faces = _folder(tmp_path / "faces", "a.png", "b.png", "z.txt")
    voices = _folder(tmp_path / "voices", "a.wav", "b.wav", "[c].wav")
    expected = [("a", faces / "a.png", voices / "a.wav"), ("b", faces / "b.png", voices / "b.wav")]
    patterns = [str(tmp_path / "faces/*.png"), str(tmp_path / "voices/?.wav")]
    files = [
        str(faces / "a.png"),
        str(faces / "b.png"),
        str(voices / "b.wav"),
        str(voices / "a.wav"),
    ]
    for inputs in (patterns, files):
        found = _pair(inputs, _out(tmp_path))
        assert [(job.name, job.avatar, job.audio) for job in found.jobs] == expected
    deep = _pair([str(tmp_path / "**/*.wav")], _out(tmp_path), faces / "a.png")
    assert [job.name for job in deep.jobs] == ["voices/[c]", "voices/a", "voices/b"]
    named = _pair([str(voices / "[c].wav")], _out(tmp_path), faces / "a.png")
    assert [job.audio.name for job in named.jobs] == ["[c].wav"]
    with pytest.raises(errors.InputNotFoundError, match="no file matches"):
        _pair([str(tmp_path / "*.wav")], _out(tmp_path))


def test_a_finished_video_beside_its_inputs_is_not_left_over(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "in", "a.png", "a.wav", "a.mp4")
    assert _pair(folder, folder).left_over == ()
    pairing = _pair(_folder(tmp_path / "in2", "a.mov", "a.wav", "a.mp4"), tmp_path / "in2")
    assert [job.avatar.name for job in pairing.jobs] == ["a.mov"]
    assert pairing.left_over == ()


def test_a_folder_needs_a_place_for_its_videos(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match="-o FOLDER"):
        collect_jobs([str(tmp_path)], JobListDefaults(Settings()))


@pytest.mark.parametrize("name", ["a" * 300, "*" + "a" * 300])
def test_a_name_that_is_too_long_is_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(errors.InputError) as caught:
        _pair([str(tmp_path / name)], _out(tmp_path))
    assert caught.value.exit_code == 66
    assert name in (caught.value.where or "")


def test_a_folder_whose_files_cannot_be_looked_at_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _folder(tmp_path / "in", "a.png")

    def refused(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refused)  # as with mode 0600, but for root
    with pytest.raises(errors.InputUnreadableError) as caught:
        _pair(folder, _out(tmp_path))
    assert caught.value.where == str(folder / "a.png")
