"""Runs commands one after another, each in a fork of a process that has imported other packages.

They are half of the processor time of a short command. Nothing of `musetalk_fast` is imported
before the fork, and each command has its own environment, folder and output.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

PACKAGES = ("aiohttp", "av", "click", "numpy", "orjson", "PIL.Image", "uvloop")


class CommandServer:
    """Starts the process; a context manager that ends it."""

    def __init__(self) -> None:
        command = [sys.executable, __file__]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def __enter__(self) -> CommandServer:
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(60)

    def run(
        self, arguments: list[str], folder: Path, environ: dict[str, str], output: Path
    ) -> subprocess.CompletedProcess[str]:
        """`python -m musetalk_fast ARGUMENTS` in a folder.

        Args:
            output: an empty folder for what it prints.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = [arguments, str(folder), environ, str(output)]
        print(json.dumps(asked), file=self._process.stdin)
        code = int(self._process.stdout.readline())
        texts = [(output / name).read_text() for name in ("stdout", "stderr")]
        return subprocess.CompletedProcess(arguments, code, *texts)


def _serve() -> None:
    for package in PACKAGES:
        __import__(package)
    requests, results = os.dup(0), os.dup(1)
    lines = os.fdopen(requests)
    for line in lines:
        child = os.fork()
        if not child:
            lines.close()
            os.close(results)
            _become(*json.loads(line))
            return
        _, status = os.waitpid(child, 0)
        os.write(results, b"%d\n" % os.waitstatus_to_exitcode(status))


def _become(arguments: list[str], folder: str, environ: dict[str, str], output: str) -> None:
    """Be the command; ends as it ends."""
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    sys.path[0] = folder
    files = (os.devnull, f"{output}/stdout", f"{output}/stderr")
    for number, path in enumerate(files):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = ["musetalk-fast", *arguments]
    runpy.run_module("musetalk_fast", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
