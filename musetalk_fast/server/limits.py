"""The limits of a server."""

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
        max_body_bytes: JSON bodies held in memory together, counted as they come.
        short_body_bytes: of these, kept for bodies that are no longer than those of `/v1/frames`.
        max_infer_secs: longest recording of `POST /infer`: packed, hours fit into its body.
        max_fps: most frames a second.
        max_size: longest side of an avatar in pixels.
        max_source_frames: most source frames of an avatar.
        avatars, recordings: prepared ones that are kept.
        prepared_frames: source frames of the kept avatars together; the preview engine needs some
            15 KB of disk for each.
        head_secs: how long the head of a request may take.
        idle_secs: how long a connection may wait for its next request.
        body_rate, body_rate_secs: fewest bytes a second of a body, measured over so many seconds
            in which we wait for it.
        body_secs: how long we wait for a body in all.
        heartbeat_secs: longest silence of a stream.
        stalled_secs: how long a client may take no byte of a response before it is let go.
        drain_secs: how long running streams may go on after SIGTERM.
    """

    max_streams: int = 16
    store_bytes: int = 4 << 30
    max_asset_bytes: int = 1 << 30
    max_infer_bytes: int = 64 << 20
    max_body_bytes: int = 256 << 20
    short_body_bytes: int = 32 << 20
    max_infer_secs: float = 3600.0
    max_fps: float = 240.0
    max_size: int = 8192
    max_source_frames: int = 36_000
    avatars: int = 16
    prepared_frames: int = 72_000
    recordings: int = 32
    head_secs: float = 20.0
    idle_secs: float = 120.0
    body_rate: int = 16 << 10
    body_rate_secs: float = 30.0
    body_secs: float = 3 * 3600.0
    heartbeat_secs: float = 4.0
    stalled_secs: float = 60.0
    drain_secs: float = 60.0
