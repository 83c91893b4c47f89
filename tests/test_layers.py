"""The structure of the package: imports go one way, and a file's name says which it is."""

from __future__ import annotations

import ast
import functools
import graphlib
import re
from pathlib import Path

import pytest

import musetalk_fast

ROOT = Path(musetalk_fast.__file__).parent

LEAVES = {
    *{"_version", "child_process", "errors", "events", "ffmpeg_log", "python_command"},
    *{"storage", "system_limits", "tasks", "threads", "types"},
}
"""Modules and packages that reach nothing but one another."""

ALLOWED = {
    **{leaf: {"errors", "types"} for leaf in LEAVES},
    "storage": {"errors", "system_limits"},
    "config": {"wire"},
    "kernels": set(),
    "wire": {"kernels"},
    "media": {"config", "kernels", "wire"},
    "client": {"config", "kernels", "wire"},
    "video": {"config", "kernels", "wire"},
    "server_process": set(),
    "planning": {"config", "kernels", "wire", "media", "video"},
    "rendering": {
        *{"config", "kernels", "wire", "media", "client", "video", "planning", "server_process"},
    },
    "batching": {"config", "wire", "media", "video", "planning", "rendering"},
    "farming": {
        *{"config", "media", "video", "planning", "rendering", "batching", "server_process"},
    },
    "benching": {
        *{"config", "kernels", "wire", "media", "client", "video", "planning", "rendering"},
    },
    "engines": {"kernels", "media"},
    "models": {"client", "engines", "config", "rendering", "server_process"},
    "server": {"config", "kernels", "wire", "media", "engines"},
    "__init__": {"config", "planning", "rendering"},
    "__main__": {"cli"},
}
"""What each package may import beside `LEAVES`, in the order in which data flows."""

SAME_NAME = {
    *{"__init__", "plan", "segment", "join", "run"},
    *{"base64", "crc32c", "h264", "lines", "paste", "yuv"},
    *{"patch", "rgb", "soft_mask", "tone_map"},
    *{"frames", "infer", "jobs", "metrics"},
}
"""Module names that may stand in more than one package: commands and the steps that they run,
kernels and their references, and what both ends of a request are named after."""


def _package(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    """The packages that a file reaches; `__init__`: `musetalk_fast` itself."""
    return {module.split(".")[1] if "." in module else "__init__" for module in _modules(path)}


@functools.cache
def _modules(path: Path) -> set[str]:
    """The modules of ours that a file imports, also in a function or for a type checker."""
    found = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "imports are absolute"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names if names <= MODULES else {node.module, *names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & MODULES


@functools.cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _module(path: Path) -> str:
    parts = (ROOT.name, *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


FILES = sorted(ROOT.rglob("*.py"))
MODULES = {_module(path) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    package = _package(path)
    reached = _imports(path) - {package}
    if package == "cli":
        serving = path.name == "serve.py"
        assert not reached & ({"__init__"} if serving else {"__init__", "server", "engines"})
        return
    allowed = ALLOWED[package] | (set() if package in LEAVES else LEAVES)
    assert reached <= allowed, f"{package} may not import {sorted(reached - allowed)}"


def test_heavy_packages_are_imported_in_one_place() -> None:
    heavy = {"torch", "diffusers", "transformers", "safetensors"}
    assert _folders_that_import(heavy) == {ROOT / "engines" / "musetalk"}
    assert _folders_that_import({"ray"}) == {ROOT / "farming" / "ray"}


def _folders_that_import(wanted: set[str]) -> set[Path]:
    found = set()
    for path in FILES:
        for node in ast.walk(_tree(path)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if wanted & {name.partition(".")[0] for name in names}:
                found.add(path.parent)
    return found


def test_every_package_has_a_rule() -> None:
    packages = {_package(path) for path in FILES} - {"cli"}
    assert packages <= set(ALLOWED)


def test_there_is_no_import_cycle() -> None:
    graph = {_module(path): _modules(path) - {_module(path)} for path in FILES}
    assert sum(map(len, graph.values())) > len(graph)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules


def test_a_name_stands_in_one_package() -> None:
    """A file is found by its name."""
    folders: dict[str, set[Path]] = {}
    for path in FILES:
        folders.setdefault(path.stem, set()).add(path.parent)
    same = {name for name, found in folders.items() if len(found) > 1}
    assert same == SAME_NAME


def test_every_package_and_every_module_of_rendering_is_described() -> None:
    page = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text()
    described = set(re.findall(r"`([a-z_]+)/?`", page))
    packages = {_package(path) for path in FILES} - {"__init__", "__main__", "_version"}
    assert packages <= described
    modules = {path.stem for path in FILES if path.parent.name == "rendering"} - {"__init__"}
    table = page.partition("## `rendering/`")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([a-z_]+)`", table)) >= modules
    rows = re.findall(r"(?m)^\| ([^|]*) \|", table)[2:]
    assert {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)} == modules


def test_what_the_page_names_is_there() -> None:
    """Modules and packages, by their names or with those above; paths of the repository."""
    repository = Path(__file__).parents[1]
    page = (repository / "docs" / "architecture.md").read_text()
    named = {name.rstrip("/") for name in re.findall(r"`([a-z_]+[a-z_/]*)`", page)}
    assert len(named) > 100
    known = [f"/{path.relative_to(ROOT).with_suffix('')}" for path in FILES]
    known += [f"/{path.relative_to(ROOT)}" for path in ROOT.rglob("*") if path.is_dir()]
    missing = {name for name in named if not any(each.endswith(f"/{name}") for each in known)}
    missing = {name for name in missing if not (repository / name).exists()}
    assert missing == {"frame_timeout_secs", "models/taesd"}  # a setting, and a folder of weights
