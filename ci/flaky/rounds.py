"""Does a test fail by chance? Runs tests again and again, and counts how often they passed.

    ci/flaky.sh [--loaded ROUNDS] [--suite ROUNDS] [--all] [--count REVISIONS] [pytest arguments]

A *suite* round runs every test, every second time from the last to the first, and records which
ones touch sockets, processes or clocks (`ci/flaky/touches.py`). A *loaded* round runs these, eight
at a time, with four busy processes beside them. Of a test function whose cases (its parameters)
take over a second of CPU together, a loaded round runs every fifth case, in turn: it runs every
function, and twenty rounds run every case four times or more. `--all`: every case in every round.
Tests that measure a browser in real time (`realtime`) run in suite rounds only.

Each round becomes a line of build/flaky/rounds.jsonl, with its commit, when it has ended; the next
call goes on until the commit has as many as asked for. `--count main~5..main` runs nothing, and
says how many rounds these commits have. Logs of rounds that failed stay in build/flaky.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "flaky"
ROUNDS = FOLDER / "rounds.jsonl"
TOUCHES = FOLDER / "touches.json"
BUSY = 4
WORKERS = {"suite": "auto", "loaded": "8"}
"""Of pytest-xdist. In a loaded round the busy processes take a third of the machine, not half."""

_PASSED = (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)

Round = dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(usage=(__doc__ or "").partition("\n\n")[2])
    parser.add_argument("--loaded", type=int, default=20)
    parser.add_argument("--suite", type=int, default=3)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--count")
    asked, arguments = parser.parse_known_args()
    if asked.count is None:
        _run(asked.loaded, asked.suite, arguments, has_all=asked.all)
    commits = [_commit()] if asked.count is None else _git("rev-list", asked.count).split()
    mine = [each for each in _read() if each["commit"] in commits]
    mine = [each for each in mine if each["arguments"] == arguments]
    print("\n".join(counted(mine)) or "no rounds yet")
    return int(any(each["failed"] for each in mine))


def _run(loaded: int, suite: int, arguments: list[str], *, has_all: bool) -> None:
    """Suite and loaded rounds until the commit has so many; the first one says what touches."""
    if not TOUCHES.exists() and not arguments:
        _round("suite", None, arguments)
    with _load():
        while (done := _done("loaded", arguments)) < loaded:
            _round("loaded", None if has_all else done, arguments)
    while _done("suite", arguments) < suite:
        _round("suite", None, arguments)


def _done(kind: str, arguments: list[str]) -> int:
    commit = _commit()
    return sum(
        (each["commit"], each["kind"], each["arguments"]) == (commit, kind, arguments)
        for each in _read()
    )


def _round(kind: str, turn: int | None, arguments: list[str]) -> None:
    number, commit = _done(kind, arguments) + 1, _commit()
    log = FOLDER / f"{commit[:12]}-{kind}-{number}.log"
    FOLDER.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-n", WORKERS[kind], "--dist", "worksteal"]
    marks = "not realtime" if kind == "loaded" else ""
    command += ["--quiet", "-rfE", "-m", marks, "-p", "ci.flaky.touches"]
    if kind == "suite":
        # A part of the suite says nothing of what the others touch.
        command += [] if arguments else ["--touches", str(TOUCHES)]
        command += ["--backward"] if number % 2 == 0 else []
    elif TOUCHES.exists():
        command += ["--only-touching", str(TOUCHES)]
        command += [] if turn is None else ["--turn", str(turn)]
    began, before = time.monotonic(), _cpu_secs()
    with log.open("wb") as output:
        status = subprocess.run(
            [*command, *arguments], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, check=False
        ).returncode
    if status == pytest.ExitCode.INTERRUPTED:
        raise SystemExit(f"{kind} {number}: interrupted, see {log}")
    text = log.read_text(errors="replace")
    record = {
        "commit": commit,
        "kind": kind,
        "arguments": arguments,
        "turn": turn,
        "tests": _passed(text),
        "failed": failures(text) or ([] if status in _PASSED else ["no test, see the log"]),
        "wall_secs": round(time.monotonic() - began),
        "cpu_secs": round(_cpu_secs() - before),
        "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    with ROUNDS.open("a") as file:
        file.write(json.dumps(record) + "\n")
    if not record["failed"]:
        log.unlink()
    print(f"{kind} {number}: {in_words(record)}", flush=True)


def in_words(record: Round) -> str:
    """`812 tests passed in 300 s (520 s of CPU); failed: tests/test_a.py::test_b`."""
    text = f"{record['tests']} tests passed in {record['wall_secs']} s"
    text += f" ({record['cpu_secs']} s of CPU)"
    return text + (f"; failed: {', '.join(record['failed'])}" if record["failed"] else "")


def failures(log: str) -> list[str]:
    """The tests that a log of pytest says failed, each once."""
    found = re.findall(r"(?m)^(?:FAILED|ERROR) (\S+::\w+(?:\[.*?\](?= - |$))?)", log)
    return list(dict.fromkeys(found))


def _passed(log: str) -> int:
    found = re.findall(r"(\d+) passed", log)
    return int(found[-1]) if found else 0


def counted(records: Iterable[Round]) -> Iterator[str]:
    """How many rounds each commit has, how many in a row passed at last, and what failed."""
    groups: dict[tuple[str, str], list[Round]] = {}
    for each in records:
        groups.setdefault((each["commit"], each["kind"]), []).append(each)
    for (commit, kind), rounds in groups.items():
        failed = [bool(each["failed"]) for each in rounds]
        row = failed[::-1].index(True) if any(failed) else len(failed)
        yield f"{commit[:12]} {kind}: {len(rounds)} rounds, the last {row} without a failure"
    total = Counter(kind for (_, kind), rounds in groups.items() for _ in rounds)
    if len(groups) > 1:
        yield "together: " + ", ".join(f"{count} {kind}" for kind, count in sorted(total.items()))
    rounds = [each for group in groups.values() for each in group]
    often = Counter(test for each in rounds for test in each["failed"])
    for test, count in often.most_common():
        yield f"failed {count} of {len(rounds)}: {test}"


def _read() -> list[Round]:
    return list(map(json.loads, ROUNDS.read_text().splitlines())) if ROUNDS.exists() else []


def _commit() -> str:
    """What is tested: HEAD, marked where the tree is another."""
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return _git("rev-parse", "HEAD") + ("+changes" if changed else "")


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def _cpu_secs() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _load() -> Iterator[None]:
    """Busy processes, which end with this one."""
    parent = os.getpid()
    loop = f"import os\nwhile os.getppid() == {parent}: sum(range(10_000))"
    busy = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(BUSY)]
    try:
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()


if __name__ == "__main__":
    sys.exit(main())
