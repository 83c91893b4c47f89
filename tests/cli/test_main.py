"""What every command does alike: exit codes, words for what went wrong, a quick start."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from musetalk_fast import __version__
from musetalk_fast.cli.error_report import describe, in_words
from musetalk_fast.cli.main import COMMANDS, cli

PORTRAIT = Path(__file__).parents[2] / "examples/portrait.png"
SPEECH = Path(__file__).parents[1] / "data/short.wav"
FILES = ("-i", "a.png", "-a", "a.wav", "-o", "a.mp4")


def test_version(run) -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"musetalk-fast {__version__}\n")


def test_a_short_answer_imports_nothing_heavy() -> None:
    script = """
import sys
sys.argv[1:] = ["--version"]
from musetalk_fast.cli.main import main
try:
    main()
finally:
    heavy = {"numpy", "av", "aiohttp", "asyncio", "uvloop", "orjson", "numba", "soxr"}
    print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines() == [f"musetalk-fast {__version__}", "[]"]


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_fits_a_terminal(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, [*command, "--help"], prog_name="musetalk-fast")
    assert done.exit_code == 0, done.output
    assert max(map(len, done.output.splitlines())) <= 80
    assert done.output.startswith("Usage: musetalk-fast")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_argument_and_has_an_example(command: str) -> None:
    help_text = CliRunner().invoke(cli, [command, "--help"]).output
    before, examples = help_text.split("Examples:\n")
    assert f"  musetalk-fast {command} " in examples.replace("\n", " \n")
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    arguments = [param for param in found.params if isinstance(param, click.Argument)]
    explained = re.findall(r"^  (\S+) {2,}\S", before.partition("\nArguments:\n")[2], re.MULTILINE)
    metavars = [argument.make_metavar(click.Context(found)) for argument in arguments]
    assert explained[: len(metavars)] == metavars


def test_a_plan_has_no_options_about_servers() -> None:
    help_text = CliRunner().invoke(cli, ["plan", "--help"]).output
    assert "Server:" not in help_text
    assert "--segment-secs" in help_text
    assert "--max-retries" not in help_text


def test_options_of_render_stand_in_groups() -> None:
    help_text = CliRunner().invoke(cli, ["render", "--help"]).output
    places = [
        help_text.index(f"\n{group}:\n")
        for group in ("Files", "Server", "Face", "Video", "Processing")
    ]
    assert places == sorted(places)
    assert "Examples:\n  " in help_text


def test_no_command_shows_the_help(run) -> None:
    done = run()
    assert done.returncode == 2
    assert "Usage: musetalk-fast" in done.stderr


USAGE = [
    (("rendr",), "did you mean render?", "musetalk-fast --help"),
    (("render",), "Missing option '-i'", "musetalk-fast render --help"),
    (("render", *FILES, "--nope"), "--nope", "musetalk-fast render --help"),
    (("render", *FILES, "--fps", "500"), "1 to 240 frames a second", "render --help"),
    (("render", *FILES, "--resolution", "7x7"), "both even and from 64 to 8192", "render --help"),
    (("render", *FILES, "--crf", "64"), "from 0 to 63, not '64'", "render --help"),
    (
        ("render", *FILES, "--sound", "loud"),
        "one of auto, copy, aac, opus, flac, none",
        "render --help",
    ),
    (("render", *FILES, "--face-box", "1,2"), "X,Y,W,H", "render --help"),
    (("render", *FILES, "-q", "--json"), "-q prints nothing", "render --help"),
    (("render", *FILES, "--progress", "openjd", "-q"), "not none and openjd", "render --help"),
    (("render", *FILES, "extra"), "extra", "render --help"),
    (("render", *FILES, "-s", "gpu:8000"), "'gpu:8000' is not an address", "render --help"),
    (("render", *FILES, "--face", "0", "--face-center", "1,2"), "different faces", "one of them"),
    (("render", "--bogus", "--json"), "No such option", "render --help"),
    (("batch",), "INPUTS", "batch --help"),
]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"), USAGE, ids=lambda x: x if isinstance(x, str) else " ".join(x)
)
def test_wrong_usage(run, arguments: tuple[str, ...], message: str, hint: str) -> None:
    done = run(*arguments)
    assert bool(done.stdout) == ("--json" in arguments)
    words = done.stderr or "{message}\n  hint: {hint}".format(**json.loads(done.stdout))
    assert done.returncode == 2
    assert message in words.splitlines()[0]
    assert hint in words


def test_a_variable_that_is_no_setting_is_a_warning(run) -> None:
    warning = "MUSETALK_OUTPUT_FSP is not used; did you mean MUSETALK_OUTPUT_FPS?"
    done = run("render", "-n", *FILES, MUSETALK_OUTPUT_FSP="25")
    assert done.returncode == 66
    assert done.stderr.splitlines()[0] == f"warning: {warning} (MTF-CONFIG-UNKNOWN)"
    first = run("render", "-n", "--json", *FILES, MUSETALK_OUTPUT_FSP="25").stdout.splitlines()[0]
    expected = {"event": "warning", "message": warning, "token": "MTF-CONFIG-UNKNOWN"}
    assert json.loads(first) == expected


def test_configuration_mistakes(run) -> None:
    done = run("config", "path", MUSETALK_LOG_LEVEL="loud")
    assert done.returncode == 78
    assert "debug, info, warning, error, not 'loud'" in done.stderr


def test_errors_as_json(run) -> None:
    done = run("render", "--json", *FILES, MUSETALK_OUTPUT_CRF="99")
    assert done.returncode == 78
    assert done.stderr == ""
    error = json.loads(done.stdout)
    assert error["event"] == "error"
    assert (error["token"], error["exit_code"]) == ("MTF-CONFIG-VALUE", 78)
    assert error["where"] == "MUSETALK_OUTPUT_CRF"
    assert error["hint"]


def test_errors_for_open_job_description(run) -> None:
    done = run("render", *FILES, "--progress", "openjd")
    assert done.returncode == 66
    # A warning about the server may come before or between.
    lines = [line for line in done.stderr.splitlines() if "no such file" in line]
    assert lines == [
        "openjd_fail: MTF-INPUT-MISSING: no such file",
        "error: no such file (MTF-INPUT-MISSING)",
    ]


def test_a_fault_of_ours_is_70_and_shows_its_trace_on_demand(run, tmp_path) -> None:
    # A module of that name in the current folder comes before the real one.
    (tmp_path / "orjson.py").write_text("raise ValueError('broken')")
    own = {"PYTHONUNBUFFERED": "1"}  # a process of its own, which has not imported it before
    quiet = run("render", *FILES, **own)
    assert quiet.returncode == 70
    assert quiet.stderr.startswith("error: ValueError: broken (MTF-INTERNAL)\n")
    assert "hint: please report it" in quiet.stderr
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in run("render", "-v", *FILES, **own).stderr
    assert "Traceback" in run("render", *FILES, MUSETALK_LOG_LEVEL="debug", **own).stderr


def test_a_reader_that_goes_away_is_no_news() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    script = (
        "import sys; sys.argv[1:] = ['config', 'show']; import musetalk_fast.__main__ as program;"
    )
    script += "program.main()"
    done = subprocess.run([sys.executable, "-c", script], stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
@pytest.mark.parametrize(
    "words", [("--version",), ("config", "show"), ("render", "-n", "--json"), ("render", "-n")]
)
def test_a_full_disk_below_stdout_is_no_fault_of_ours(words: tuple[str, ...]) -> None:
    if words[0] == "render":
        words += ("-i", str(PORTRAIT), "-a", str(SPEECH), "-o", "x.mp4", "--no-face-check")
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "musetalk_fast", *words],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 74
    assert "(MTF-OUTPUT-WRITE)\n  where: stdout\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreadable_file_is_reported_by_its_reader() -> None:
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        for param in getattr(command, "params", ()):
            if name != "serve" and isinstance(param.type, click.Path):
                assert not param.type.readable, (name, param.name)


def test_no_address_in_a_variable_names_the_variable(run) -> None:
    done = run("render", *FILES, MUSETALK_SERVER_URL="gpu:8000")
    assert done.returncode == 78
    assert "  where: MUSETALK_SERVER_URL\n" in done.stderr


def test_a_flag_that_chooses_a_face_comes_before_a_variable_that_does() -> None:
    from musetalk_fast.cli.settings_loading import load

    ctx = click.Context(cli)
    ctx.meta["musetalk_fast.flags"] = {("avatar", "face"): "left"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MUSETALK_AVATAR_FACE_BOX", "1,2,30,40")
        assert load(ctx).avatar.options().face_box is None
        ctx.meta.clear()
        assert load(ctx).avatar.options().face_box is not None


def test_control_characters_do_not_reach_the_terminal() -> None:
    error = click.UsageError("\x1b[31mred\nnews")
    assert in_words(describe(error)).splitlines()[0] == "error:  [31mred news (MTF-USAGE)"


def test_completion_of_commands_options_and_words(run) -> None:
    def complete(words: str, position: int) -> list[str]:
        variables = {"COMP_WORDS": words, "COMP_CWORD": str(position)}
        done = run(**variables, _MUSETALK_FAST_COMPLETE="bash_complete")
        return [line.split(",")[1] for line in done.stdout.splitlines()]

    assert complete("musetalk-fast re", 1) == ["render"]
    assert "--frame-encoding" in complete("musetalk-fast render --fr", 2)
    assert complete("musetalk-fast render --frame-encoding ", 3) == ["raw", "jpeg", "png"]
    assert complete("musetalk-fast render --preset ultra", 3) == ["ultrafast"]
