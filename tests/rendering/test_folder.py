"""The parts folder: one render at a time, nothing half-written, nothing of another plan."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from musetalk_fast import OutputSettings, ProcessingSettings, Settings, errors
from musetalk_fast.config import AvatarSettings
from musetalk_fast.events import Event, WarningEvent
from musetalk_fast.planning import Plan, make_plan
from musetalk_fast.rendering.jobdir import FACES, PLAN, JobDirectory, locked_job_directory
from musetalk_fast.rendering.resume import adopt

REPOSITORY = Path(__file__).parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from musetalk_fast.rendering.jobdir import locked_job_directory
with locked_job_directory(Path(sys.argv[1])) as folder:
    folder.keep()
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    settings = Settings(
        avatar=AvatarSettings(face_check=False),
        output=OutputSettings(preset="ultrafast"),
        processing=ProcessingSettings(segment_secs=1.0),
    )
    inputs = REPOSITORY / "examples/portrait.png", REPOSITORY / "tests/data/short.wav"
    return make_plan(*inputs, tmp_path_factory.mktemp("plan") / "out.mp4", settings)


def _adopt(plan: Plan, folder: JobDirectory) -> tuple[Plan, list[str]]:
    told: list[Event] = []
    adopted = adopt(plan, folder, told.append)
    return adopted, [event.message for event in told if isinstance(event, WarningEvent)]


def test_it_goes_where_no_part_was_made(tmp_path: Path) -> None:
    with locked_job_directory(tmp_path / "out.mp4") as folder:
        assert folder.scratch.is_dir()
        folder.write(PLAN, b"{}")
    assert list(tmp_path.iterdir()) == []


def test_it_stays_where_a_part_was_made(tmp_path: Path) -> None:
    with locked_job_directory(tmp_path / "out.mp4") as folder:
        folder.part_path(0, ".mp4").write_bytes(b"part")
    assert folder.part_path(0, ".mp4").exists()
    assert not folder.scratch.exists()


def test_it_goes_with_its_parts_once_they_are_joined(tmp_path: Path) -> None:
    with locked_job_directory(tmp_path / "out.mp4") as folder:
        folder.keep()
        folder.write(PLAN, b"{}")
        folder.part_path(0, ".mp4").write_bytes(b"part")
        folder.done()
        with pytest.raises(errors.OutputBusyError), locked_job_directory(tmp_path / "out.mp4"):
            pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_done", [False, True])
def test_the_next_render_keeps_its_folder(is_done: bool, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    with ExitStack() as ours:
        folder = ours.enter_context(locked_job_directory(output))
        if is_done:
            folder.done()
        shutil.rmtree(folder.path)  # by hand
        with locked_job_directory(output) as theirs:
            theirs.write(PLAN, b"theirs")
            ours.close()
            assert (theirs.read(PLAN), theirs.job.is_dir()) == (b"theirs", True)
            with pytest.raises(errors.OutputBusyError), locked_job_directory(output):
                pass
    assert list(tmp_path.iterdir()) == []


def test_renders_that_end_and_begin_at_a_time_do_no_harm(tmp_path: Path) -> None:
    def job(number: int) -> int:
        held = 0
        while held < 20:
            with (
                suppress(errors.OutputBusyError),
                locked_job_directory(tmp_path / "out.mp4") as folder,
            ):
                held += 1
                part = folder.part_path(number, ".mp4")
                part.write_bytes(b"part")
                assert list(folder.path.glob("0*")) == [part]
                assert folder.scratch.is_dir()
                folder.done()
        return held

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(job, range(4))) == [20] * 4
    assert list(tmp_path.iterdir()) == []


class _PowerCut(BaseException):
    pass


@pytest.mark.parametrize("after", range(5))
def test_a_removal_cut_short_leaves_a_render_to_continue(
    after: int, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.mp4"
    removed: list[Path] = []
    unlink = Path.unlink

    def cut(path: Path, missing_ok: bool = False) -> None:
        if len(removed) == after:
            raise _PowerCut
        removed.append(path)
        unlink(path, missing_ok=missing_ok)

    ours = ExitStack()
    folder = ours.enter_context(locked_job_directory(output))
    _adopt(plan, folder)
    folder.write(FACES, b"faces")
    for number in range(2):
        folder.part_path(number, ".mp4").write_bytes(b"part")
    folder.done()
    monkeypatch.setattr(Path, "unlink", cut)
    with pytest.raises(_PowerCut):
        ours.close()
    monkeypatch.undo()
    with locked_job_directory(output) as folder:
        assert _adopt(plan, folder) == (plan, [])
        folder.done()
    assert list(tmp_path.iterdir()) == []


def test_a_second_render_is_refused_at_once(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    with (
        locked_job_directory(output),
        pytest.raises(errors.OutputBusyError) as caught,
        locked_job_directory(output),
    ):
        pass
    assert caught.value.exit_code == 75
    assert str(output) in str(caught.value)


def test_the_lock_dies_with_its_owner(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    command = [sys.executable, "-c", HOLDER, str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(errors.OutputBusyError), locked_job_directory(output):
            pass
        holder.kill()
        holder.wait()
        with locked_job_directory(output):
            pass


def test_an_output_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(errors.OutputWriteError), locked_job_directory(tmp_path / "no/out.mp4"):
        pass


def test_what_a_crash_left_is_removed_but_not_what_is_written(tmp_path: Path) -> None:
    from musetalk_fast.video.files import NewFile

    path = tmp_path / "out.mp4.parts"
    path.mkdir()
    (path / "00000001.mp4.0badcafe.tmp").write_bytes(b"half")
    being_written = NewFile(path / "00000002.mp4")
    with locked_job_directory(tmp_path / "out.mp4") as folder:
        folder.keep()
        assert [each.name for each in path.glob("*.tmp")] == [being_written.unfinished.name]
    being_written.discard()


def test_the_first_word_stays(tmp_path: Path) -> None:
    folder = JobDirectory(tmp_path)
    assert folder.write_first(FACES, b"one")
    assert not folder.write_first(FACES, b"two")
    assert folder.read(FACES) == b"one"
    assert [path.name for path in tmp_path.iterdir()] == [FACES]


def test_the_same_plan_goes_on_with_its_threads(plan: Plan, tmp_path: Path) -> None:
    folder = JobDirectory(tmp_path)
    first = replace(plan, encoder=replace(plan.encoder, threads=7))
    assert _adopt(first, folder) == (first, [])
    adopted, warnings = _adopt(plan, folder)
    assert adopted.encoder.threads == 7
    assert warnings == []


def test_another_plan_moves_the_parts_away(plan: Plan, tmp_path: Path) -> None:
    folder = JobDirectory(tmp_path / "out.mp4.parts")
    folder.path.mkdir()
    _adopt(plan, folder)
    folder.write(FACES, b"faces")
    folder.part_path(4, ".mp4").write_bytes(b"part")
    other = replace(plan, background="black")
    adopted, (warning,) = _adopt(other, folder)
    assert adopted == other
    assert folder.read(FACES) is None
    assert not folder.holds_parts()
    aside = JobDirectory(tmp_path / f"out.mp4.parts.{plan.identity[:8]}")
    assert str(aside.path) in warning
    assert str(folder.path) in warning
    assert (aside.read(FACES), aside.holds_parts()) == (b"faces", True)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 1}'])
def test_parts_of_a_damaged_plan_are_moved_away(content: bytes, plan: Plan, tmp_path: Path) -> None:
    folder = JobDirectory(tmp_path / "out.mp4.parts")
    folder.path.mkdir()
    folder.write(PLAN, content)
    folder.part_path(0, ".mp4").write_bytes(b"part")
    adopted, (warning,) = _adopt(plan, folder)
    assert adopted == plan
    assert warning.endswith("out.mp4.parts.damaged")


def _with_part(folder: JobDirectory, number: int) -> None:
    folder.write(FACES, b"faces")
    folder.part_path(number, ".mp4").write_bytes(b"part")


def _held(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir() if each.name not in ("lock", "work"))


@pytest.fixture
def folder(tmp_path: Path) -> JobDirectory:
    folder = JobDirectory(tmp_path / "out.mp4.parts")
    folder.path.mkdir()
    return folder


def test_parts_that_were_moved_away_come_back(plan: Plan, folder: JobDirectory) -> None:
    other = replace(plan, background="black")
    first = replace(plan, encoder=replace(plan.encoder, threads=7))
    _adopt(first, folder)
    _with_part(folder, 4)
    _adopt(other, folder)
    _with_part(folder, 5)
    assert _adopt(plan, folder)[0] == first
    assert _held(folder.path) == ["00000004.mp4", FACES, PLAN]
    adopted, warnings = _adopt(other, folder)
    assert (adopted, len(warnings)) == (other, 1)
    assert _held(folder.path) == ["00000005.mp4", FACES, PLAN]
    folder.empty()  # the other is finished
    assert _adopt(plan, folder) == (first, [])
    assert _held(folder.path) == ["00000004.mp4", FACES, PLAN]
    assert list(folder.path.parent.iterdir()) == [folder.path]


def test_a_fresh_start_wants_none_of_them_back(plan: Plan, folder: JobDirectory) -> None:
    other = replace(plan, background="black")
    for each in (plan, other):
        _adopt(each, folder)
        _with_part(folder, 4)
    adopt(plan, folder, lambda _: None, fresh=True)
    assert _held(folder.path) == [PLAN]
    assert list(folder.path.parent.iterdir()) == [folder.path]


@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("is_back", [False, True], ids=["away", "back"])
def test_a_move_cut_short_loses_no_part(
    is_back: bool, after: int, plan: Plan, folder: JobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(plan, background="black")
    _adopt(plan, folder)
    for number in range(3):
        _with_part(folder, number)
    if is_back:
        _adopt(other, folder)
    moved: list[Path] = []
    rename = Path.rename

    def cut(path: Path, target: Path) -> Path:
        if len(moved) == after:
            raise _PowerCut
        moved.append(path)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", cut)
    with pytest.raises(_PowerCut):
        _adopt(plan if is_back else other, folder)
    monkeypatch.undo()
    assert _adopt(plan, folder) == (plan, [])
    assert _held(folder.path) == ["00000000.mp4", "00000001.mp4", "00000002.mp4", FACES, PLAN]
    assert list(folder.path.parent.iterdir()) == [folder.path]


def test_a_name_that_is_too_long_to_move_away_is_no_matter(plan: Plan, tmp_path: Path) -> None:
    with locked_job_directory(tmp_path / ("o" * 240 + ".mp4")) as folder:
        assert _adopt(plan, folder) == (plan, [])
        _with_part(folder, 0)
        with pytest.raises(errors.OutputPlaceError, match="too long"):
            _adopt(replace(plan, background="black"), folder)
        assert _held(folder.path) == ["00000000.mp4", FACES, PLAN]


def test_damaged_plans_keep_their_parts_each(plan: Plan, folder: JobDirectory) -> None:
    for number, ending in enumerate(("damaged", "damaged.2", "damaged.3")):
        folder.write(PLAN, b"{")
        _with_part(folder, number)
        _, (warning,) = _adopt(plan, folder)
        aside = folder.path.with_name(f"{folder.path.name}.{ending}")
        assert warning.endswith(str(aside))
        assert f"{number:08d}.mp4" in _held(aside)


def test_faces_without_parts_are_not_inherited(plan: Plan, tmp_path: Path) -> None:
    folder = JobDirectory(tmp_path)
    _adopt(plan, folder)
    folder.write(FACES, b"faces")
    _, warnings = _adopt(replace(plan, background="black"), folder)
    assert folder.read(FACES) is None
    assert warnings == []
