"""A Slurm array, and a job that joins when all of it has succeeded.

https://slurm.schedmd.com/job_array.html, https://slurm.schedmd.com/sbatch.html
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from musetalk_fast.farming.farm_job import FarmJob, FarmOptions, absolute_paths, chunks

_NUMBERS = "NUMBERS2f9c41d7OFTHETASK"


def slurm_scripts(job: FarmJob, options: FarmOptions, settings: str) -> dict[str, str]:
    """The scripts by file name: `submit.sh` and those that it submits.

    Args:
        settings: path of the settings file.
    """
    paths = absolute_paths(job)
    after = job.after(paths)
    scripts = {
        "submit.sh": _submit(job, options, settings),
        "tasks.sbatch": _tasks(job, options, settings),
    }
    if after is not None:
        without_gpu = replace(options, gpus=0)
        scripts["join.sbatch"] = _script(without_gpu, settings, [f"exec {shlex.join(after)}"])
    return scripts


def _submit(job: FarmJob, options: FarmOptions, settings: str) -> str:
    """The plan is written where the job is submitted, which has the files too."""
    paths = absolute_paths(job)
    last = len(chunks(job)) - 1
    limit = f"%{options.at_once}" if options.at_once else ""
    folder = shlex.quote(str(Path(settings).parent))
    lines = ["#!/usr/bin/env bash", "set -euo pipefail", f"cd {folder}"]
    if (before := job.before(paths)) is not None:
        lines += [_settings(settings), shlex.join(before)]
    lines += [
        f"tasks=$(sbatch --parsable --array=0-{last}{limit} tasks.sbatch)",
        'echo "tasks: job $tasks"',
    ]
    if job.after(paths) is not None:
        lines += [
            'after="afterok:${tasks%%;*}"',
            'join=$(sbatch --parsable --dependency="$after" --kill-on-invalid-dep=yes join.sbatch)',
            'echo "join: job $join"',
        ]
    return "\n".join(lines) + "\n"


def _settings(path: str) -> str:
    return f"export MUSETALK_CONFIG_PATH={shlex.quote(path)}"


def _tasks(job: FarmJob, options: FarmOptions, settings: str) -> str:
    # Nothing in a word of digits and letters is quoted, and no path has this one.
    command = shlex.join(job.task(absolute_paths(job), _NUMBERS)).replace(_NUMBERS, '"$numbers"')
    lines = [
        f"all=({' '.join(chunks(job))})",
        "numbers=${all[SLURM_ARRAY_TASK_ID]}",
        f"exec {command}",
    ]
    return _script(options, settings, lines)


def _script(options: FarmOptions, settings: str, lines: Sequence[str]) -> str:
    head = [
        "#!/usr/bin/env bash",
        f"#SBATCH --job-name={shlex.quote(options.name)}",
        "#SBATCH --requeue",
        "#SBATCH --open-mode=append",
    ]
    if options.gpus:
        head.append(f"#SBATCH --gpus={options.gpus}")
    return (
        "\n".join(
            [
                *head,
                "set -euo pipefail",
                _settings(settings),
                "export MUSETALK_PROGRESS=plain",
                *lines,
            ]
        )
        + "\n"
    )
