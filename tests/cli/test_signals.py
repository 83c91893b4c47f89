"""A signal cancels the work, waits for its cleaning up (not for ever), and names the exit code."""

from __future__ import annotations

import gc
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import musetalk_fast
from musetalk_fast.cli import signals
from musetalk_fast.cli.signals import run, start_quickly

PROGRAM = """
import asyncio, sys, time
from musetalk_fast.cli.signals import Stopped, run

async def polite():
    try:
        print("ready", flush=True)
        await asyncio.sleep(60)
    finally:
        print("cleaned", flush=True)

async def turned():
    try:
        await polite()
    except asyncio.CancelledError:
        raise ValueError("cancellation became something else") from None

async def stuck_thread():
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, time.sleep, 600)

async def deaf():
    print("ready", flush=True)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            print("heard", flush=True)

try:
    run(globals()[sys.argv[1]]())
except Stopped as stopped:
    sys.exit(128 + stopped.number)
"""

Start = Callable[..., "subprocess.Popen[str]"]

DURING_IMPORTS = """
import os, signal, sys
from musetalk_fast.__main__ import main

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            os.kill(os.getpid(), getattr(signal, sys.argv[1]))

sys.meta_path.insert(0, Finder())
main()
"""


@pytest.fixture
def start() -> Iterator[Start]:
    started = []

    def start(work: str, *flags: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, work, *flags],
            cwd=Path(musetalk_fast.__file__).parents[1],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("work", ["polite", "turned"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_work_is_cancelled_and_cleans_up(start: Start, work: str, number: int, code: int) -> None:
    process = start(work)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (code, "cleaned\n", "")


@pytest.mark.parametrize("is_json", [False, True], ids=["text", "json"])
def test_a_thread_in_a_native_call_does_not_hold_us(start: Start, is_json: bool) -> None:
    process = start("stuck_thread", *["--json"][: int(is_json)])
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)  # the thread has ten minutes to go
    assert process.returncode == 130
    _check_last_line(out, err, "SIGINT", is_json=is_json)
    assert signals._GRACE_SECS < 1, "a second is the contract"


def _check_last_line(out: str, err: str, name: str, *, is_json: bool) -> None:
    if not is_json:
        assert (out, err) == ("", f"error: stopped by {name} (MTF-STOPPED)\n")
        return
    assert (err, out.count("\n")) == ("", 1)
    assert json.loads(out) == {
        "event": "error",
        "token": "MTF-STOPPED",
        "exit_code": 128 + signal.Signals[name],
        "message": f"stopped by {name}",
        "where": None,
        "hint": None,
    }


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("is_json", [False, True], ids=["text", "json"])
def test_a_signal_amid_the_imports_is_no_traceback(name: str, is_json: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DURING_IMPORTS, name, *["--json"][: int(is_json)]],
        cwd=Path(musetalk_fast.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 128 + signal.Signals[name]
    _check_last_line(done.stdout, done.stderr, name, is_json=is_json)


def test_a_second_signal_ends_at_once(start: Start) -> None:
    process = start("deaf")
    assert process.stdout is not None
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "heard\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130


def test_an_answer_and_an_error_pass_through() -> None:
    from musetalk_fast.cli.signals import run

    async def answer() -> int:
        return 7

    async def fails() -> None:
        raise KeyError("x")

    assert run(answer()) == 7
    with pytest.raises(KeyError):
        run(fails())


def test_garbage_is_collected_once_the_work_runs() -> None:
    async def asks() -> bool:
        return gc.isenabled()

    start_quickly()
    assert not gc.isenabled()
    try:
        assert run(asks())
    finally:
        gc.enable()
        gc.unfreeze()
