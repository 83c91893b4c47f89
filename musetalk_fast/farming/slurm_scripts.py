"""A Slurm array, and a job that joins when all of it has succeeded.

https://slurm.schedmd.com/job_array.html, https://slurm.schedmd.com/sbatch.html
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

from musetalk_fast.farming.farm_job import FarmJob, FarmOptions, Words, absolute_paths, chunks


def slurm_scripts(job: FarmJob, options: FarmOptions, settings: str) -> dict[str, str]:
    """The scripts by file name: `submit.sh` and those that it submits.

    Args:
        settings: path of the settings file.
    """
    paths = absolute_paths(job)
    before, after = job.before(paths), job.after(paths)
    scripts = {"submit.sh": _submit(job, options, after is not None)}
    if before is not None:
        scripts["submit.sh"] = _planned(scripts["submit.sh"], before, settings)
    scripts["tasks.sbatch"] = _tasks(job, options, settings)
    if after is not None:
        without_gpu = replace(options, gpus=0)
        scripts["join.sbatch"] = _script(without_gpu, settings, [f"exec {shlex.join(after)}"])
    return scripts


def _planned(submit: str, before: Words, settings: str) -> str:
    """The plan is written where the job is submitted, which has the files too."""
    lines = submit.splitlines()
    plan = [f"export MUSETALK_CONFIG_PATH={shlex.quote(settings)}", shlex.join(before)]
    return "\n".join([*lines[:3], *plan, *lines[3:]]) + "\n"


def _submit(job: FarmJob, options: FarmOptions, joins: bool) -> str:
    last = len(chunks(job)) - 1
    limit = f"%{options.at_once}" if options.at_once else ""
    lines = [
        "#!/usr/bin/env bash",
        "set -euo pipefail",
        'cd "$(dirname "$0")"',
        f"tasks=$(sbatch --parsable --array=0-{last}{limit} tasks.sbatch)",
        'echo "tasks: job $tasks"',
    ]
    if joins:
        lines += [
            'after="afterok:${tasks%%;*}"',
            'join=$(sbatch --parsable --dependency="$after" --kill-on-invalid-dep=yes join.sbatch)',
            'echo "join: job $join"',
        ]
    return "\n".join(lines) + "\n"


def _tasks(job: FarmJob, options: FarmOptions, settings: str) -> str:
    command = shlex.join(job.task(absolute_paths(job), "@NUMBERS@"))
    # The word that has the numbers was quoted by itself.
    command = command.replace("'@NUMBERS@'", "@NUMBERS@").replace("@NUMBERS@", '"$numbers"')
    numbers = " ".join(chunks(job))
    return _script(
        options,
        settings,
        [f"all=({numbers})", "numbers=${all[SLURM_ARRAY_TASK_ID]}", f"exec {command}"],
    )


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
                f"export MUSETALK_CONFIG_PATH={shlex.quote(settings)}",
                "export MUSETALK_PROGRESS=plain",
                *lines,
            ]
        )
        + "\n"
    )
