"""Man pages and shell completion as files, where systems look for them below a prefix."""

from __future__ import annotations

from pathlib import Path

from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from build_steps.described_commands import PROGRAM, described_commands
from build_steps.man_pages import SECTION, man_page
from musetalk_fast.cli.main import cli

MAN = f"share/man/man{SECTION}"
COMPLETIONS: dict[str, tuple[type[ShellComplete], str]] = {
    f"share/bash-completion/completions/{PROGRAM}": (BashComplete, "bash"),
    f"share/zsh/site-functions/_{PROGRAM}": (ZshComplete, "zsh"),
    f"share/fish/vendor_completions.d/{PROGRAM}.fish": (FishComplete, "fish"),
}
VARIABLE = "_MUSETALK_FAST_COMPLETE"
"""By which click's scripts ask the program for completions."""


def command_files() -> dict[str, str]:
    """The text of each file, by its path below the prefix."""
    commands = list(described_commands())
    files = {f"{MAN}/{command.page}.{SECTION}": man_page(command, commands) for command in commands}
    for path, (shell, _) in COMPLETIONS.items():
        # Not the shell's own `source()`: for bash it would run the bash of this machine.
        files[path] = ShellComplete.source(shell(cli, {}, PROGRAM, VARIABLE)) + "\n"
    return files


def write_command_files(folder: Path) -> list[tuple[str, list[str]]]:
    """Write them into a folder; gives them as setuptools takes data files."""
    written: dict[str, list[str]] = {}
    for path, text in command_files().items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        written.setdefault(str(Path(path).parent), []).append(str(file))
    return list(written.items())
