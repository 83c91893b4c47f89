"""Man pages and completion say what the commands take, and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess

import click
import pytest

from build_steps.command_files import COMPLETIONS, MAN, VARIABLE, command_files
from build_steps.described_commands import PROGRAM, described_commands
from musetalk_fast.cli.main import cli

FILES = command_files()
COMMANDS = {command.path[1:]: command for command in described_commands()}


def _command(path: tuple[str, ...]) -> click.Command:
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        below = command.get_command(click.Context(command), name)
        assert below is not None
        command = below
    return command


def test_every_command_has_a_page() -> None:
    for path in COMMANDS:
        command = _command(path)
        assert f"{MAN}/{'-'.join((PROGRAM, *path))}.1" in FILES
        if isinstance(command, click.Group):
            below = set(command.list_commands(click.Context(command)))
            assert below == {other[-1] for other in COMMANDS if other and other[:-1] == path}
    assert {path[:1] for path in COMMANDS if path} == {(name,) for name in cli.list_commands(None)}


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_page_has_the_commands_flags_and_no_others(path: tuple[str, ...]) -> None:
    page = FILES[f"{MAN}/{COMMANDS[path].page}.1"].replace("\\-", "-")
    terms = re.findall(r"^\.TP\n\\fB(.*)\\fR$", page, re.MULTILINE)
    shown = {flag for term in terms for flag in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", term)}
    options = [param for param in _command(path).params if isinstance(param, click.Option)]
    public = [param for param in options if not param.hidden]
    taken = {flag for param in public for flag in (*param.opts, *param.secondary_opts)}
    assert shown - {"-h", "--help"} == taken
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"):
        assert f".SH {heading}\n" in page


def test_pages_are_valid() -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("no groff")
    pages = [text for name, text in FILES.items() if name.startswith(MAN)]
    command = [groff, "-man", "-ww", "-Tutf8", "-rHY=0", "-"]
    done = subprocess.run(command, input="".join(pages), capture_output=True, text=True)
    assert done.stderr == ""
    for line in ("musetalk-fast render -i anna.png", "--frame-timeout-secs SECONDS"):
        assert line in re.sub("\x1b\\[[0-9;]*m|.\b", "", done.stdout).replace("‐", "-")


@pytest.mark.parametrize(("path", "shell"), [(path, it[1]) for path, it in COMPLETIONS.items()])
def test_a_shells_script_asks_as_the_program_answers(
    path: str, shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = FILES[path]
    assert f"{VARIABLE}={shell}_complete" in script
    assert "%(" not in script
    # As the script does, of `musetalk-fast ren`; fish says the last word as its own.
    monkeypatch.setenv(VARIABLE, f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", f"{PROGRAM} ren")
    monkeypatch.setenv("COMP_CWORD", "ren" if shell == "fish" else "1")
    with pytest.raises(SystemExit):
        cli.main([], prog_name=PROGRAM)
    assert "render" in capsys.readouterr().out


def test_bash_completes_with_the_installed_script(tmp_path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    (path,) = (path for path, (_, shell) in COMPLETIONS.items() if shell == "bash")
    script = tmp_path / PROGRAM
    script.write_text(FILES[path])
    asks = f"set -eu; . {script}; complete -p {PROGRAM}"
    done = subprocess.run([bash, "-c", asks], capture_output=True, text=True)
    assert f"-F _musetalk_fast_completion {PROGRAM}" in done.stdout, done.stderr
