"""The search for tests that fail by chance: what it runs, and what it counts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ci.flaky.rounds import counted, failures
from ci.flaky.touches import TURNS, selected

ROOT = Path(__file__).parents[1]
TESTS = """
import asyncio, os, socket, subprocess, sys, threading, time
import pytest, uvloop

@pytest.fixture(scope="module")
def process():
    subprocess.run([sys.executable, "-V"], check=True)

@pytest.fixture
def user_of_it(process): ...

def test_none(tmp_path): (tmp_path / "a").write_text("")
def test_loop_alone(): asyncio.run(asyncio.sleep(0))
def test_first(process): ...
def test_second(user_of_it): ...
def test_later(request): request.getfixturevalue("process")
def test_socket(): socket.create_server(("127.0.0.1", 0)).close()
def test_sleep(): time.sleep(0)
def test_timer(): asyncio.run(asyncio.sleep(0.001))
def test_wait(): threading.Event().wait(0.001)
def test_reads(): time.monotonic()
def test_uvloop():
    async def serve():
        loop = asyncio.get_running_loop()
        (await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)).close()
    uvloop.run(serve())
"""
TOUCHES = {
    "none": [],
    "loop_alone": [],
    "first": ["process"],
    "second": ["process"],
    "later": [],  # asked for at run time: only the test that sets it up is known to use it
    "socket": ["socket"],
    "sleep": ["clock"],
    "timer": ["clock"],
    "wait": ["clock"],
    "reads": ["clock"],
    "uvloop": ["socket"],
}


def test_what_a_test_touches_is_seen(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    quiet = tmp_path / "test_quiet.py"
    quiet.write_text("def test_quiet(): ...\n")
    touches = tmp_path / "touches.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "ci.flaky.touches", "-c", "/dev/null"]
    command += ["-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    recording = [*command, "--touches", str(touches)]
    subprocess.run(recording, cwd=ROOT, check=True, capture_output=True)
    known = json.loads(touches.read_text())
    found = {name.partition("::test_")[2]: each["touches"] for name, each in known.items()}
    assert found == TOUCHES | {"quiet": []}
    quiet.write_text("raise ImportError('of what touches nothing nothing is collected')\n")
    again = [*command, "--only-touching", str(touches), "--collect-only"]
    listed = subprocess.run(again, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    run = [line.partition("::test_")[2] for line in listed.splitlines() if "::" in line]
    assert set(run) == {name for name, touched in TOUCHES.items() if touched}
    backward = subprocess.run([*again, "--backward"], cwd=ROOT, capture_output=True, text=True)
    lines = [line for line in backward.stdout.splitlines() if "::" in line]
    assert [line.partition("::test_")[2] for line in lines] == run[::-1]


def test_of_expensive_cases_some_run_in_each_round_and_all_in_turn() -> None:
    cases = [f"a.py::test_b[{number}]" for number in range(12)]
    cheap = [f"a.py::test_c[{number}]" for number in range(12)]
    known = {name: {"touches": ["socket"], "cpu_secs": 1} for name in cases}
    known |= {name: {"touches": ["clock"], "cpu_secs": 0.01} for name in cheap}
    known["a.py::test_d"] = {"touches": [], "cpu_secs": 9}
    names = [*cases, *cheap, "a.py::test_d", "a.py::test_new"]
    rounds = [selected(names, known, turn) for turn in range(4 * TURNS)]
    for kept in rounds:
        assert kept >= {*cheap, "a.py::test_new"}
        assert 2 <= len(kept & set(cases)) <= 3
        assert "a.py::test_d" not in kept
    assert all(sum(name in kept for kept in rounds) == 4 for name in cases)
    assert selected(names, known, None) == {*cases, *cheap, "a.py::test_new"}


def test_failures_are_named_and_rounds_counted() -> None:
    log = "FAILED tests/a.py::test_b[x - y] - assert 1\nERROR tests/a.py::test_c\nFAILED of 3\n"
    assert failures(log + log) == ["tests/a.py::test_b[x - y]", "tests/a.py::test_c"]
    passed = {"commit": "c" * 40, "kind": "loaded", "failed": []}
    lines = list(counted([passed, passed | {"failed": ["a::b"]}, passed, passed]))
    assert lines == [
        "cccccccccccc loaded: 4 rounds, the last 2 without a failure",
        "failed 1 of 4: a::b",
    ]
    others = [passed | {"commit": "d" * 40}, passed | {"kind": "suite"}]
    assert "together: 2 loaded, 1 suite" in list(counted([passed, *others]))
