"""The preview engine: honest mouth movement for a photo on a CPU. It is not MuseTalk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musetalk_fast.engines.preview.engine import PreviewEngine

__all__ = ["PreviewEngine"]


def __getattr__(name: str) -> Any:
    """Import on first use: only a server that runs this engine pays for Numba."""
    if name != "PreviewEngine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from musetalk_fast.engines.preview.engine import PreviewEngine

    return PreviewEngine
