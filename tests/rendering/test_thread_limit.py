"""Where the system starts no more threads, a render ends with an error that says so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "client"))

from scripted_server import Script, serving

from musetalk_fast.threads import run_in_thread

REPOSITORY = Path(__file__).parents[2]
PORTRAIT = REPOSITORY / "examples/portrait.png"
SPEECH = REPOSITORY / "tests/data/short.wav"
NOBODY = 65534

PROGRAM = """
import os, resource, signal, sys, threading
from pathlib import Path
from musetalk_fast import OutputSettings, ServerSettings, Settings, render_async
from musetalk_fast.cli.error_report import describe
from musetalk_fast.cli.signals import Stopped, run
from musetalk_fast.config import AvatarSettings
from musetalk_fast.events import PlanEvent, ProgressEvent, ServerEvent

url, avatar, audio, output, moment = sys.argv[1:]

def forbid():
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    try:
        threading.Thread(target=int).start()
    except RuntimeError:
        return
    os._exit(99)  # the limit does not bind us

def listener(event):
    here = {
        "loading": isinstance(event, ProgressEvent) and event.stage == "load",
        "plan": isinstance(event, PlanEvent),
        "server": isinstance(event, ServerEvent),
        "join": isinstance(event, ProgressEvent) and event.stage == "join",
        "signal": isinstance(event, ServerEvent),
    }
    if here.get(moment):
        forbid()
        if moment == "signal":
            signal.raise_signal(signal.SIGTERM)

settings = Settings(
    server=ServerSettings(url=url, timeout_secs=20),
    avatar=AvatarSettings(face_check=False),
    output=OutputSettings(preset="ultrafast", sound="none"),
)
if moment == "start":
    forbid()
try:
    run(render_async(avatar, audio, output, settings, on_event=listener))
except Stopped as stopped:
    print("MTF-STOPPED", flush=True)
    os._exit(128 + stopped.number)
except BaseException as error:
    known = describe(error)
    print(known["token"], known["message"], known["hint"], sep="|")
    sys.stdout.flush()
    os._exit(known["exit_code"])
"""

CHILD = """
import resource
from musetalk_fast.server_process import ServerProcess
from musetalk_fast.cli.signals import run
from musetalk_fast.errors import ServerFailedError

async def start():
    resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    async with ServerProcess():
        pass

try:
    run(start())
except ServerFailedError as error:
    print(error)
"""


def _as_nobody() -> list[str]:
    """Root is above the limit; the user `nobody` cannot read root's home, unless permitted."""
    if os.getuid():
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is missing: no limit binds root")
    may = "-all,+dac_override,+dac_read_search"
    words = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return ["setpriv", *words, f"--inh-caps={may}", f"--ambient-caps={may}"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user `nobody` may write to; pytest's own are closed to it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


async def _render(moment: str, folder: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("resource", reason="this system sets no limits")
    files = [str(PORTRAIT), str(SPEECH), str(folder / "out.mp4")]
    async with serving(Script()) as url:
        command = [*_as_nobody(), sys.executable, "-c", PROGRAM, url, *files, moment]

        def ran() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60
            )

        done = await run_in_thread(ran)
    assert done.returncode != 99, "the limit does not bind"
    return done


@pytest.mark.parametrize("moment", ["start", "loading", "plan", "server", "join"])
async def test_it_ends_with_an_error_that_names_the_limit(moment: str, folder: Path) -> None:
    done = await _render(moment, folder)
    assert done.returncode == 75, (done.stdout, done.stderr)
    token, message, hint = done.stdout.strip().split("|")
    assert token == "MTF-THREADS"
    assert "the limit of processes and threads is 1" in message
    assert "ulimit -u" in hint
    assert done.stderr == ""
    assert not (folder / "out.mp4").exists()


async def test_a_signal_is_heard_all_the_same(folder: Path) -> None:
    done = await _render("signal", folder)
    assert (done.returncode, done.stderr) == (143, "")
    assert done.stdout.startswith("MTF-STOPPED")
    assert os.listdir(folder) == []  # noqa: PTH208 - asyncio's rule forbids the other


def test_a_server_that_cannot_be_started_is_named() -> None:
    pytest.importorskip("resource", reason="this system sets no limits")
    command = [*_as_nobody(), sys.executable, "-c", CHILD]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.stdout == "builtin: cannot be started: Resource temporarily unavailable\n"
    assert done.stderr == ""
