"""The built-in server leaves nothing of its user's behind, and may write what it likes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from server_process import until

from musetalk_fast import server_process
from musetalk_fast.errors import ServerFailedError
from musetalk_fast.server_process import ServerProcess

_PARENT = """
import asyncio
from musetalk_fast.server_process import ServerProcess
from server_process import client_of

async def main():
    async with ServerProcess() as server:
        async with client_of(server.address) as client:
            await client.put(b"the user's portrait")
        print("ready", flush=True)
        await asyncio.to_thread(input)

asyncio.run(main())
"""


@pytest.fixture
def working_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's, with modules in it that no program should import."""
    folder = tmp_path_factory.mktemp("work")
    for name in ("random", "secrets", "numba", "aiohttp", "musetalk_fast"):
        (folder / f"{name}.py").write_text("import os\nos.mkdir(__name__ + '.imported')\n")
    return folder


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "ended"])
def test_nothing_is_left_and_nothing_of_the_working_folder_is_run(
    tmp_path: Path, working_folder: Path, is_killed: bool
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", _PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=working_folder,
        env=os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parent)},
    )
    try:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        assert list(tmp_path.glob("*/store/*"))
        if is_killed:
            parent.kill()
        parent.communicate("end\n" if not is_killed else None, timeout=60)
    finally:
        parent.kill()
        parent.wait()
    asyncio.run(until(lambda: not list(tmp_path.iterdir())))
    assert not list(working_folder.glob("*.imported"))


class _Child:
    """A process that ends when it is let go."""

    is_running = True

    def __init__(self) -> None:
        self.exited = asyncio.Event()

    def kill(self) -> None:
        pass

    def close(self) -> None:
        pass


async def test_whoever_is_cancelled_while_it_ends_waits_for_it(tmp_path: Path) -> None:
    server, child, folder = ServerProcess(), _Child(), tmp_path / "runtime"
    folder.mkdir()
    server._child, server._runtime_dir = child, folder  # type: ignore[assignment]
    leaving = asyncio.ensure_future(server.__aexit__(None, None, None))
    for _ in range(2):
        for _ in range(5):
            await asyncio.sleep(0)
        leaving.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    waits = not leaving.done()
    child.exited.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert waits
    assert not folder.exists()


_WRITES = """
import os, sys
place, piece = sys.argv[1:3]
def write():
    for pipe in (1, 2):
        for _ in range(100):
            os.write(pipe, piece.encode() * 4096)
write()
print("\\nlistening on here", flush=True)
write()
open(place, "w").close()
os.read(int(sys.argv[-1]), 1)
"""
"""A server that writes 400 KiB to each of its pipes before it listens, and as much after that."""


def _instead(monkeypatch: pytest.MonkeyPatch, program: str, *arguments: object) -> None:
    """A server process that runs another program."""
    command = (sys.executable, "-c", program, *map(str, arguments))
    monkeypatch.setattr(server_process, "python_command", lambda _module: command)


@pytest.mark.parametrize("piece", ["#", "#\n", "\r"], ids=["unbroken", "lines", "progress"])
async def test_a_server_may_write_what_it_likes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: str
) -> None:
    done = tmp_path / "done"
    _instead(monkeypatch, _WRITES, done, piece)
    async with asyncio.timeout(60):
        async with ServerProcess() as server:
            assert server.address == "here"
            await until(done.exists)
        assert sum(map(len, server.log)) < 64 << 10


_LEAVES_ANOTHER = """
import os, sys, time
print("listening on here", flush=True)
if os.fork() == 0:
    while os.path.exists(sys.argv[1]):
        time.sleep(0.02)
    os._exit(0)
"""


async def test_a_process_that_outlives_the_server_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the server's pipes, which do not close."""
    there = tmp_path / "there"
    there.touch()
    _instead(monkeypatch, _LEAVES_ANOTHER, there)
    try:
        async with asyncio.timeout(60), ServerProcess() as server:
            await server.wait()
    finally:
        there.unlink()


async def test_the_last_words_of_a_server_that_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bar = "".join(f"\\rloading {number}%" for number in range(2000))
    _instead(monkeypatch, f"import sys; sys.exit('{bar}\\r\\n\\nno weights')")
    with pytest.raises(ServerFailedError, match="status 1: loading 1999%; no weights"):
        await ServerProcess().__aenter__()
