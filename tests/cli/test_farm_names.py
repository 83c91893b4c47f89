"""Whatever files and jobs are called, the tasks of a farm get their names as they are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
NAME = """-it's "a" $(touch x) `touch y` {{z}} \\ #IFRAME# ünï: - 'b' %s"""
JOB = NAME.replace("{{z}}", "")
PROGRAM = """\
import json, os, sys
with open(os.environ["CALLS"], "a") as file:
    print(json.dumps([os.environ["MUSETALK_CONFIG_PATH"], *sys.argv[1:]]), file=file)
"""
"""In place of ours: keeps what it is called with."""
SBATCH = """\
#!/usr/bin/env bash
for last; do :; done
SLURM_ARRAY_TASK_ID=0 bash "$last" >&2
echo 17
"""


class Place:
    """A folder with inputs, its exported job, and what ran in place of the program."""

    def __init__(self, run, tmp_path: Path, name: str) -> None:
        self.run, self.tmp_path, self.folder = run, tmp_path, tmp_path / name
        self.folder.mkdir()
        shutil.copy(REPOSITORY / "examples/portrait.png", self.folder / "-a.png")
        shutil.copy(REPOSITORY / "tests/data/short.wav", self.folder / "a.wav")

    def export(self, to: str, *options: str) -> subprocess.CompletedProcess[str]:
        files = ("-i", f"{self.folder}/-a.png", "-a", f"{self.folder}/a.wav")
        out = ("-o", f"{self.folder}/-o.mp4", "--bundle", f"{self.folder}/job")
        return self.run("farm", "export", "--to", to, "--chunk", "9", *files, *out, *options)

    def calls(self, *command: str) -> list[list[str]]:
        """What the program is called with when this runs."""
        programs = self.tmp_path / "bin"
        programs.mkdir(exist_ok=True)
        for name, text in (("musetalk-fast", f"#!{sys.executable}\n{PROGRAM}"), ("sbatch", SBATCH)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        environ = os.environ | {
            "PATH": f"{programs}:{os.environ['PATH']}", "CALLS": str(self.tmp_path / "calls")
        }  # fmt: skip
        done = subprocess.run(
            command, cwd=self.tmp_path, env=environ, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert not list(self.tmp_path.rglob("[xy]")), "a name was a command"
        return [json.loads(line) for line in (self.tmp_path / "calls").read_text().splitlines()]

    def command_files(self) -> list[Path]:
        return sorted((self.folder / "job").glob("*.cmd"))

    def right(self, *progress: str, numbers: str = "0") -> list[list[str]]:
        settings, place = f"{self.folder}/job/settings.toml", str(self.folder)
        inputs = ["-i", f"{place}/-a.png", "-a", f"{place}/a.wav", "-o", f"{place}/-o.mp4"]
        return [
            [settings, "plan", *inputs, *progress],
            [settings, "segment", f"{place}/-o.mp4.parts", "--segments", numbers, *progress],
            [settings, "join", f"{place}/-o.mp4.parts", *progress],
        ]


@pytest.mark.parametrize("name", [NAME, "two\nlines\r "])
def test_slurm(run, tmp_path: Path, name: str) -> None:
    place = Place(run, tmp_path, name)
    assert place.export("slurm", "--name", JOB).returncode == 0
    assert place.calls("bash", f"{place.folder}/job/submit.sh") == place.right()


def test_opencue(run, tmp_path: Path) -> None:
    place = Place(run, tmp_path, NAME)
    assert place.export("cuecmd").returncode == 0
    lines = [line for file in place.command_files() for line in file.read_text().splitlines()]
    assert len(lines) == 3
    assert place.calls("sh", "-c", "\n".join(f"({line})" for line in lines)) == place.right()


def test_opencue_itself(run, tmp_path: Path) -> None:
    """What a frame of a `cuecmd` job runs."""
    reason = "no cuecmd: pip install --no-deps opencue-cuecmd"
    cuecmd = pytest.importorskip("cuecmd", reason=reason)
    place = Place(run, tmp_path, NAME)
    assert place.export("cuecmd").returncode == 0
    frame = Path(cuecmd.__file__).with_name("execute_commands.py")
    for file in place.command_files():
        made = place.calls(sys.executable, str(frame), str(file), "1", "--frame", "1")
    assert made == place.right()


@pytest.mark.parametrize("name", ["two\nlines", "returned\r"])
def test_opencue_has_no_place_for_line_breaks(run, tmp_path: Path, name: str) -> None:
    place = Place(run, tmp_path, name)
    done = place.export("cuecmd")
    assert done.returncode == 2
    assert "a path with a line break cannot be in it (MTF-USAGE)" in done.stderr
    assert not (place.folder / "job").exists()


@pytest.mark.parametrize("to", ["cuecmd", "openjd"])
def test_text_has_no_place_for_bytes(run, tmp_path: Path, to: str) -> None:
    place = Place(run, tmp_path, os.fsdecode(b"\xff"))
    done = place.export(to)
    assert done.returncode == 2
    assert "a name that is not UTF-8 cannot be written" in done.stderr
    assert not (place.folder / "job").exists()


@pytest.mark.parametrize("name", [NAME, "two\nlines "])
def test_open_job_description(run, tmp_path: Path, name: str) -> None:
    place = Place(run, tmp_path, name)
    assert place.export("openjd", "--name", JOB).returncode == 0
    job = place.folder / "job"
    values = yaml.safe_load((job / "parameter_values.yaml").read_text())["parameterValues"]
    given = json.dumps({each["name"]: each["value"] for each in values})
    openjd = (sys.executable, "-m", "openjd", "run", str(job / "template.yaml"))
    right = place.right("--progress", "openjd", numbers="0-0")
    assert place.calls(*openjd, f"-p{given}") == right
