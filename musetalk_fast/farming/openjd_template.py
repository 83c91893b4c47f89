"""A job of Open Job Description, as Deadline Cloud, `openjd run` and others take it.

https://github.com/OpenJobDescription/openjd-specifications/wiki/2023-09-Template-Schemas and its
extension TASK_CHUNKING. The program is started without a shell, so that a signal reaches it.
"""

from __future__ import annotations

from typing import Any

from musetalk_fast.farming.farm_job import FarmJob, FarmOptions, File, Words

_NOTICE_SECS = 30
"""Between the request to stop and the kill: a render stops within two."""

_START_SERVER = """\
#!/usr/bin/env bash
set -euo pipefail
cd "$1"
: >server.log  # before anything looks for it
nohup musetalk-fast serve --engine "$2" --port 0 >server.log 2>server.err </dev/null &
echo $! >server.pid
for _ in $(seq 1200); do
    address=$(sed -n 's/^listening on //p' server.log)
    if [ -n "$address" ]; then
        echo "openjd_env: MUSETALK_SERVER_URL=$address"
        exit 0
    fi
    kill -0 "$(cat server.pid)" 2>/dev/null || break
    sleep 0.5
done
kill "$(cat server.pid)" 2>/dev/null || true
cat server.err >&2
echo "openjd_fail: the server did not start"
exit 1
"""
_STOP_SERVER = """\
#!/usr/bin/env bash
cd "$1"
kill "$(cat server.pid)"
for _ in $(seq 60); do
    kill -0 "$(cat server.pid)" 2>/dev/null || exit 0
    sleep 0.5
done
kill -KILL "$(cat server.pid)"
"""


def job_template(job: FarmJob, options: FarmOptions, settings: File) -> dict[str, Any]:
    """The template; its parameters have no values for files.

    Args:
        settings: the configuration file of all tasks.
    """
    paths = {file.name: _value(file) for file in job.files}
    steps = [_tasks(job, options, job.task(paths, "{{Task.Param.Number}}"))]
    if (before := job.before(paths)) is not None:
        steps.insert(0, _step("Plan", before))
        steps[1]["dependencies"] = [{"dependsOn": "Plan"}]
    if (after := job.after(paths)) is not None:
        steps.append({**_step("Join", after), "dependencies": [{"dependsOn": "Render"}]})
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "extensions": ["TASK_CHUNKING"],
        "name": options.name,
        "parameterDefinitions": [
            *map(_parameter, (*job.files, settings)),
            *_engine_parameter(options),
        ],
        "jobEnvironments": [
            {
                "name": "Settings",
                "variables": {"MUSETALK_CONFIG_PATH": f"{{{{Param.{settings.name}}}}}"},
            }
        ],
        "steps": steps,
    }


def _value(file: File) -> str:
    """Where a parameter's value is put."""
    return f"{{{{Param.{file.name}}}}}"


def _engine_parameter(options: FarmOptions) -> list[dict[str, Any]]:
    if options.engine is None:
        return []
    return [
        {
            "name": "Engine",
            "type": "STRING",
            "description": "Of the server that each session starts (`musetalk-fast serve`).",
            "default": options.engine,
        }
    ]


def _parameter(file: File) -> dict[str, Any]:
    return {
        "name": file.name,
        "type": "PATH",
        "objectType": "DIRECTORY" if file.is_folder else "FILE",
        "dataFlow": "OUT" if file.is_output else "IN",
    }


def _tasks(job: FarmJob, options: FarmOptions, words: Words) -> dict[str, Any]:
    step = _step("Render", words)
    step["parameterSpace"] = {
        "taskParameterDefinitions": [
            {
                "name": "Number",
                "type": "CHUNK[INT]",
                "range": f"{job.tasks[0]}-{job.tasks[-1]}",
                "chunks": {"defaultTaskCount": job.chunk, "rangeConstraint": "CONTIGUOUS"},
            }
            if job.chunk > 1
            else {"name": "Number", "type": "INT", "range": f"{job.tasks[0]}-{job.tasks[-1]}"}
        ]
    }
    if options.engine is not None:
        step["stepEnvironments"] = [_server()]
    if options.gpus:
        step["hostRequirements"] = {"amounts": [{"name": "amount.worker.gpu", "min": options.gpus}]}
    return step


def _step(name: str, words: Words) -> dict[str, Any]:
    command, *arguments = words
    action = {
        "command": command,
        "args": [*arguments, "--progress", "openjd"],
        "cancelation": {
            "mode": "NOTIFY_THEN_TERMINATE",
            "notifyPeriodInSeconds": _NOTICE_SECS,
        },
    }
    return {"name": name, "script": {"actions": {"onRun": action}}}


def _server() -> dict[str, Any]:
    scripts = {"Start": _START_SERVER, "Stop": _STOP_SERVER}
    # As arguments: in a script, values would be its text.
    folder = "{{Session.WorkingDirectory}}"
    start = ["{{Env.File.Start}}", folder, "{{Param.Engine}}"]
    return {
        "name": "Server",
        "script": {
            "actions": {
                "onEnter": {"command": "bash", "args": start, "timeout": 900},
                "onExit": {
                    "command": "bash",
                    "args": ["{{Env.File.Stop}}", folder],
                    "timeout": 60,
                },
            },
            "embeddedFiles": [
                {"name": name, "type": "TEXT", "data": data} for name, data in scripts.items()
            ],
        },
    }
