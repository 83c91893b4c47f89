"""Sockets to listen on: TCP, or a Unix socket that only its owner may use."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from musetalk_fast.errors import UsageError

_BACKLOG = 128
_PROBE_SECS = 1.0


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """A bound socket and what clients call it."""

    socket: socket.socket
    address: str


@contextmanager
def open_socket(
    host: str, port: int, path: Path | None, scheme: str = "http"
) -> Iterator[ListeningSocket]:
    """Bind a Unix socket at `path`, or TCP where that is None.

    Args:
        scheme: of a TCP address: `http` or `https`.

    Raises:
        UsageError: the address is taken or not ours.
    """
    where = f"unix:{path}" if path else f"{host}:{port}"
    try:
        bound = _bind_unix(path) if path else _bind_tcp(host, port)
    except OSError as error:
        raise UsageError(
            f"cannot listen there: {error.strerror or error}",
            where=where,
            hint="choose another --port, --host or --unix",
        ) from error
    try:
        bound.listen(_BACKLOG)
        yield ListeningSocket(bound, where if path else _url(bound, scheme))
    finally:
        bound.close()
        if path:
            path.unlink(missing_ok=True)


def _bind_tcp(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound


def _bind_unix(path: Path) -> socket.socket:
    if _is_dead(path):
        path.unlink()
    bound = socket.socket(socket.AF_UNIX)
    try:
        # No other user can connect, not even between bind and chmod.
        before = os.umask(0o177)
        try:
            bound.bind(str(path))
        finally:
            os.umask(before)
    except BaseException:
        bound.close()
        raise
    return bound


def _is_dead(path: Path) -> bool:
    """Whether a stale socket is there: its server was killed."""
    if not path.is_socket():
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_PROBE_SECS)
        return probe.connect_ex(str(path)) == errno.ECONNREFUSED


def _url(bound: socket.socket, scheme: str) -> str:
    host, port = bound.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
