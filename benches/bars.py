"""The least ratio (rival / ours) of every row that has one."""

from __future__ import annotations

BARS = {
    "kernel/base64-262144": 1.0,
    "kernel/base64-8294400": 1.0,
    "kernel/base64-262144-stdlib": 30.0,
    "kernel/ndjson-frame": 3.0,
    "kernel/ndjson-frame-stdlib": 20.0,
    "kernel/paste-430": 80.0,
    "kernel/paste-430-resize": 1.5,
    "stage/video-avatar-1080p": 0.87,
    "preview/clip-720p": 0.1,
    "program/1080p-binary": 0.95,
    "program/1080p-ndjson": 0.93,
    "program/512-binary": 0.86,
    "program/naive-client": 25.0,
    "program/png-files": 150.0,
    "program/wall-80s": 0.95,
    "program/wall-5s": 0.87,
    "program/start": 0.66,
    "program/first-request": 0.6,
    "program/memory": 0.95,
    "still-rows/1080p-veryfast": 2.8,
    "still-rows/1080p-medium": 3.5,
    "still-rows/1080x1920-veryfast": 3.5,
    "still-rows/1080x1920-medium": 4.5,
    "still-rows/512-veryfast": 1.4,
}


def is_below(name: str, ratio: float) -> bool:
    """Whether a row is below its bar."""
    return name in BARS and ratio < BARS[name]


def is_missed(name: str, ratio: float, spread: float) -> bool:
    """Whether it is below by more than its spread, a share of the ratio."""
    return is_below(name, ratio * (1 + spread))


def in_words(name: str, ratio: float, spread: float) -> str:
    """A row's bar and whether the row meets it."""
    if name not in BARS:
        return "no bar"
    verdict = "ok"
    if is_below(name, ratio):
        verdict = "MISSED" if is_missed(name, ratio, spread) else "below, within the spread"
    return f"bar {BARS[name]:g} {verdict}"
