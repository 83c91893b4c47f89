"""`farm export`: jobs that Open Job Description checks and runs; scripts that bash runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import av
import pytest
import yaml

from musetalk_fast.cli import farm
from musetalk_fast.farming import EXPORTERS

REPOSITORY = Path(__file__).parents[2]
PORTRAIT = REPOSITORY / "examples/portrait.png"
SPEECH = REPOSITORY / "tests/data/short.wav"
LONG_SPEECH = REPOSITORY / "examples/speech.wav"
FAST = ("--segment-secs", "1", "--preset", "ultrafast", "--resolution", "256x256")

SBATCH = """\
#!/usr/bin/env bash
# Runs an array's tasks here, one after the other, and prints a number as sbatch --parsable does.
set -e
for word; do
    case $word in
    --array=*) range=${word#--array=} range=${range%%%*} ;;
    *.sbatch) script=$word ;;
    esac
done
if [ -n "$range" ]; then
    for task in $(seq ${range%-*} ${range#*-}); do
        SLURM_ARRAY_TASK_ID=$task bash $script >&2
    done
else
    bash $script >&2
fi
echo 17
"""


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[str, ...]:
    shutil.copy(PORTRAIT, tmp_path / "portrait.png")
    shutil.copy(SPEECH, tmp_path / "it's speech.wav")
    return "-i", "portrait.png", "-a", "it's speech.wav", "-o", "out.mp4"


def test_each_engine_can_be_chosen() -> None:
    assert set(EXPORTERS) == set(farm._TARGETS)


def _environment(tmp_path: Path, **variables: str) -> dict[str, str]:
    """In which the program is on the path, and a user without settings."""
    programs = tmp_path / "bin"
    programs.mkdir(exist_ok=True)
    program = programs / "musetalk-fast"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m musetalk_fast "$@"\n')
    program.chmod(0o755)
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {name: os.environ[name] for name in os.environ if not name.startswith("MUSETALK_")}
    home = {"HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path)}
    return environ | home | variables | {"PATH": path}


def _openjd(tmp_path: Path, *words: str) -> list[str]:
    values = yaml.safe_load((tmp_path / "job/parameter_values.yaml").read_text())
    given = [f"-p{each['name']}={each['value']}" for each in values["parameterValues"]]
    return [sys.executable, "-m", "openjd", "run", "job/template.yaml", *given, *words]


def _frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_open_job_description_runs_a_clip_in_chunks(run, tmp_path: Path, inputs) -> None:
    export = ("farm", "export", "--to", "openjd", "--bundle", "job", "--chunk", "2")
    done = run(*export, "--serve", "preview", *inputs, *FAST)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Bundle: job (2 tasks; settings.toml, template.yaml, ")
    template = yaml.safe_load((tmp_path / "job/template.yaml").read_text())
    from openjd.model import decode_job_template  # a second

    decode_job_template(template=template, supported_extensions=["TASK_CHUNKING"])
    assert str(tmp_path) not in (tmp_path / "job/template.yaml").read_text()
    # Another machine has the files elsewhere.
    (tmp_path / "mounted").mkdir()
    for name in ("portrait.png", "it's speech.wav", "job"):
        (tmp_path / name).rename(tmp_path / "mounted" / name)
    (tmp_path / "job").symlink_to(tmp_path / "mounted/job")
    rule = {"source_path_format": "POSIX", "source_path": str(tmp_path),
            "destination_path": str(tmp_path / "mounted")}  # fmt: skip
    rules = json.dumps({"version": "pathmapping-1.0", "path_mapping_rules": [rule]})
    whole = subprocess.run(
        _openjd(tmp_path, "--path-mapping-rules", rules),
        cwd=tmp_path, env=_environment(tmp_path), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert whole.returncode == 0, whole.stdout
    assert "Chunks run: 4" in whole.stdout
    assert "openjd_progress: 100" in whole.stdout
    assert "ERROR" not in whole.stdout
    assert _frames(tmp_path / "mounted/out.mp4") == 75


@pytest.mark.long
def test_a_task_that_fails_stops_the_job_and_says_why(run, tmp_path: Path, inputs) -> None:
    export = ("farm", "export", "--to", "openjd", "--bundle", "job", "--chunk", "3")
    assert run(*export, "-s", "http://127.0.0.1:9", *inputs, *FAST).returncode == 0
    (tmp_path / "portrait.png").write_bytes(b"no picture")
    whole = subprocess.run(
        _openjd(tmp_path), cwd=tmp_path, env=_environment(tmp_path),
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert whole.returncode == 1
    assert "openjd_fail: MTF-" in whole.stdout
    assert "exited with code: 65 " in whole.stdout
    assert "Running step 'Render'" not in whole.stdout


@pytest.mark.long
def test_a_job_that_is_cancelled_leaves_its_parts(
    run, tmp_path: Path, inputs, preview_server: str
) -> None:
    shutil.copy(LONG_SPEECH, tmp_path / "it's speech.wav")
    # A whole clip in a task; frames are larger, so that the first part is not the last frame.
    export = ("farm", "export", "--to", "openjd", "--bundle", "job", "-s", preview_server)
    slow = ("--segment-secs", "1", "--preset", "veryslow")
    assert run(*export, *inputs, *slow).returncode == 0
    with subprocess.Popen(
        _openjd(tmp_path), cwd=tmp_path, env=_environment(tmp_path),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as running:  # fmt: skip
        assert running.stdout is not None
        for line in running.stdout:
            if "openjd_progress: " in line and list(tmp_path.glob("out.mp4.parts/0*.mp4")):
                break
        running.send_signal(signal.SIGTERM)
        rest = running.stdout.read()
        assert running.wait() == 1
    assert "exited with code: 143 " in rest
    assert not (tmp_path / "out.mp4").exists()
    assert list(tmp_path.glob("out.mp4.parts/0*.mp4"))


def test_slurm_runs_a_clip_in_chunks(run, tmp_path: Path, inputs, preview_server: str) -> None:
    export = ("farm", "export", "--to", "slurm", "--bundle", "job", "--chunk", "2", "--gpus", "1")
    limit = ("--at-once", "2", "--name", "a clip")
    done = run(*export, *limit, "-s", preview_server, *inputs, *FAST)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "job/tasks.sbatch").read_text().splitlines() == [
        "#!/usr/bin/env bash",
        "#SBATCH --job-name='a clip'",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
        "#SBATCH --gpus=1",
        "set -euo pipefail",
        f"export MUSETALK_CONFIG_PATH={tmp_path}/job/settings.toml",
        "export MUSETALK_PROGRESS=plain",
        "all=(0-1 2)",
        "numbers=${all[SLURM_ARRAY_TASK_ID]}",
        f'exec musetalk-fast segment {tmp_path}/out.mp4.parts --segments "$numbers"',
    ]
    environ = _environment(tmp_path)
    (tmp_path / "bin/sbatch").write_text(SBATCH)
    (tmp_path / "bin/sbatch").chmod(0o755)
    whole = subprocess.run(
        ["job/submit.sh"], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300
    )
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.splitlines()[-2:] == ["tasks: job 17", "join: job 17"]
    assert _frames(tmp_path / "out.mp4") == 75


def test_opencue_has_a_command_in_each_line(run, tmp_path: Path, inputs) -> None:
    (tmp_path / "clips").mkdir()
    for name in ("anna", "bob", "carl"):
        shutil.copy(SPEECH, tmp_path / f"clips/{name}.wav")
    export = ("farm", "export", "--to", "cuecmd", "--bundle", "job", "clips", "-i", "portrait.png")
    assert run(*export, "-o", "rendered", "--chunk", "2", "--crf", "30").returncode == 0
    known = f"exec env MUSETALK_CONFIG_PATH={tmp_path}/job/settings.toml musetalk-fast batch "
    known += f"{tmp_path}/clips -i {tmp_path}/portrait.png -o {tmp_path}/rendered --shard "
    assert (tmp_path / "job/1-tasks.cmd").read_text() == f"{known}1/2\n{known}2/2\n"
    assert (tmp_path / "job/settings.toml").read_text().splitlines()[2:] == ["[output]", "crf = 30"]
    again = run(*export, "-o", "rendered")
    assert again.returncode == 0, again.stderr
    assert len((tmp_path / "job/1-tasks.cmd").read_text().splitlines()) == 3


def test_a_flag_puts_back_its_alternatives_in_the_bundle(run, tmp_path: Path, inputs) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[avatar]\nface_box = '1,2,30,40'\n[output]\ncrf = 18\n")
    words = ("farm", "export", "--to", "slurm", "--bundle", "job", "--quality", "80")
    done = run(*words, "--face", "left", *inputs, MUSETALK_CONFIG_PATH=str(file))
    assert done.returncode == 0, done.stderr
    chosen = tomllib.loads((tmp_path / "job/settings.toml").read_text())
    assert chosen == {"avatar": {"face": "left"}, "output": {"quality": 80}}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--to", "slurm", "-o", "x.mp4"), 2, "give INPUTS of many videos, or -a/--audio of one"),
        (("--to", "slurm", "-a", "a.wav", "-o", "x.mp4"), 2, "missing -i/--avatar"),
        (("--to", "slurm", "--serve", "preview", "-o", "x"), 2, "--serve is not for slurm"),
        (("--to", "cuecmd", "--at-once", "2", "-o", "x"), 2, "--at-once is not for cuecmd"),
        (("--to", "openjd", "--name", "{{x", "-o", "x"), 2, "cannot be a job's name"),
        (("--to", "openjd", "--name", "x}}", "-o", "x"), 2, "cannot be a job's name"),
        (("--to", "slurm", "-i", "absent.png", "-a", "a.wav", "-o", "x.mp4"), 66, "no such file"),
    ],
)
def test_what_cannot_be_exported(
    run, tmp_path: Path, words: tuple[str, ...], code: int, message: str
) -> None:
    done = run("farm", "export", "--bundle", "job", *words)
    assert done.returncode == code
    assert message in done.stderr
    assert not (tmp_path / "job").exists()


def test_a_folder_of_other_files_and_a_key_stay_out(run, tmp_path: Path, inputs) -> None:
    (tmp_path / "key").write_text("secret")
    export = ("farm", "export", "--to", "slurm", "--bundle", "job", "--api-key-file", "key")
    assert run(*export, *inputs, MUSETALK_SERVER_CERT="c.pem").returncode == 0
    settings = (tmp_path / "job/settings.toml").read_text()
    assert "secret" not in settings
    assert f'api_key_file = "{tmp_path}/key"' in settings
    assert f'cert = "{tmp_path}/c.pem"' in settings
    set_here = run(*export[:-2], *inputs, MUSETALK_API_KEY="secret")
    assert "is not in the bundle" in set_here.stderr
    assert not [each for each in (tmp_path / "job").iterdir() if "secret" in each.read_text()]
    (tmp_path / "job/notes.txt").write_text("mine")
    again = run(*export, *inputs)
    assert again.returncode == 73
    assert "the folder holds other files: notes.txt" in again.stderr


@pytest.mark.parametrize(
    ("options", "otherwise"),
    [((), "makes a preview where none answers"), (("--chunk", "2"), "fails where none answers")],
)
def test_a_job_that_names_no_server_says_what_becomes_of_it(
    run, inputs, options: tuple[str, ...], otherwise: str
) -> None:
    export = ("farm", "export", "--to", "slurm", "--bundle", "job", *options, *inputs, *FAST)
    done = run(*export)
    assert done.returncode == 0, done.stderr
    assert f"on its own machine and {otherwise}; give -s (MTF-NO-SERVER)" in done.stderr
    assert "MTF-NO-SERVER" not in run(*export, "-s", "http://gpu1:8000").stderr
