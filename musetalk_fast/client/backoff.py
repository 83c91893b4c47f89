"""Exponential backoff with jitter for a server that failed."""

from __future__ import annotations

import random

_INITIAL_SECS, _MAX_SECS = 0.5, 30.0
MAX_RETRY_AFTER_SECS = 300.0
"""A longer `Retry-After` is capped."""


def backoff_secs(failures: int, asked: float | None = None) -> float:
    """Seconds to wait after so many consecutive failures: exponential, with jitter.

    Args:
        asked: what the server's `Retry-After` says, which only makes it longer: one that says 0
            would be asked all the time.
    """
    longest: float = min(_MAX_SECS, _INITIAL_SECS * 2 ** min(failures - 1, 16))
    # Jitter, so that the clients of a restarted server do not all reconnect at once.
    own = longest * random.uniform(0.5, 1.0)  # noqa: S311
    return own if asked is None else max(own, min(asked, MAX_RETRY_AFTER_SECS))
