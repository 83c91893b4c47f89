"""Engines by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from musetalk_fast.engines.base import ENGINE_GROUP, Engine, MakeEngine
from musetalk_fast.errors import UsageError


def find_engine(name: str, options: Mapping[str, object] | None = None) -> MakeEngine:
    """What makes the engine of that name; calling it loads the engine.

    Args:
        options: keyword arguments for the engine's entry.

    Raises:
        UsageError: there is none; the known ones are named. Raised by the result: it cannot be
            imported, or has no such option.
    """
    entries = {entry.name: entry for entry in entry_points(group=ENGINE_GROUP)}
    if name not in entries:
        known = ", ".join(sorted(entries))
        raise UsageError(f"there is no engine {name!r}", hint=f"--engine: {known}")

    def make() -> Engine:
        load = _imported(entries[name])
        _check_options(name, load, options or {})
        engine: Engine = load(**(options or {}))
        return engine

    return make


def _imported(entry: EntryPoint) -> Callable[..., Any]:
    try:
        found: Callable[..., Any] = entry.load()
    except ImportError as error:
        extra = f" `pip install 'musetalk-fast[{entry.name}]'`," if entry.extras else ""
        raise UsageError(
            f"the engine {entry.name} cannot be loaded: {error}",
            hint=f"install what it needs,{extra} or choose another --engine",
        ) from error
    return found


def _check_options(name: str, load: Callable[..., Any], options: Mapping[str, object]) -> None:
    taken = inspect.signature(load).parameters
    for option in options:
        if option not in taken:
            flag = f"--{option.replace('_', '-')}"
            raise UsageError(
                f"the engine {name} has no {flag}", hint=f"leave out {flag}, or name another engine"
            )
