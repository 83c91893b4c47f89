"""Engines by name."""

from __future__ import annotations

from importlib.metadata import entry_points

from musetalk_fast.engines.base import ENGINE_GROUP, Engine, MakeEngine
from musetalk_fast.errors import UsageError


def find_engine(name: str) -> MakeEngine:
    """What makes the engine of that name; calling it loads the engine.

    Raises:
        UsageError: there is none; the known ones are named. Raised by the result: it cannot be
            imported.
    """
    entries = {entry.name: entry for entry in entry_points(group=ENGINE_GROUP)}
    if name not in entries:
        known = ", ".join(sorted(entries))
        raise UsageError(f"there is no engine {name!r}", hint=f"--engine: {known}")

    def make() -> Engine:
        try:
            engine: Engine = entries[name].load()()
        except ImportError as error:
            raise UsageError(
                f"the engine {name} cannot be loaded: {error}",
                hint="install what it needs, or choose another --engine",
            ) from error
        return engine

    return make
