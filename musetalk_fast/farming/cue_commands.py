"""Files of commands, a task in each line, as OpenCue's `cuecmd` takes them.

https://docs.opencue.io/docs/reference/commands/cuecmd/
"""

from __future__ import annotations

import shlex

from musetalk_fast.errors import UsageError
from musetalk_fast.farming.farm_job import FarmJob, Words, absolute_paths, chunks


def cue_commands(job: FarmJob, settings: str) -> dict[str, str]:
    """The files by name, to be submitted one after the other: `1-plan.cmd` before the tasks.

    Args:
        settings: path of the settings file.

    Raises:
        errors.UsageError: a path cannot stand in a line.
    """
    paths = absolute_paths(job)
    steps: list[tuple[str, list[Words]]] = [
        ("tasks", [job.task(paths, numbers) for numbers in chunks(job)])
    ]
    if (before := job.before(paths)) is not None:
        steps.insert(0, ("plan", [before]))
    if (after := job.after(paths)) is not None:
        steps.append(("join", [after]))
    return {
        f"{number}-{name}.cmd": "".join(f"{_line(words, settings)}\n" for words in commands)
        for number, (name, commands) in enumerate(steps, 1)
    }


def _line(words: Words, settings: str) -> str:
    """A command as `sh -c` takes it, which `exec` keeps out of the way of signals."""
    command = ["exec", "env", f"MUSETALK_CONFIG_PATH={settings}", *words]
    for word in command:
        if "\n" in word or "\r" in word:
            raise UsageError(
                "a command is a line: a path with a line break cannot be in it",
                where=word,
                hint="rename the file or its folder",
            )
    return shlex.join(command)
