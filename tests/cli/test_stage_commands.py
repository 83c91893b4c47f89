"""`plan`, `segment` and `join`: the stages of `render` on their own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import pytest
from av.video.frame import VideoFrame

from musetalk_fast.planning.plan_json import plan_from_json, plan_to_json
from musetalk_fast.types import ColourTags

REPOSITORY = Path(__file__).parents[2]
PORTRAIT = REPOSITORY / "examples/portrait.png"
SPEECH = REPOSITORY / "tests/data/short.wav"
INPUTS = ("-i", "portrait.png", "-a", "speech.wav", "-o", "out.mp4")
FAST = ("--segment-secs", "1", "--preset", "ultrafast", "--resolution", "256x256")
FOLDER = "out.mp4.parts"

Run = Callable[..., "object"]


@pytest.fixture
def planned(run, tmp_path: Path) -> Path:
    """A folder with both inputs and a plan of three segments."""
    shutil.copy(PORTRAIT, tmp_path / "portrait.png")
    shutil.copy(SPEECH, tmp_path / "speech.wav")
    done = run("plan", *INPUTS, *FAST)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"Plan: {FOLDER}/plan.json (3 segments, 0 to 2)\n"
    return tmp_path


def _frames(path: Path) -> list[bytes]:
    def content(frame: VideoFrame) -> bytes:
        return frame.to_ndarray().tobytes()

    with av.open(str(path)) as container:
        return [content(frame) for frame in container.decode(video=0)]


def test_the_stages_make_what_render_makes(run, planned: Path, preview_server: str) -> None:
    first = run("segment", "-s", "builtin", FOLDER, "--segments", "2,0-1")
    assert first.returncode == 0, first.stderr
    assert sorted(path.name for path in (planned / FOLDER).glob("0*")) == [
        "00000000.mp4",
        "00000001.mp4",
        "00000002.mp4",
    ]
    inode = (planned / FOLDER / "00000001.mp4").stat().st_ino
    again = run(
        "segment", "--json", FOLDER, "--segments", "1"
    )  # needs no server: the part is there
    events = [json.loads(line) for line in again.stdout.splitlines()]
    assert [event["event"] for event in events] == ["segment", "parts"]
    assert events[0]["reused"] is True
    assert (planned / FOLDER / "00000001.mp4").stat().st_ino == inode
    joined = run("join", FOLDER)
    assert joined.returncode == 0, joined.stderr
    assert joined.stdout.startswith(f"Output: {planned}/out.mp4 (")
    assert not (planned / FOLDER).exists()
    staged = _frames(planned / "out.mp4")
    rendered = run("render", "-q", "-s", preview_server, *INPUTS, *FAST)
    assert rendered.returncode == 0, rendered.stderr
    assert _frames(planned / "out.mp4") == staged


@pytest.mark.parametrize("wire", ["auto", "infer"])
def test_the_video_has_the_colour_tags_of_its_plan(
    run, planned: Path, preview_server: str, wire: str
) -> None:
    path = planned / FOLDER / "plan.json"
    plan = plan_from_json(path.read_bytes(), planned / "out.mp4")
    tagged = ColourTags(matrix=6, range=2, primaries=5, transfer=4)
    path.write_bytes(plan_to_json(replace(plan, colour=tagged)))
    made = run("segment", "-s", preview_server, "--wire", wire, FOLDER)
    assert made.returncode == 0, made.stderr
    assert run("join", FOLDER).returncode == 0
    with av.open(str(planned / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range) == (6, 2)
        assert (context.color_primaries, context.color_trc) == (5, 4)


def test_join_names_the_segments_that_are_missing(run, planned: Path, preview_server: str) -> None:
    assert run("segment", "-q", "-s", preview_server, FOLDER, "--segments", "1").returncode == 0
    done = run("join", FOLDER)
    assert done.returncode == 73
    assert "segments without a part: 0, 2 (MTF-PARTS)" in done.stderr
    assert (planned / FOLDER / "00000001.mp4").exists()


@pytest.mark.parametrize(("flags", "taken"), [((), [1]), (("--fresh",), [])])
def test_render_takes_the_parts_of_a_plan_unless_fresh(
    run, planned: Path, preview_server: str, flags: tuple[str, ...], taken: list[int]
) -> None:
    assert run("segment", "-q", "-s", preview_server, FOLDER, "--segments", "1").returncode == 0
    done = run("render", "--json", "-s", preview_server, *INPUTS, *FAST, *flags)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    parts = {event["number"]: event["reused"] for event in events if event["event"] == "segment"}
    assert sorted(parts) == [0, 1, 2]
    assert [number for number, reused in parts.items() if reused] == taken
    assert not (planned / FOLDER).exists()


def test_an_input_that_changed_is_refused(run, planned: Path) -> None:
    (planned / "portrait.png").write_bytes(
        (REPOSITORY / "tests/data/grace_hopper.jpg").read_bytes()
    )
    done = run("segment", "-s", "builtin", FOLDER)
    assert done.returncode == 65
    assert "it has changed since the plan was made (MTF-PLAN)" in done.stderr
    assert "portrait.png" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("segment", FOLDER, "--segments", "3"), 2, "there is no segment 3; they are 0 to 2"),
        (("segment", FOLDER, "--segments", "2-1"), 2, "'2-1' is no range"),
        (("segment", FOLDER, "--segments", "1,x"), 2, "'x' is no range"),
        (("segment", FOLDER, "--segments", "1-9999999"), 2, "are more than 1048576 segments"),
        (("segment", FOLDER, "--segments", "1", "--frames", "0-24"), 2, "hint: give one"),
        (("segment", FOLDER, "--frames", "0-24,50-74"), 2, "'0-24,50-74' is no range"),
        (("segment", FOLDER, "--frames", "0-75"), 2, "there is no frame 75; they are 0 to 74"),
        (
            ("segment", FOLDER, "--frames", "3-55"),
            2,
            "hint: a segment is made as a whole: use --frames 0-74 or 25-49",
        ),
        (("segment", "absent.mp4.parts"), 66, "no such plan"),
        (("join", "absent.mp4.parts/plan.json"), 66, "no such plan"),
        (("join", "portrait.png"), 65, "a plan is named OUTPUT.parts/plan.json"),
    ],
)
def test_what_cannot_be_followed(
    run, planned: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    done = run(*words)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_plan_is_named(run, planned: Path) -> None:
    plan = planned / FOLDER / "plan.json"
    plan.write_text(plan.read_text().replace('"match_colour": false', '"match_colour": true'))
    done = run("join", FOLDER)
    assert done.returncode == 65
    assert "changed by hand (MTF-PLAN)" in done.stderr
    assert "plan.json" in done.stderr


def test_segment_needs_a_chosen_server_that_answers(run, planned: Path) -> None:
    done = run(
        "segment", "-s", "http://127.0.0.1:9", "--max-retries", "0", FOLDER, "--segments", "0"
    )
    assert done.returncode == 69
    assert "MTF-SERVER-UNREACHABLE" in done.stderr


def test_an_output_that_came_meanwhile_is_kept(run, planned: Path, preview_server: str) -> None:
    assert run("plan", "-q", "--no-overwrite", *INPUTS, *FAST).returncode == 0
    assert run("segment", "-q", "-s", preview_server, FOLDER).returncode == 0
    (planned / "out.mp4").write_bytes(b"another file")
    done = run("join", FOLDER)
    assert done.returncode == 73
    assert "MTF-OUTPUT-EXISTS" in done.stderr
    assert (planned / "out.mp4").read_bytes() == b"another file"
    assert (planned / FOLDER / "00000001.mp4").exists()


def test_a_join_again_finds_what_one_that_was_killed_has_finished(
    run, planned: Path, preview_server: str
) -> None:
    """It was killed when the video was in its place, at whatever it did then."""
    assert run("plan", "-q", "--no-overwrite", *INPUTS, *FAST).returncode == 0
    assert run("segment", "-q", "-s", preview_server, FOLDER).returncode == 0
    shutil.copytree(planned / FOLDER, planned / "kept")
    assert run("join", "-q", FOLDER).returncode == 0
    video, state = planned / "out.mp4", (planned / "out.mp4").stat()
    for gone in ([], ["00000001.mp4"], ["0*", "faces.bin"], None):
        if gone is not None:
            shutil.copytree(planned / "kept", planned / FOLDER)
        for path in [path for each in gone or [] for path in (planned / FOLDER).glob(each)]:
            path.unlink()
        done = run("join", "--json", FOLDER)
        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert [each["token"] for each in events if "token" in each] == ["MTF-JOINED"]
        facts = [events[-1][name] for name in ("output", "frames", "duration_secs", "bytes")]
        assert facts == [str(video), 75, 3.0, state.st_size]
        assert video.stat().st_ino == state.st_ino
        assert not (planned / FOLDER).exists()

    video.write_bytes(b"no video of ours")
    assert "no such plan" in run("join", FOLDER).stderr
    shutil.copytree(planned / "kept", planned / FOLDER)
    (planned / FOLDER / "00000001.mp4").unlink()
    other = run("join", FOLDER)
    assert other.returncode == 73
    assert "MTF-OUTPUT-EXISTS" in other.stderr
    assert (planned / FOLDER).exists()


def test_a_farm_chooses_by_frames_or_by_the_number_of_a_task(
    run, planned: Path, preview_server: str
) -> None:
    def made(*flags: str, **environ: str) -> list[int]:
        done = run("segment", "--json", "-s", preview_server, FOLDER, *flags, **environ)
        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        return sorted(each["number"] for each in events if each["event"] == "segment")

    assert made("--frames", "25-49") == [1]
    assert made(SLURM_ARRAY_TASK_ID="2") == [2]
    assert made(CUE_IFRAME="1", CUE_CHUNK="5") == [1, 2]
    assert made("--segments", "0", SLURM_ARRAY_TASK_ID="2") == [0]
    assert made(MUSETALK_SEGMENTS="0-1", SLURM_ARRAY_TASK_ID="2") == [0, 1]
    beyond = run("segment", FOLDER, SLURM_ARRAY_TASK_ID="3")
    assert beyond.returncode == 2
    assert "there is no segment 3" in beyond.stderr
    wrong = run("segment", FOLDER, CUE_IFRAME="one")
    assert wrong.returncode == 2
    assert "'one' is no number of a task" in wrong.stderr


@pytest.mark.parametrize("name", ["gif", "webp", "apng"])
def test_a_moving_picture_is_joined_once(
    run, planned: Path, preview_server: str, name: str
) -> None:
    """Its folder is gone after it; the file itself says whose it is, and how long."""
    output = (*INPUTS[:-1], f"out.{name}", *FAST[:2], *FAST[4:], "--fps", "5", "--duration", "1")
    assert run("plan", "-q", *output).returncode == 0
    assert run("segment", "-q", "-s", preview_server, f"out.{name}.parts").returncode == 0
    joined = run("join", f"out.{name}.parts")
    assert joined.stdout.startswith(f"Output: {planned}/out.{name} (1.0 s, 5 frames"), joined.stderr
    again = run("join", f"out.{name}.parts")
    assert (again.returncode, again.stdout) == (0, joined.stdout), again.stderr
    assert "was joined before: no plan of it is left" in again.stderr
    (planned / f"out.{name}").write_bytes((planned / f"out.{name}").read_bytes()[:-100])
    assert "no such plan" in run("join", f"out.{name}.parts").stderr


def test_a_sequence_in_stages(run, planned: Path, preview_server: str) -> None:
    """Its parts are lossless; the folder appears whole, and is replaced only by one of ours."""
    place = planned / "frames"
    output = (*INPUTS[:-1], "frames/%04d.png", *FAST[:2], *FAST[4:], "--fps", "5")
    done = run("plan", *output)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning: png has no sound") == 1
    assert run("segment", "-q", "-s", preview_server, "frames.parts").returncode == 0
    names = sorted(path.name for path in (planned / "frames.parts").glob("0*"))
    assert names == ["00000000.mkv", "00000001.mkv", "00000002.mkv"]
    joined = run("join", "frames.parts")
    assert joined.stdout.startswith(f"Output: {place}/%04d.png (3.0 s, 15 frames"), joined.stderr
    assert not (planned / "frames.parts").exists()
    staged = {path.name: path.read_bytes() for path in place.glob("*.png")}
    assert sorted(staged) == [f"{frame:04d}.png" for frame in range(15)]
    assert len(set(staged.values())) > 5
    again = run("join", "frames.parts")
    assert (again.returncode, again.stdout) == (0, joined.stdout), again.stderr
    assert "was joined before: no plan of it is left" in again.stderr
    (place / "notes.txt").touch()
    refused = run("render", "-q", "-s", preview_server, *output, "-y")
    assert refused.returncode == 73
    assert "none of ours: notes.txt (MTF-OUTPUT-PLACE)" in refused.stderr
    assert {path.name: path.read_bytes() for path in place.glob("*.png")} == staged
    (place / "0003.png").unlink()
    assert "no such plan" in run("join", "frames.parts").stderr
