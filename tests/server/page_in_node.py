"""Runs programs that use the page's scripts in node."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import musetalk_fast

FOLDER = Path(musetalk_fast.__file__).parent / "server/page"
SCRIPTS = {path.name: path.read_text() for path in FOLDER.glob("*.js")}

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")


async def run_in_node(folder: Path, program: str, given: object = None) -> Any:
    """What a program prints, as JSON, that imports the scripts from its own folder.

    Args:
        folder: an empty one, for the program and the scripts.
        given: what the program reads from its stdin, as JSON.
    """
    for name, script in SCRIPTS.items():
        (folder / name).write_text(script)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "program.js").write_text(program)
    node = await asyncio.create_subprocess_exec(
        "node", folder / "program.js",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, _ = await node.communicate(json.dumps(given).encode())
    assert node.returncode == 0
    return json.loads(printed)
