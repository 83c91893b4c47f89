"""How long a server that failed is left alone: exponential backoff with jitter."""

from __future__ import annotations

import random

_INITIAL_SECS, _MAX_SECS = 0.5, 30.0
MAX_RETRY_AFTER_SECS = 300.0
"""A `Retry-After` beyond it is cut: who knows what the server means."""


def backoff_secs(failures: int, asked: float | None = None) -> float:
    """Seconds to wait after so many failures in a row: doubling, with jitter.

    Args:
        asked: what the server's `Retry-After` says.
    """
    if asked is not None:
        return min(asked, MAX_RETRY_AFTER_SECS)
    longest: float = min(_MAX_SECS, _INITIAL_SECS * 2 ** min(failures - 1, 16))
    # Jitter, so that clients of a server that comes back do not all come at once.
    return longest * random.uniform(0.5, 1.0)  # noqa: S311
