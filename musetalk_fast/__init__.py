"""A throughput-focused client for MuseTalk lip-sync servers.

`render` and `render_async` make a video, `plan` says what they would do, `Settings` says how, and
`load_settings` takes these from environment and file; `errors` is everything that can go wrong.
`Renderer` makes many with the same servers; `write_plan`, `segment` and `join` are the stages of a
render, for machines that share a folder.
"""

from __future__ import annotations

from musetalk_fast._version import __version__

TYPE_CHECKING = False  # `typing` takes longer to import than Python to start
if TYPE_CHECKING:
    from typing import Any

    from musetalk_fast import errors, events
    from musetalk_fast.config import (
        AvatarSettings,
        OutputSettings,
        ProcessingSettings,
        ServerSettings,
        Settings,
        load_settings,
    )
    from musetalk_fast.planning import Plan
    from musetalk_fast.planning import make_plan as plan
    from musetalk_fast.rendering import Renderer, RenderResult, render, render_async
    from musetalk_fast.rendering.api import join, segment, write_plan

__all__ = [
    "AvatarSettings",
    "OutputSettings",
    "Plan",
    "ProcessingSettings",
    "RenderResult",
    "Renderer",
    "ServerSettings",
    "Settings",
    "__version__",
    "errors",
    "events",
    "join",
    "load_settings",
    "plan",
    "render",
    "render_async",
    "segment",
    "write_plan",
]

_MODULES = {
    "AvatarSettings": ("config", "AvatarSettings"),
    "OutputSettings": ("config", "OutputSettings"),
    "ProcessingSettings": ("config", "ProcessingSettings"),
    "ServerSettings": ("config", "ServerSettings"),
    "Plan": ("planning", "Plan"),
    "RenderResult": ("rendering", "RenderResult"),
    "Renderer": ("rendering", "Renderer"),
    "Settings": ("config", "Settings"),
    "load_settings": ("config", "load_settings"),
    "plan": ("planning", "make_plan"),
    "render": ("rendering", "render"),
    "render_async": ("rendering", "render_async"),
    "write_plan": ("rendering.api", "write_plan"),
    "segment": ("rendering.api", "segment"),
    "join": ("rendering.api", "join"),
}


if not TYPE_CHECKING:  # else every misspelt name would pass a type checker

    def __getattr__(name: str) -> Any:
        """Import on first use: `import musetalk_fast` itself loads nothing."""
        import importlib

        if name in ("errors", "events"):
            return importlib.import_module(f"{__name__}.{name}")
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, attribute = _MODULES[name]
        return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)

    def __dir__() -> list[str]:
        """The public names; the module's own are no part of the interface."""
        return __all__
