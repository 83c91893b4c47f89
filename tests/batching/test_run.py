"""Many jobs: what is done stays, what has changed is made again, a failure stops no other."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import av
import pytest
from PIL import Image, ImageOps
from recorder import REPOSITORY, Recorder, job, run, small, speak

from musetalk_fast import errors
from musetalk_fast.batching import (
    BatchOptions,
    FinishedVideos,
    Job,
    Outcome,
    ReportFolder,
    plan_all,
    render_all,
)
from musetalk_fast.batching.run import make_folder
from musetalk_fast.config import AvatarSettings, OutputSettings, ProcessingSettings, Settings
from musetalk_fast.events import FacesEvent, SegmentEvent, UploadEvent
from musetalk_fast.planning.segment_choice import SegmentChoice
from musetalk_fast.rendering import shared_avatars
from musetalk_fast.rendering.steps import render_segments, write_plan

sys.path.insert(0, str(REPOSITORY / "tests/server"))

import server_process


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, preview_server: str) -> tuple[Job, ...]:
    """Two jobs that were made, and one whose picture is none; only to be read."""
    folder = tmp_path_factory.mktemp("batch")
    settings = small(preview_server)
    jobs = tuple(job(folder, name, settings) for name in ("anna", "bob", "cleo"))
    (folder / "bob.png").write_text("no picture")
    speak(folder / "cleo.wav", 0.3)
    ran = run(jobs)
    assert ran.states == {"anna": "done", "bob": "failed", "cleo": "done"}
    assert isinstance(ran.outcomes["bob"].error, errors.ImageFormatError)
    assert ran.begun[0] == "cleo", "the shortest recording comes first"
    return jobs


@pytest.fixture
def batch(made: tuple[Job, ...], tmp_path: Path) -> tuple[Job, ...]:
    """Copies of them, in a folder of the test's own."""
    before = made[0].avatar.parent
    folder = shutil.copytree(before, tmp_path / "batch")

    def moved(path: Path) -> Path:
        return folder / path.relative_to(before)

    return tuple(
        replace(each, avatar=moved(each.avatar), audio=moved(each.audio), output=moved(each.output))
        for each in made
    )


def test_finished_videos_are_left_alone(batch: tuple[Job, ...]) -> None:
    before = [each.output.stat().st_mtime_ns for each in batch if each.output.exists()]
    again = run(batch)
    assert again.states == {"anna": "kept", "bob": "failed", "cleo": "kept"}
    assert [each.output.stat().st_mtime_ns for each in batch if each.output.exists()] == before
    earlier = again.keeper.report.jobs[0]
    assert (earlier.engine, earlier.frames, earlier.width) == ("preview", 10, 256)
    assert earlier.stages["generate"] > 0, "figures of the batch that made it"


def test_a_video_that_is_done_is_no_failure_where_nothing_may_be_replaced(
    batch: tuple[Job, ...],
) -> None:
    anna = replace(batch[0], settings=small_of(batch[0], overwrite=False))
    other = replace(anna, settings=small_of(batch[0], overwrite=False, crf=40))
    assert run([anna]).states == {"anna": "kept"}
    assert isinstance(run([other]).outcomes["anna"].error, errors.OutputExistsError)


def small_of(job: Job, **output: object) -> Settings:
    url = job.settings.server.url
    assert url is not None
    return small(str(url[0]), **output)


def test_what_has_changed_is_made_again(batch: tuple[Job, ...], tmp_path: Path) -> None:
    anna = batch[0]
    speak(tmp_path / "other.wav", 0.35)
    settings = small_of(anna, crf=40)
    assert run([replace(anna, settings=settings)]).states == {"anna": "done"}
    assert run([replace(anna, audio=tmp_path / "other.wav")]).states == {"anna": "done"}
    assert run([replace(anna, fresh=True)]).states == {"anna": "done"}
    anna.output.write_bytes(anna.output.read_bytes()[:-100])
    assert run([anna]).states == {"anna": "done"}, "its size is not that of the report"


def test_a_moving_picture_behind_a_link_is_known_by_its_comment(
    tmp_path: Path, preview_server: str
) -> None:
    linked = job(tmp_path, "a", small(preview_server, fps=5, format="gif", preset=None))
    linked.output.parent.mkdir()
    linked.output.symlink_to(tmp_path / "real.gif")
    first = run([linked])
    assert first.states == {"a": "done"}, first.outcomes["a"].error
    assert run([linked]).states == {"a": "kept"}
    assert (tmp_path / "real.gif").stat().st_size
    assert linked.output.is_symlink()
    assert '"sha256"' not in (linked.output.parent / "report.json").read_text()


def test_a_video_without_metadata_is_known_by_its_hash(batch: tuple[Job, ...]) -> None:
    cleo = batch[2]
    report = cleo.output.parent / "report.json"
    assert '"sha256"' not in report.read_text(), "its metadata says all"
    _strip(cleo.output)
    document = json.loads(report.read_text())
    for each in document["jobs"] + document["earlier"]:
        if each["name"] == "cleo":  # as it is written of a container without metadata
            each["sha256"] = hashlib.sha256(cleo.output.read_bytes()).hexdigest()
            each["bytes"] = cleo.output.stat().st_size
    report.write_text(json.dumps(document))
    assert run([cleo]).states == {"cleo": "kept"}
    assert '"sha256"' in report.read_text(), "and stays so"
    report.unlink()
    assert run([cleo]).states == {"cleo": "done"}


def test_a_finished_sequence_is_known_by_its_hash(tmp_path: Path, preview_server: str) -> None:
    output = OutputSettings(resolution=(256, 256))
    settings = replace(small(preview_server), output=output)
    anna = job(tmp_path, "anna", settings, 0.16)
    anna = replace(anna, output=tmp_path / "frames/anna/%03d.jpg")
    folder = anna.output.parent
    first = run([anna], tmp_path)
    assert first.states == {"anna": "done"}, first.outcomes["anna"].error
    frames = ["000.jpg", "001.jpg", "002.jpg", "003.jpg"]
    assert sorted(each.name for each in folder.glob("*.jpg")) == frames
    again = run([anna], tmp_path)
    assert again.states == {"anna": "kept"}
    record = again.keeper.report.jobs[0]
    assert record.bytes == sum((folder / each).stat().st_size for each in frames)
    document = json.loads((tmp_path / "report.json").read_text())
    assert len(document["jobs"][0]["sha256"]) == 64
    content = (folder / "002.jpg").read_bytes()
    (folder / "002.jpg").write_bytes(content[:-1] + b"!")
    assert run([anna], tmp_path).states == {"anna": "done"}, "a frame is another one"
    (folder / "001.jpg").unlink()
    assert run([anna], tmp_path).states == {"anna": "done"}, "a frame is missing"


def _strip(path: Path) -> None:
    """Copy a video without its metadata onto itself."""
    bare = path.with_name("bare.mp4")
    with av.open(str(path)) as given, av.open(str(bare), "w") as taken:
        streams = {each.index: taken.add_stream_from_template(each) for each in given.streams}
        for packet in given.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream_index]
                taken.mux(packet)
    bare.replace(path)


def test_a_half_done_video_goes_on_from_its_parts(tmp_path: Path, preview_server: str) -> None:
    settings = small(preview_server)
    settings = replace(settings, processing=ProcessingSettings(segment_secs=1))
    half = job(tmp_path, "half", settings, secs=1.2)
    half.output.parent.mkdir()
    plan, _ = write_plan(half.avatar, half.audio, half.output, settings, on_event=lambda _: None)
    asyncio.run(render_segments(plan, SegmentChoice([0]), settings, on_event=lambda _: None))
    ran = run([half])
    assert ran.states == {"half": "done"}
    reused = {e.number: e.reused for _, e in ran.events if isinstance(e, SegmentEvent)}
    assert reused == {0: True, 1: False}
    assert not list(half.output.parent.glob("*.parts"))


def test_fail_fast_begins_no_other(batch: tuple[Job, ...]) -> None:
    bob, anna = batch[1], replace(batch[0], fresh=True)
    bob_first = replace(bob, audio=batch[2].audio)
    ran = run([anna, bob_first], fail_fast=True, at_once=1)
    assert ran.states == {"anna": "waiting", "bob": "failed"}
    assert ran.interrupted


def test_jobs_at_once_send_and_prepare_their_avatar_once(
    tmp_path: Path, preview_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    see = shared_avatars.see_avatar
    monkeypatch.setattr(
        shared_avatars,
        "see_avatar",
        lambda wanted, on_event: (opened.append(wanted.path), see(wanted, on_event))[1],
    )
    settings = small(preview_server)
    avatar = tmp_path / "mirrored.png"
    with Image.open(REPOSITORY / "examples/portrait.png") as portrait:
        ImageOps.mirror(portrait).save(avatar)
    jobs = [replace(job(tmp_path, name, settings), avatar=avatar) for name in "abc"]
    ran = run(jobs, at_once=3)
    assert set(ran.states.values()) == {"done"}
    assert ran.most == 3
    assert len({each.output.read_bytes() for each in jobs}) == 1, "each made its own, alike"
    sent = [event for _, event in ran.events if isinstance(event, UploadEvent)]
    whole = [event.asset for event in sent if event.sent == event.total]
    assert whole.count("avatar") == 1
    looks = [event for _, event in ran.events if isinstance(event, FacesEvent)]
    assert (len(looks), opened) == (3, [avatar]), "one look, and each job says what was found"


def test_a_server_that_is_not_there_stops_the_batch_before_it_begins(tmp_path: Path) -> None:
    lone = job(tmp_path, "lone", small("http://127.0.0.1:9"))
    with pytest.raises(errors.ServerUnreachableError):
        run([lone])
    assert not lone.output.parent.exists()


def test_a_batch_ends_when_no_server_answers_any_more(tmp_path: Path) -> None:
    with server_process.running() as server:
        settings = small(server.address)
        settings = replace(
            settings,
            avatar=AvatarSettings(face_check=False),
            processing=ProcessingSettings(max_retries=0),
        )
        jobs = [job(tmp_path, name, settings) for name in "abcd"]
        recorder = Recorder(jobs, ReportFolder(tmp_path / "out"))
        keep = recorder.end

        def kill_and_keep(outcome: Outcome) -> None:
            server.stop(signal.SIGKILL)
            keep(outcome)

        recorder.end = kill_and_keep  # type: ignore[method-assign]
        with pytest.raises(errors.ServersLostError, match="no server answers any more") as caught:
            asyncio.run(render_all(jobs, recorder, FinishedVideos({}), BatchOptions(at_once=1)))
        recorder.close()
    assert (caught.value.exit_code, recorder.interrupted) == (69, True)
    assert list(recorder.states.values()) == ["done", "failed", "waiting", "waiting"]


def test_a_batch_ends_when_no_video_can_be_written_any_more(
    tmp_path: Path, preview_server: str
) -> None:
    jobs = [job(tmp_path, name, small(preview_server)) for name in "abc"]
    folder = tmp_path / "out"
    recorder = Recorder(jobs, ReportFolder(tmp_path))
    keep = recorder.end

    def keep_and_take_away(outcome: Outcome) -> None:
        keep(outcome)
        if folder.is_dir():
            folder.rename(tmp_path / "away")
            folder.touch()

    recorder.end = keep_and_take_away  # type: ignore[method-assign]
    with pytest.raises(errors.OutputWriteError, match="no other video can be written"):
        asyncio.run(render_all(jobs, recorder, FinishedVideos({}), BatchOptions(at_once=1)))
    recorder.close()
    assert recorder.interrupted
    assert list(recorder.states.values()) == ["done", "failed", "waiting"]


@pytest.mark.parametrize("at_once", [1, 2])
def test_one_folder_that_takes_no_video_does_not_end_the_batch(
    tmp_path: Path, preview_server: str, at_once: int
) -> None:
    settings = small(preview_server)
    lost, good = job(tmp_path, "lost", settings, 0.2), job(tmp_path, "good", settings)
    lost = replace(lost, output=tmp_path / "gone/lost.mp4")
    recorder = Recorder([lost, good], ReportFolder(tmp_path))
    begin = recorder.begin

    def take_away_and_begin(job: Job) -> None:
        if job is lost:
            lost.output.parent.rmdir()
        begin(job)

    recorder.begin = take_away_and_begin  # type: ignore[method-assign]
    options = BatchOptions(at_once=at_once)
    asyncio.run(render_all([lost, good], recorder, FinishedVideos({}), options))
    recorder.close()
    assert recorder.states == {"lost": "failed", "good": "done"}
    assert not recorder.interrupted


def test_batches_into_one_folder_keep_each_others_records(
    tmp_path: Path, preview_server: str
) -> None:
    one, two = (job(tmp_path, name, small(preview_server)) for name in "ab")
    folder = ReportFolder(one.output.parent)
    slow = Recorder([one], folder)  # it began before the other one, and ends after it
    assert run([two]).states == {"b": "done"}
    asyncio.run(render_all([one], slow, FinishedVideos({}), BatchOptions()))
    slow.close()
    document = json.loads(folder.document.read_text())
    assert [each["name"] for each in document["jobs"]] == ["a"]
    assert [each["name"] for each in document["earlier"]] == ["b"]


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
    settings = Settings(output=OutputSettings(overwrite=False))
    out = tmp_path / "out"
    jobs = [
        Job("good", portrait, speech, out / "good.mp4", settings),
        Job("bad", speech, speech, out / "bad.mp4", settings),
        Job("gone", portrait, tmp_path / "none.wav", out / "gone.mp4", settings),
    ]
    good, bad, gone = plan_all(jobs, lambda _job, _event: None)
    assert good.plan is not None
    assert (good.plan.frames, good.plan.output) == (75, out / "good.mp4")
    assert isinstance(bad.error, errors.VideoFormatError)
    assert isinstance(gone.error, errors.InputNotFoundError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("output", ["new/frames/%06d.png", "frames/%06d.png", "out/anna.webp"])
def test_a_plan_for_a_folder_that_the_batch_will_make(output: str, tmp_path: Path) -> None:
    """Whatever is of that name above it: here the avatar."""
    avatar = tmp_path / "anna.webp"
    shutil.copy(REPOSITORY / "examples/portrait.png", avatar)
    speech = REPOSITORY / "tests/data/short.wav"
    job = Job("anna", avatar, speech, tmp_path / output, Settings())
    (planned,) = plan_all([job], lambda _job, _event: None)
    assert planned.error is None
    assert planned.plan is not None
    assert planned.plan.output == job.output
    assert list(tmp_path.iterdir()) == [avatar]
