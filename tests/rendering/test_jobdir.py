"""The job directory: one render at a time, nothing half-written, nothing of another plan."""

from __future__ import annotations

import errno
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


def _adopt(plan: Plan, jobdir: JobDirectory) -> tuple[Plan, list[str]]:
    reported: list[Event] = []
    adopted = adopt(plan, jobdir, reported.append)
    return adopted, [event.message for event in reported if isinstance(event, WarningEvent)]


def test_it_goes_where_no_part_was_made(tmp_path: Path) -> None:
    with locked_job_directory(tmp_path / "out.mp4") as jobdir:
        assert jobdir.scratch.is_dir()
        jobdir.write(PLAN, b"{}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="reads /proc for descriptors")
def test_a_lock_that_cannot_be_had_leaves_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def fails(_descriptor: int, _how: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fails)
    before = len([*Path("/proc/self/fd").iterdir()])
    with pytest.raises(errors.OutputWriteError), locked_job_directory(tmp_path / "out.mp4"):
        pass
    assert len([*Path("/proc/self/fd").iterdir()]) == before


def test_it_stays_where_a_part_was_made(tmp_path: Path) -> None:
    with locked_job_directory(tmp_path / "out.mp4") as jobdir:
        jobdir.part_path(0, ".mp4").write_bytes(b"part")
    assert jobdir.part_path(0, ".mp4").exists()
    assert not jobdir.scratch.exists()


def test_it_goes_with_its_parts_once_they_are_joined(tmp_path: Path) -> None:
    with locked_job_directory(tmp_path / "out.mp4") as jobdir:
        jobdir.keep()
        jobdir.write(PLAN, b"{}")
        jobdir.part_path(0, ".mp4").write_bytes(b"part")
        jobdir.done()
        with pytest.raises(errors.OutputBusyError), locked_job_directory(tmp_path / "out.mp4"):
            pass
    assert list(tmp_path.iterdir()) == []


def test_a_plan_with_tasks_behind_it_survives_a_render_that_fails(
    plan: Plan, tmp_path: Path
) -> None:
    plan = replace(plan, output=tmp_path / "out.mp4")
    with locked_job_directory(plan.output) as jobdir:
        _adopt(plan, jobdir)
        jobdir.write(FACES, b"faces")
        jobdir.keep()
    for adopts in (False, True):
        with locked_job_directory(plan.output) as failing:
            if adopts:
                _adopt(plan, failing)
        assert (jobdir.read_plan(), jobdir.read(FACES)) == (plan, b"faces")
    with locked_job_directory(plan.output) as finished:
        finished.done()
    assert list(tmp_path.iterdir()) == []


def test_a_plan_that_replaced_another_goes_with_the_render_that_fails(
    plan: Plan, tmp_path: Path
) -> None:
    plan = replace(plan, output=tmp_path / "out.mp4")
    with locked_job_directory(plan.output) as jobdir:
        _adopt(plan, jobdir)
        jobdir.keep()
    with locked_job_directory(plan.output) as failing:
        _adopt(replace(plan, background="black"), failing)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_done", [False, True])
def test_the_next_render_keeps_its_folder(is_done: bool, tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    with ExitStack() as ours:
        jobdir = ours.enter_context(locked_job_directory(output))
        if is_done:
            jobdir.done()
        shutil.rmtree(jobdir.path)  # by hand
        with locked_job_directory(output) as theirs:
            theirs.write(PLAN, b"theirs")
            ours.close()
            assert (theirs.read(PLAN), theirs.scratch.is_dir()) == (b"theirs", True)
            with pytest.raises(errors.OutputBusyError), locked_job_directory(output):
                pass
    assert list(tmp_path.iterdir()) == []


def test_renders_that_end_and_begin_at_a_time_do_no_harm(tmp_path: Path) -> None:
    def job(number: int) -> int:
        held = 0
        while held < 20:
            with (
                suppress(errors.OutputBusyError),
                locked_job_directory(tmp_path / "out.mp4") as jobdir,
            ):
                held += 1
                part = jobdir.part_path(number, ".mp4")
                part.write_bytes(b"part")
                assert list(jobdir.path.glob("0*")) == [part]
                assert jobdir.scratch.is_dir()
                jobdir.done()
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
    jobdir = ours.enter_context(locked_job_directory(output))
    _adopt(plan, jobdir)
    jobdir.write(FACES, b"faces")
    for number in range(2):
        jobdir.part_path(number, ".mp4").write_bytes(b"part")
    jobdir.done()
    monkeypatch.setattr(Path, "unlink", cut)
    with pytest.raises(_PowerCut):
        ours.close()
    monkeypatch.undo()
    with locked_job_directory(output) as jobdir:
        assert _adopt(plan, jobdir) == (plan, [])
        jobdir.done()
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
    from musetalk_fast.storage import AtomicFile

    path = tmp_path / "out.mp4.parts"
    with locked_job_directory(tmp_path / "out.mp4") as jobdir:
        jobdir.keep()
    (path / "00000001.mp4.0badcafe.tmp").write_bytes(b"half")
    being_written = AtomicFile(path / "00000002.mp4")
    with locked_job_directory(tmp_path / "out.mp4") as jobdir:
        jobdir.keep()
        assert [each.name for each in path.glob("*.tmp")] == [being_written.unfinished.name]
    being_written.discard()


def test_the_first_word_stays(tmp_path: Path) -> None:
    jobdir = JobDirectory(tmp_path)
    assert jobdir.write_first(FACES, b"one")
    assert not jobdir.write_first(FACES, b"two")
    assert jobdir.read(FACES) == b"one"
    assert [path.name for path in tmp_path.iterdir()] == [FACES]


def test_the_same_plan_goes_on_with_its_threads(plan: Plan, tmp_path: Path) -> None:
    jobdir = JobDirectory(tmp_path)
    first = replace(plan, encoder=replace(plan.encoder, threads=7))
    assert _adopt(first, jobdir) == (first, [])
    adopted, warnings = _adopt(plan, jobdir)
    assert adopted.encoder.threads == 7
    assert warnings == []


def test_another_plan_moves_the_parts_away(plan: Plan, tmp_path: Path) -> None:
    jobdir = JobDirectory(tmp_path / "out.mp4.parts")
    jobdir.path.mkdir()
    _adopt(plan, jobdir)
    jobdir.write(FACES, b"faces")
    jobdir.part_path(4, ".mp4").write_bytes(b"part")
    other = replace(plan, background="black")
    adopted, (warning,) = _adopt(other, jobdir)
    assert adopted == other
    assert jobdir.read(FACES) is None
    assert not jobdir.holds_parts()
    archived = JobDirectory(tmp_path / f"out.mp4.parts.{plan.identity[:8]}")
    assert str(archived.path) in warning
    assert str(jobdir.path) in warning
    assert (archived.read(FACES), archived.holds_parts()) == (b"faces", True)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 1}'])
def test_parts_of_a_damaged_plan_are_moved_away(content: bytes, plan: Plan, tmp_path: Path) -> None:
    jobdir = JobDirectory(tmp_path / "out.mp4.parts")
    jobdir.path.mkdir()
    jobdir.write(PLAN, content)
    jobdir.part_path(0, ".mp4").write_bytes(b"part")
    adopted, (warning,) = _adopt(plan, jobdir)
    assert adopted == plan
    assert "/out.mp4.parts.damaged until out.mp4 is finished" in warning


def _with_part(jobdir: JobDirectory, number: int) -> None:
    jobdir.write(FACES, b"faces")
    jobdir.part_path(number, ".mp4").write_bytes(b"part")


def _listed(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir() if each.name not in ("lock", "work"))


@pytest.fixture
def jobdir(tmp_path: Path) -> JobDirectory:
    jobdir = JobDirectory(tmp_path / "out.mp4.parts")
    jobdir.path.mkdir()
    return jobdir


def test_archived_parts_are_restored(plan: Plan, jobdir: JobDirectory) -> None:
    other = replace(plan, background="black")
    first = replace(plan, encoder=replace(plan.encoder, threads=7))
    _adopt(first, jobdir)
    _with_part(jobdir, 4)
    _adopt(other, jobdir)
    _with_part(jobdir, 5)
    assert _adopt(plan, jobdir)[0] == first
    assert _listed(jobdir.path) == ["00000004.mp4", FACES, PLAN]
    adopted, warnings = _adopt(other, jobdir)
    assert (adopted, len(warnings)) == (other, 1)
    assert _listed(jobdir.path) == ["00000005.mp4", FACES, PLAN]
    jobdir.empty()  # the other is finished
    assert _adopt(plan, jobdir) == (first, [])
    assert _listed(jobdir.path) == ["00000004.mp4", FACES, PLAN]
    assert list(jobdir.path.parent.iterdir()) == [jobdir.path]


def test_a_fresh_start_discards_archives(plan: Plan, jobdir: JobDirectory) -> None:
    other = replace(plan, background="black")
    for each in (plan, other):
        _adopt(each, jobdir)
        _with_part(jobdir, 4)
    adopt(plan, jobdir, lambda _: None, fresh=True)
    assert _listed(jobdir.path) == [PLAN]
    assert list(jobdir.path.parent.iterdir()) == [jobdir.path]


@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("is_back", [False, True], ids=["away", "back"])
def test_a_move_cut_short_loses_no_part(
    is_back: bool, after: int, plan: Plan, jobdir: JobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(plan, background="black")
    _adopt(plan, jobdir)
    for number in range(3):
        _with_part(jobdir, number)
    if is_back:
        _adopt(other, jobdir)
    moved: list[Path] = []
    rename = Path.rename

    def cut(path: Path, target: Path) -> Path:
        if len(moved) == after:
            raise _PowerCut
        moved.append(path)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", cut)
    with pytest.raises(_PowerCut):
        _adopt(plan if is_back else other, jobdir)
    monkeypatch.undo()
    assert _adopt(plan, jobdir) == (plan, [])
    assert _listed(jobdir.path) == ["00000000.mp4", "00000001.mp4", "00000002.mp4", FACES, PLAN]
    assert list(jobdir.path.parent.iterdir()) == [jobdir.path]


def test_a_name_that_is_too_long_to_move_away_is_no_matter(plan: Plan, tmp_path: Path) -> None:
    with locked_job_directory(tmp_path / ("o" * 240 + ".mp4")) as jobdir:
        assert _adopt(plan, jobdir) == (plan, [])
        _with_part(jobdir, 0)
        with pytest.raises(errors.OutputPlaceError, match="too long"):
            _adopt(replace(plan, background="black"), jobdir)
        assert _listed(jobdir.path) == ["00000000.mp4", FACES, PLAN]


def test_each_damaged_plan_keeps_its_parts(plan: Plan, jobdir: JobDirectory) -> None:
    for number, ending in enumerate(("damaged", "damaged.2", "damaged.3")):
        jobdir.write(PLAN, b"{")
        _with_part(jobdir, number)
        _, (warning,) = _adopt(plan, jobdir)
        archived = jobdir.path.with_name(f"{jobdir.path.name}.{ending}")
        assert f"{archived} until" in warning
        assert f"{number:08d}.mp4" in _listed(archived)


def test_faces_without_parts_are_not_inherited(plan: Plan, tmp_path: Path) -> None:
    jobdir = JobDirectory(tmp_path)
    _adopt(plan, jobdir)
    jobdir.write(FACES, b"faces")
    _, warnings = _adopt(replace(plan, background="black"), jobdir)
    assert jobdir.read(FACES) is None
    assert warnings == []
