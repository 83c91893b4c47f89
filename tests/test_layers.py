"""The house stands as drawn: imports go one way."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

import musetalk_fast

ROOT = Path(musetalk_fast.__file__).parent

ALLOWED = {
    "errors": set(),
    "types": set(),
    "_version": set(),
    "events": set(),
    "config": {"errors", "types", "wire"},
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
    """The packages that a file reaches; `__init__`: `musetalk_fast` itself."""
    return {module.split(".")[1] if "." in module else "__init__" for module in _modules(path)}


def _modules(path: Path) -> set[str]:
    """The modules of ours that a file imports, also in a function or for a type checker."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "imports are absolute"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if names <= MODULES else {node.module, *names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & MODULES


def _module(path: Path) -> str:
    parts = (ROOT.name, *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


FILES = sorted(ROOT.rglob("*.py"))
MODULES = {_module(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    room = _room(path)
    reached = _imports(path) - {room}
    if room == "cli":
        assert not reached & ({"__init__"} if path.name == "serve.py" else {"__init__", "server"})
        return
    assert reached <= ALLOWED[room], f"{room} may not import {sorted(reached - ALLOWED[room])}"


def test_every_room_has_a_rule() -> None:
    rooms = {_room(path) for path in FILES} - {"cli"}
    assert rooms <= set(ALLOWED)


def test_there_is_no_import_cycle() -> None:
    graph = {_module(path): _modules(path) - {_module(path)} for path in FILES}
    assert sum(map(len, graph.values())) > len(graph)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules
