"""What the whole suite shares: its worker processes, one Numba cache, one preview server."""

from __future__ import annotations

import errno
import fcntl
import os

# Before NumPy: threads of its BLAS that wait for one another on busy processors more than doubled
# the processor time of the preview engine's tests.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Hundreds of commands and servers are started: without bytecode each compiles the whole package, a
# third of its processor time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import gc
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from steady_loop import SteadyLoop

ROOT = Path(__file__).parents[1]

# The same examples in every run, however slow the machine is.
settings.register_profile(
    "suite",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two more than processors: workers wait for clocks and processes a quarter of their time."""
    usable = getattr(os, "sched_getaffinity", lambda _pid: range(os.cpu_count() or 1))
    return 2 + max(2, len(usable(0)))


def pytest_configure(config: pytest.Config) -> None:
    """Compile the preview engine once: for all workers, for servers, for commands without a home.

    Workers and children inherit the variable; what is named outside of the suite is kept.
    """
    _let_commands_be_interrupted()
    if getattr(config.option, "numprocesses", None):
        _rewrite_assertions()
    if "NUMBA_CACHE_DIR" not in os.environ:
        folder = tempfile.TemporaryDirectory(prefix="musetalk-numba-")
        config.add_cleanup(folder.cleanup)
        os.environ["NUMBA_CACHE_DIR"] = folder.name


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], SteadyLoop]]:
    """A machine that stops for longer than a test's time-outs changes no outcome."""
    return {"steady": SteadyLoop}


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is collected stays to the end: it is never looked through for garbage.

    That took a fifth of the collection, and time of every collection of garbage in a test.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """No test leaves a thread that runs before all others, as SVT-AV1 does for root."""
    if not hasattr(os, "sched_getscheduler"):
        return
    for thread in [int(each.name) for each in Path("/proc/self/task").iterdir()]:
        with suppress(OSError):  # it has ended
            if os.sched_getscheduler(thread) == os.SCHED_FIFO:
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
                pytest.fail(f"{item.nodeid} leaves a thread with real-time priority")


def _let_commands_be_interrupted() -> None:
    """A shell starts what runs in its background with SIGINT ignored, and children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _rewrite_assertions() -> None:
    """Rewrite those of all tests once in a new clone; each worker would take 12 s for its own."""
    if any(Path(__file__).parent.glob("__pycache__/test_layers.*-pytest-*.pyc")):
        return
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-n0"]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)


@pytest.fixture
def locks_as_on_nfs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes another kind of lock, which needs a file that is open for writing."""
    lock = fcntl.flock

    def picky(descriptor: int, operation: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", picky)


@pytest.fixture(scope="session")
def preview_server() -> Iterator[str]:
    """The address of a server as `serve` starts it, for tests that need any server that speaks."""
    child = subprocess.Popen(
        [sys.executable, "-m", "musetalk_fast", "serve", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        assert line.startswith("listening on "), line
        yield line.removeprefix("listening on ").strip()
    finally:
        child.terminate()
        child.wait(60)
        child.stdout.close()
