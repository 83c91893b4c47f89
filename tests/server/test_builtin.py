"""The built-in server leaves nothing of its user's behind, however its parent ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from server_process import until

_PARENT = """
import asyncio
from musetalk_fast.builtin import BuiltinServer
from server_process import client_of

async def main():
    async with BuiltinServer() as server:
        async with client_of(server.address) as client:
            await client.put(b"the user's portrait")
        print("ready", flush=True)
        await asyncio.to_thread(input)

asyncio.run(main())
"""


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "ended"])
def test_nothing_is_left(tmp_path: Path, is_killed: bool) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
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
