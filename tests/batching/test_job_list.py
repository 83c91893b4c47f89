"""Lists of jobs: three formats, every error at once with its line, nothing started before."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path

import pytest

from musetalk_fast import errors
from musetalk_fast.batching import JobListDefaults, Selection, collect_jobs
from musetalk_fast.config import OutputSettings, Settings
from musetalk_fast.config.overrides import overridable
from musetalk_fast.config.settings import SECTIONS, kinds

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def inputs(tmp_path: Path) -> Path:
    """A folder with two avatars, two recordings and a background."""
    for name in ("a.png", "b.png", "back.png", "a.wav", "b.wav"):
        (tmp_path / name).touch()
    return tmp_path


def _collect(path: Path, text: str, **defaults: object):
    path.write_text(text)
    known = JobListDefaults(Settings(output=OutputSettings(crf=30)), **defaults)
    return collect_jobs([str(path)], known).jobs


JSONL = """\
{"avatar": "a.png", "audio": "a.wav", "output": "one.mp4", "fps": "29.97", "crf": 18}

{"avatar": "b.png", "audio": "b.wav", "face-box": [1, 2, 30, 40], "background": "back.png"}
"""
CSV = """\
avatar;audio;output;fps;crf;face_box;background
a.png;a.wav;one.mp4;29.97;18;;
b.png;b.wav;;;;"1,2,30,40";back.png
"""
TOML = """\
[[job]]
avatar = "a.png"
audio = "a.wav"
output = "one.mp4"
fps = 29.97
crf = 18

[[job]]
avatar = "b.png"
audio = "b.wav"
face_box = [1, 2, 30, 40]
background = "back.png"
"""


@pytest.mark.parametrize(
    ("name", "text"), [("j.jsonl", JSONL), ("j.csv", "\ufeff" + CSV), ("j.toml", TOML)]
)
def test_a_list_says_what_a_render_takes(name: str, text: str, tmp_path: Path) -> None:
    one, two = _collect(tmp_path / name, text)
    assert (one.name, one.avatar, one.audio) == ("one", tmp_path / "a.png", tmp_path / "a.wav")
    assert (one.output, two.output) == (tmp_path / "one.mp4", tmp_path / "b.mp4")
    assert (one.settings.output.fps, one.settings.output.crf) == (Fraction(30000, 1001), 18)
    assert (two.settings.output.fps, two.settings.output.crf) == (None, 30)
    assert two.settings.avatar.face_box == (1, 2, 30, 40)
    assert two.settings.avatar.background == str(tmp_path / "back.png")


def test_all_errors_are_found_at_once(tmp_path: Path) -> None:
    lines = [
        {"avatar": "a.png", "audio": "a.wav", "reslution": "64x64"},
        {"avatar": "none.png", "audio": "a.wav"},
        {"audio": "a.wav", "output": "x.mp4"},
        {"avatar": "a.png", "audio": "a.wav", "output": "one.mp4"},
        {"avatar": "b.png", "audio": "b.wav", "output": "one.mp4", "face": "left"},
        {"avatar": "b.png", "audio": "b.wav", "output": "b.avi"},
        {"avatar": "b.png", "audio": "b.wav", "crf": 64, "segment_secs": "x"},
        {"avatar": "b.png", "audio": "b.wav", "face": "left", "face_center": "1,2"},
        {"avatar": "b.png", "audio": 7, "api_key": "secret"},
        {"avatar": "a.png", "audio": "a.wav", "output": "a.wav"},
    ]
    text = "\n".join([*map(json.dumps, lines), "{", "[]", '{"crf": 1, "crf": 2}'])
    with pytest.raises(errors.JobListError, match="14 errors in 13 jobs") as caught:
        _collect(tmp_path / "jobs.jsonl", text)
    found = [detail.removeprefix(f"{tmp_path}/jobs.jsonl:") for detail in caught.value.details]
    assert [(each.partition(":")[0], each.partition(":")[2].strip()[:44]) for each in found] == [
        ("1", "there is no option 'reslution'; did you mean"),
        ("2", f"avatar: no such file: {tmp_path}/none.png"[:44]),
        ("3", "it has no avatar"),
        ("5", f"{tmp_path}/one.mp4 is the output of "[:44]),
        ("6", "the name does not say what to write: it ends"),
        ("7", "crf must be an integer from 0 to 63, not 64"),
        ("7", "segment_secs must be 1 to 600 seconds, not '"),
        ("8", "face and face_center choose different faces"),
        ("9", "there is no option 'api_key'; did you mean a"),
        ("10", f"the output is one of the inputs: {tmp_path}"[:44]),
        ("10", "the name does not say what to write: it ends"),
        ("11", "not JSON: Expecting property name enclosed i"),
        ("12", "not a JSON object"),
        ("13", "'crf' is there twice"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("j.csv", "avatar,avatar\na,b\n", "two columns are named 'avatar'"),
        ("j.csv", "avatar,\na,b\n", "a column has no name"),
        ("j.csv", "avatar,audio\n\n", "there are no jobs in it"),
        ("j.toml", "avatar = 1\n", "'avatar' is no job"),
        ("j.toml", "[job]\n", "'job' is no job"),
        ("j.toml", "[[job]\n", "not valid TOML"),
    ],
)
def test_what_is_no_list(name: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(errors.JobListError, match=message):
        _collect(tmp_path / name, text)


def test_a_row_puts_back_the_alternatives_of_the_batch(tmp_path: Path) -> None:
    rows = [{"quality": 0}, {"crf": 0}, {"lossless": True}, {"lossless": False}, {"fps": 25}]
    row = {"avatar": "a.png", "audio": "a.wav"}
    lines = [json.dumps({**row, "output": f"{at}.mp4", **each}) for at, each in enumerate(rows)]
    outputs = [job.settings.output for job in _collect(tmp_path / "j.jsonl", "\n".join(lines))]
    assert [(each.quality, each.crf, each.lossless) for each in outputs] == [
        (0, None, False),
        (None, 0, False),
        (None, None, True),
        (None, 30, False),
        (None, 30, False),
    ]


LONG = "9" * 5000
HEX = "0x" + "f" * 5000


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("j.jsonl", '{"segment_secs": ' + "9" * 400 + "}", "j.jsonl:1: segment_secs must be "),
        ("j.jsonl", '{"crf": ' + LONG + "}", "j.jsonl:1: an integer of too many digits"),
        ("j.csv", "segment_secs\n" + LONG, "j.csv:2: segment_secs must be "),
        ("j.toml", "[[job]]\ncrf = " + LONG, "j.toml:2 an integer of too many digits"),
        ("j.toml", "[[job]]\ncrf = " + HEX, "j.toml:1: crf must be "),
        ("j.toml", "[[job]]\naudio = " + HEX, "j.toml:1: audio must be the path of a file, not "),
        ("j.toml", "[[job]]\nfresh = " + HEX, "j.toml:1: fresh must be true or false, not "),
    ],
    ids=lambda each: each[:20],
)
def test_a_long_integer_is_an_error_of_its_row(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(errors.JobListError) as caught:
        _collect(tmp_path / name, text)
    error = caught.value
    said = (f"{error.where} {error.message}", *error.details)
    assert any(each.startswith(f"{tmp_path}/{message}") for each in said), said


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    csv = 'avatar,audio,output\n"a\nb.png",a.wav,\n\na.png,a.wav,x.mp4,more\n'
    with pytest.raises(errors.JobListError) as caught:
        _collect(tmp_path / "j.csv", csv)
    assert [each.split(": ")[0][-2:] for each in caught.value.details] == [":2", ":5"]
    with pytest.raises(errors.JobListError) as caught:
        _collect(tmp_path / "j.toml", '# jobs\n[[job]]\naudio = "a.wav"\n\n[[ job ]]\nx = 1\n')
    assert [each.split(": ")[0][-2:] for each in caught.value.details] == [":2", ":5"]


def test_one_avatar_and_one_place_for_a_list(tmp_path: Path) -> None:
    avatar, outputs = tmp_path / "a.png", tmp_path / "out"
    text = "audio,fresh\na.wav,yes\nb.wav,\n"
    jobs = _collect(tmp_path / "j.csv", text, avatar=avatar, outputs=outputs)
    assert [(job.avatar, job.output, job.fresh) for job in jobs] == [
        (avatar, outputs / "a.mp4", True),
        (avatar, outputs / "b.mp4", False),
    ]


def test_errors_of_several_lists_come_together(tmp_path: Path) -> None:
    for name in ("one.jsonl", "two.jsonl"):
        (tmp_path / name).write_text('{"audio": "a.wav"}\n')
    lists = [str(tmp_path / name) for name in ("one.jsonl", "two.jsonl")]
    with pytest.raises(errors.JobListError, match="errors in 2 lists") as caught:
        collect_jobs(lists, JobListDefaults(Settings()))
    assert len(caught.value.details) == 2
    shutil.copy(tmp_path / "one.jsonl", tmp_path / "gone.jsonl")
    with pytest.raises(errors.InputNotFoundError):
        collect_jobs([str(tmp_path / "none.jsonl")], JobListDefaults(Settings()))


def test_no_job_writes_what_another_one_reads_or_writes(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "moving.mp4").touch()
    row = "moving.mp4,a.wav,{}\n".format
    with pytest.raises(errors.JobListError, match="same file") as caught:
        _collect(tmp_path / "j.csv", "avatar,audio,output\n" + row("x.mp4") + row("sub/../x.mp4"))
    assert len(caught.value.details) == 1
    with pytest.raises(errors.JobListError, match="same file"):
        _collect(tmp_path / "j.csv", "avatar,audio,output\n" + row("x.mp4") + row("link/x.mp4"))
    other = "a.png,b.wav,link/moving.mp4\n"
    with pytest.raises(errors.JobListError, match="other jobs read") as caught:
        _collect(tmp_path / "j.csv", "avatar,audio,output\n" + row("x.mp4") + other)
    assert [str(tmp_path / "link/moving.mp4") in line for line in caught.value.details] == [True]


def test_no_two_sequences_are_one_folder(tmp_path: Path) -> None:
    """A sequence replaces the folder that another one has filled."""
    (tmp_path / "link").symlink_to("seqs")
    row = "a.png,a.wav,{}\n".format
    head = "avatar,audio,output\n"
    first = head + row("seqs/a_%03d.png")
    with pytest.raises(errors.JobListError) as caught:
        _collect(tmp_path / "j.csv", first + row("seqs/b_%03d.png"))
    assert [f"{tmp_path}/seqs is the output of " in line for line in caught.value.details] == [True]
    with pytest.raises(errors.JobListError, match="same file or folder"):
        _collect(tmp_path / "j.csv", first + row("link/b_%03d.png"))
    with pytest.raises(errors.JobListError, match="folder of a sequence") as caught:
        _collect(tmp_path / "j.csv", first + row("link/x.mp4"))
    assert str(tmp_path / "link/x.mp4") in caught.value.details[0]
    (tmp_path / "seqs").mkdir()
    (tmp_path / "seqs/face.png").touch()
    with pytest.raises(errors.JobListError, match="other jobs read"):
        _collect(tmp_path / "j.csv", first + "link/face.png,a.wav,x.mp4\n")
    jobs = _collect(tmp_path / "j.csv", first + row("others/a_%03d.png") + row("x.mp4"))
    assert [job.place.name for job in jobs] == ["seqs", "others", "x.mp4"]


def test_jobs_of_several_lists_have_names_of_their_own(tmp_path: Path) -> None:
    lists = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for file in ("a.png", "a.wav"):
            (tmp_path / name / file).touch()
        lists.append(tmp_path / name / "jobs.jsonl")
        lists[-1].write_text('{"avatar": "a.png", "audio": "a.wav"}\n')
    jobs = collect_jobs([str(each) for each in lists], JobListDefaults(Settings())).jobs
    assert [job.name for job in jobs] == [str(each.parent / "a.mp4") for each in lists]


def test_every_setting_has_a_name_of_its_own() -> None:
    keys = [
        key
        for section in SECTIONS.values()
        for key, kind in kinds(section).items()
        if not kind.secret
    ]
    assert len(keys) == len(set(keys))
    assert set(overridable()) == {*keys, "server"}


def test_which_jobs_are_taken(tmp_path: Path) -> None:
    rows = "".join(f"a.png,a.wav,day{n % 2}/take{n}.mp4\n" for n in range(10))
    jobs = _collect(tmp_path / "j.csv", "avatar,audio,output\n" + rows)

    def names(**chosen: object) -> list[str]:
        return [job.name.removeprefix("day") for job in Selection(**chosen).of(jobs)]

    shards = [names(shard=(number, 3)) for number in (1, 2, 3)]
    assert shards[1] == ["1/take1", "0/take4", "1/take7"]
    assert sorted(name for shard in shards for name in shard) == sorted(names())
    assert names(only=("day1/*", "day0/take2"), limit=2) == ["1/take1", "0/take2"]
    assert names(shard=(1, 2), limit=2) == ["0/take0", "0/take2"]
    with pytest.raises(errors.UsageError, match="no job has this name") as caught:
        names(only=("day1/take2",))
    assert "did you mean day1/take" in (caught.value.hint or "")
