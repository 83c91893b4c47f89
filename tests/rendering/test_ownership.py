"""Nothing of somebody else's is touched: which folders and which of their entries are ours."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from musetalk_fast import AvatarSettings, ServerSettings, Settings, render
from musetalk_fast.errors import InputError, OutputPlaceError, PlanError, ServerError
from musetalk_fast.rendering.jobdir import FACES, PLAN, locked_job_directory
from musetalk_fast.rendering.resume import discard_archives
from musetalk_fast.rendering.steps import join_plan, open_plan, write_plan
from musetalk_fast.storage import LOCK

REPOSITORY = Path(__file__).parents[2]
PORTRAIT = REPOSITORY / "examples/portrait.png"
SPEECH = REPOSITORY / "tests/data/short.wav"
PART = "00000000.mp4"
UNREACHABLE = Settings(
    server=ServerSettings(url="http://127.0.0.1:9"), avatar=AvatarSettings(face_check=False)
)


def _tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


def _of_a_user(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")


def _with_an_empty_lock(folder: Path) -> None:
    _of_a_user(folder)
    (folder / LOCK).touch()


def _with_only_a_lock_of_others(folder: Path) -> None:
    folder.mkdir()
    (folder / LOCK).write_text("process 1")


def _with_a_plan_of_others(folder: Path) -> None:
    _of_a_user(folder)
    (folder / PLAN).write_text('{"format": 1, "name": "a holiday"}')


def _with_our_names_only(folder: Path) -> None:
    folder.mkdir()
    (folder / PART).write_bytes(b"a film")


def _a_link(folder: Path) -> None:
    elsewhere = folder.with_name("elsewhere")
    _of_a_user(elsewhere)
    folder.symlink_to(elsewhere)


def _a_link_to_a_job_directory(folder: Path) -> None:
    with locked_job_directory(folder.with_name("other.mp4")) as jobdir:
        jobdir.part_path(0, ".mp4").write_bytes(b"part")
    folder.symlink_to(jobdir.path)


def _a_file(folder: Path) -> None:
    folder.write_text("mine")


FOREIGN: list[Callable[[Path], None]] = [
    *(_of_a_user, _with_an_empty_lock, _with_only_a_lock_of_others),
    *(_with_a_plan_of_others, _with_our_names_only),
    *(_a_link, _a_link_to_a_job_directory, _a_file),
]


def test_a_part_that_comes_late_stays_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that is thought lost goes on elsewhere, and finishes while the folder is removed."""
    output = tmp_path / "out.mp4"
    folder, late = tmp_path / "out.mp4.parts", [PART]
    rmdir = Path.rmdir

    def after_a_part(path: Path) -> None:
        if path == folder and late:
            (folder / late.pop()).write_bytes(b"a part")
        rmdir(path)

    monkeypatch.setattr(Path, "rmdir", after_a_part)
    with locked_job_directory(output) as jobdir:
        jobdir.done()
    assert not late
    assert not folder.exists()


def test_a_folder_that_is_used_again_at_once_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, folder = tmp_path / "out.mp4", tmp_path / "out.mp4.parts"
    rmdir = Path.rmdir

    def after_another_plan(path: Path) -> None:
        if path == folder:
            monkeypatch.setattr(Path, "rmdir", rmdir)
            write_plan(PORTRAIT, SPEECH, output, UNREACHABLE, on_event=lambda _: None)
        rmdir(path)

    with locked_job_directory(output) as jobdir:
        jobdir.done()
        monkeypatch.setattr(Path, "rmdir", after_another_plan)
    assert (folder / PLAN).exists()
    assert (folder / LOCK).exists()
    open_plan(folder)


@pytest.mark.parametrize("stage", ["plan", "render", "server"])
def test_a_plan_stays_where_a_later_command_for_its_video_fails(stage: str, tmp_path: Path) -> None:
    output, damaged = tmp_path / "out.mp4", tmp_path / "speech.wav"
    damaged.write_text("no recording")
    path, _ = write_plan(PORTRAIT, SPEECH, output, UNREACHABLE, on_event=lambda _: None)
    before = path.read_bytes()
    again: dict[str, Callable[..., object]] = {
        "plan": partial(write_plan, PORTRAIT, damaged, on_event=lambda _: None),
        "render": partial(render, PORTRAIT, damaged),
        "server": partial(render, PORTRAIT, SPEECH),
    }
    with pytest.raises(ServerError if stage == "server" else InputError):
        again[stage](output, UNREACHABLE)
    assert path.read_bytes() == before
    open_plan(path)


@pytest.mark.parametrize("make", FOREIGN)
def test_a_folder_that_no_render_made_is_refused_and_left_alone(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / "out.mp4.parts")
    before = _tree(tmp_path)
    with (
        pytest.raises(OutputPlaceError) as caught,
        locked_job_directory(tmp_path / "out.mp4") as jobdir,
    ):
        jobdir.done()
    assert (caught.value.exit_code, caught.value.where) == (73, str(tmp_path / "out.mp4.parts"))
    assert "move it away" in (caught.value.hint or "")
    assert _tree(tmp_path) == before


@pytest.mark.parametrize("stage", ["render", "no recording", "plan", "join"])
def test_every_stage_refuses_it_before_anything_else(stage: str, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    folder = tmp_path / "out.mp4.parts"

    def plan() -> None:
        write_plan(PORTRAIT, SPEECH, output, UNREACHABLE, on_event=lambda _: None)

    stages: dict[str, Callable[[], object]] = {
        "render": lambda: render(PORTRAIT, SPEECH, output, UNREACHABLE),
        "no recording": lambda: render(PORTRAIT, tmp_path / "no.wav", output, UNREACHABLE),
        "plan": plan,
        "join": lambda: join_plan(folder),
    }
    if stage == "join":
        plan()
        shutil.move(folder, tmp_path / "real")
        folder.symlink_to(tmp_path / "real")
        (tmp_path / "real" / "notes.txt").write_text("mine")
    else:
        _of_a_user(folder)
    before = _tree(tmp_path)
    with pytest.raises(OutputPlaceError):
        stages[stage]()
    assert _tree(tmp_path) == before


def test_what_is_not_ours_stays_and_so_does_our_folder(tmp_path: Path) -> None:
    for _ in range(2):  # the folder goes on being ours
        with locked_job_directory(tmp_path / "out.mp4") as jobdir:
            (jobdir.path / "notes.txt").write_text("mine")
            (jobdir.path / "notes.tmp").write_text("mine")
            (jobdir.path / "12345678.txt").write_text("mine")
            jobdir.write(PLAN, b"{}")
            (jobdir.path / PART).write_bytes(b"part")
            (jobdir.path / f"{PART}.0badcafe.tmp").write_bytes(b"half")
            jobdir.done()
        assert sorted(_tree(jobdir.path)) == ["12345678.txt", LOCK, "notes.tmp", "notes.txt"]
        assert jobdir.foreign() == ["12345678.txt", "notes.tmp", "notes.txt"]


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.with_name("target").write_text("mine")
    path.symlink_to("target")


FILES = (LOCK, PLAN, FACES, PART, f"{PART}.0badcafe.tmp")
REPLACED = [
    *((name, make) for name in FILES for make in (_pipe, _link, Path.mkdir)),
    *(("work", make) for make in (_pipe, _link, Path.touch)),
]


@pytest.mark.parametrize(("name", "make"), REPLACED)
def test_what_stands_in_place_of_a_file_of_ours_is_refused_at_once(
    name: str, make: Callable[[Path], None], tmp_path: Path
) -> None:
    with locked_job_directory(tmp_path / "out.mp4") as jobdir:
        jobdir.keep()
    (jobdir.path / name).unlink(missing_ok=True)
    make(jobdir.path / name)
    before = _tree(tmp_path)
    with pytest.raises(OutputPlaceError) as caught, locked_job_directory(tmp_path / "out.mp4"):
        pass
    with pytest.raises(OutputPlaceError) as again:
        open_plan(jobdir.path)
    assert {caught.value.where, again.value.where} == {str(jobdir.path / name)}
    assert _tree(tmp_path) == before


def test_only_archives_are_discarded_and_only_what_is_ours_in_them(tmp_path: Path) -> None:
    with locked_job_directory(tmp_path / "out.mp4") as jobdir:
        for name in ("0badcafe", "0badcafe.2", "damaged", "mixed", "holidays"):
            folder = tmp_path / f"out.mp4.parts.{name}"
            folder.mkdir()
            (folder / PART).write_bytes(b"part")
        (tmp_path / "out.mp4.parts.damaged" / "notes.txt").write_text("mine")
        (tmp_path / "out.mp4.parts.12345678").symlink_to("out.mp4.parts.holidays")
        discard_archives(jobdir)
    assert sorted(_tree(tmp_path)) == [
        "out.mp4.parts.12345678",
        "out.mp4.parts.damaged",
        "out.mp4.parts.damaged/notes.txt",
        *("out.mp4.parts.holidays", f"out.mp4.parts.holidays/{PART}"),
        *("out.mp4.parts.mixed", f"out.mp4.parts.mixed/{PART}"),
    ]


@pytest.mark.parametrize("name", [".parts", ".parts/plan.json", "..parts", "...parts/plan.json"])
def test_a_folder_that_names_no_output_holds_no_plan(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    for command in (open_plan, join_plan):
        with pytest.raises(PlanError) as caught:
            command(tmp_path / name)
        assert caught.value.where == str(tmp_path / name)


def test_what_is_named_as_an_archive_and_is_none_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.mp4"
    (tmp_path / "out.mp4.parts.0123abcd").write_text("a file")
    closed = tmp_path / "out.mp4.parts.89abcdef"
    closed.mkdir()
    iterdir = Path.iterdir

    def refused(path: Path) -> Iterator[Path]:
        if path == closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", refused)  # another user's, but for root
    plan_file, plan = write_plan(PORTRAIT, SPEECH, output, UNREACHABLE, on_event=lambda _: None)
    assert plan_file.exists()
    with locked_job_directory(output) as jobdir:
        discard_archives(jobdir, plan)
        discard_archives(jobdir)
    assert (tmp_path / "out.mp4.parts.0123abcd").read_text() == "a file"
    assert closed.is_dir()
