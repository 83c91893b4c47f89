"""MuseTalk: a latent U-Net that paints the mouth from speech, by torch.

Nothing else imports torch: without the extra `[musetalk]` everything but this engine works.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from musetalk_fast.engines.musetalk.musetalk_engine import load_engine

__all__ = ["load_engine"]


def __getattr__(name: str) -> Any:
    """Import on first use: only a server that runs this engine pays for torch."""
    if name != "load_engine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from musetalk_fast.engines.musetalk.musetalk_engine import load_engine

    return load_engine
