"""The built-in server leaves nothing of its user's behind, however its parent ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from server_process import until

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

    def __init__(self) -> None:
        self.returncode: int | None = None
        self.go = asyncio.Event()

    async def wait(self) -> int:
        await self.go.wait()
        self.returncode = 0
        return 0

    def kill(self) -> None:
        pass


async def test_whoever_is_cancelled_while_it_ends_waits_for_it(tmp_path: Path) -> None:
    server, child, folder = ServerProcess(), _Child(), tmp_path / "runtime"
    folder.mkdir()
    server._process, server._runtime_dir = child, folder  # type: ignore[assignment]
    leaving = asyncio.ensure_future(server.__aexit__(None, None, None))
    for _ in range(2):
        for _ in range(5):
            await asyncio.sleep(0)
        leaving.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    waits = not leaving.done()
    child.go.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert waits
    assert child.returncode == 0
    assert not folder.exists()
