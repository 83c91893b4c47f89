"""What a server takes on at most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one server.

    Attributes:
        max_streams: streams and preparations at a time; more get 429.
        store_bytes: assets kept on disk.
        max_asset_bytes: longest asset.
        max_infer_bytes: longest body of `POST /infer`, which is held in memory.
        max_infer_secs: longest recording of `POST /infer`: packed, hours fit into its body.
        max_fps: most frames a second.
        max_size: longest side of an avatar in pixels.
        avatars, recordings: prepared ones kept in memory.
        heartbeat_secs: longest silence of a stream.
        stalled_secs: how long a client may take no byte of its stream before it is let go.
        drain_secs: how long running streams may go on after SIGTERM.
    """

    max_streams: int = 16
    store_bytes: int = 4 << 30
    max_asset_bytes: int = 1 << 30
    max_infer_bytes: int = 64 << 20
    max_infer_secs: float = 3600.0
    max_fps: float = 240.0
    max_size: int = 8192
    avatars: int = 16
    recordings: int = 32
    heartbeat_secs: float = 4.0
    stalled_secs: float = 60.0
    drain_secs: float = 60.0
