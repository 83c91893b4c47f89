"""The end of a client's connection, apart from failures of our own connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class GoneClientError(ConnectionError):
    """The client has disconnected: there is nobody to answer and nothing to log."""


@contextmanager
def from_client() -> Iterator[None]:
    """Around reads and writes of a client's connection, and nothing else.

    Raises:
        GoneClientError: it has ended, or failed.
    """
    try:
        yield
    except OSError as error:
        raise GoneClientError(str(error)) from error
