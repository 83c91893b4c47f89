"""The clock of the tests' event loop goes on while the process can run, and only then."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TIMED_OUT = """
import asyncio, os, signal, threading, time
from steady_loop import SteadyLoop

async def speak(writer):
    while True:
        writer.write(b".")
        await asyncio.sleep(0.05)

async def main():
    async def answer(_reader, writer):
        await speak(writer)
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, _ = await asyncio.open_connection(*server.sockets[0].getsockname())
    print("speaking", flush=True)
    began = time.monotonic()
    while time.monotonic() - began < 3:
        async with asyncio.timeout(1):
            await reader.read(100)
    print("never silent", flush=True)
    os._exit(0)

asyncio.Runner(loop_factory=LOOP).run(main())
"""


async def test_tests_run_in_it() -> None:
    assert type(asyncio.get_running_loop()).__name__ == "SteadyLoop"


async def test_sleep_takes_its_time() -> None:
    began = time.monotonic()
    await asyncio.sleep(0.2)
    assert time.monotonic() - began >= 0.199


async def test_a_blocked_thread_is_no_time() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    time.sleep(0.5)  # noqa: ASYNC251 - as a machine that holds the process up
    assert loop.time() - began < 0.3


async def test_processor_time_is_time() -> None:
    loop = asyncio.get_running_loop()
    began, cpu = loop.time(), time.thread_time()
    while time.thread_time() - cpu < 0.3:
        pass
    assert loop.time() - began >= 0.299


@pytest.mark.parametrize(
    ("factory", "said"),
    [("SteadyLoop", "never silent\n"), ("asyncio.SelectorEventLoop", "")],
)
def test_a_stopped_process_is_no_silence(factory: str, said: str) -> None:
    """The stock loop says here that the other end was silent, which was stopped with it."""
    child = subprocess.Popen(
        [sys.executable, "-c", TIMED_OUT.replace("LOOP", factory)],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdout is not None
    with child, child.stdout:
        assert child.stdout.readline() == "speaking\n"
        for _ in range(2):
            os.kill(child.pid, signal.SIGSTOP)
            time.sleep(1.2)
            os.kill(child.pid, signal.SIGCONT)
            time.sleep(0.1)
        assert child.stdout.read() == said
