"""The house stands as drawn: imports go one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import musetalk_fast

ROOT = Path(musetalk_fast.__file__).parent

ALLOWED = {
    "errors": set(),
    "types": set(),
    "_version": set(),
    "events": set(),
    "config": {"errors", "types"},
    "kernels": {"errors", "types"},
    "wire": {"errors", "types", "kernels"},
    "inputs": {"errors", "types", "config", "kernels", "wire"},
    "client": {"errors", "types", "config", "kernels", "wire"},
    "video": {"errors", "types", "config", "kernels", "wire"},
    "builtin": {"errors"},
    "planning": {"errors", "types", "events", "config", "wire", "inputs", "video"},
    "rendering": {
        *{"errors", "types", "events", "config", "kernels", "wire", "inputs", "client", "video"},
        *{"_version", "builtin", "planning"},
    },
    "batching": {"errors", "types", "events", "config", "planning", "rendering"},
    "benching": {
        *{"errors", "types", "config", "kernels", "wire", "inputs", "client", "video", "planning"},
        "rendering",
    },
    "server": {"errors", "types", "_version", "config", "kernels", "wire", "inputs"},
    "__init__": {"_version", "errors", "types", "events", "config", "planning", "rendering"},
    "__main__": {"cli"},
}


def _room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "musetalk_fast" and len(parts) > 1 and _is_room(parts[1]):
                found.add(parts[1])
    return found


def _is_room(name: str) -> bool:
    return (ROOT / name).is_dir() or (ROOT / f"{name}.py").exists()


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    room = _room(path)
    reached = _imports(path) - {room}
    if room == "cli":
        if path.name != "serve.py":
            assert "server" not in reached
        return
    assert reached <= ALLOWED[room], f"{room} may not import {sorted(reached - ALLOWED[room])}"


def test_every_room_has_a_rule() -> None:
    rooms = {_room(path) for path in FILES} - {"cli"}
    assert rooms <= set(ALLOWED)
