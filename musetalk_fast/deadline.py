"""A deadline that never loses a cancellation, unlike `asyncio.wait_for` before Python 3.12."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 11):
    from asyncio import timeout as deadline
else:
    from async_timeout import timeout as deadline

__all__ = ["deadline"]
