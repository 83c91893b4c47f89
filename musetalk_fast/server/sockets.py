"""Sockets to listen on: TCP at all addresses of a name, or a Unix socket for its owner alone."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musetalk_fast.errors import UsageError
from musetalk_fast.server.host_names import is_loopback

_BACKLOG = 128
_PROBE_SECS = 1.0


_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""A host without IPv6 may still have names for it."""
_PORT_TRIES = 20

_Address = tuple[int, int, int, str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Listener:
    """Bound sockets and what clients call them.

    Attributes:
        is_local: only programs of this machine reach a TCP socket; False for a Unix socket.
    """

    sockets: tuple[socket.socket, ...]
    address: str
    is_local: bool


@contextmanager
def open_listener(
    host: str, port: int, path: Path | None, scheme: str = "http"
) -> Iterator[Listener]:
    """Bind a Unix socket at `path`, or TCP at all addresses of `host` where that is None.

    Args:
        scheme: of a TCP address: `http` or `https`.

    Raises:
        UsageError: the address is taken or not ours.
    """
    where = f"unix:{path}" if path else f"{host}:{port}"
    try:
        sockets = [_bind_unix(path)] if path else _bind_tcp(host, port)
    except OSError as error:
        raise UsageError(
            f"cannot listen there: {error.strerror or error}",
            where=where,
            hint="choose another --port, --host or --unix",
        ) from error
    try:
        for bound in sockets:
            bound.listen(_BACKLOG)
        address = where if path else _url(host, sockets, scheme)
        yield Listener(tuple(sockets), address, not path and _are_local(sockets))
    finally:
        for bound in sockets:
            bound.close()
        if path:
            path.unlink(missing_ok=True)


def _bind_tcp(host: str, port: int) -> list[socket.socket]:
    """Sockets at every address of a host, all with the same port."""
    found = list(
        dict.fromkeys(
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        )
    )
    for _ in range(_PORT_TRIES - 1):
        try:
            return _bind_all(found)
        except OSError as error:
            # What is free at one address may be taken at the next.
            if port or len(found) < 2 or error.errno != errno.EADDRINUSE:
                raise
    return _bind_all(found)


def _bind_all(found: Sequence[_Address]) -> list[socket.socket]:
    bound: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for address in found:
            port = bound[0].getsockname()[1] if bound else address[4][1]
            try:
                bound.append(_bind_one(address, int(port), alone=len(found) == 1))
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                absent = error
        if not bound and absent is not None:
            raise absent
    except BaseException:
        for one in bound:
            one.close()
        raise
    return bound


def _bind_one(found: _Address, port: int, *, alone: bool) -> socket.socket:
    family, kind, protocol, _, address = found
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and not alone:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address[0], port, *address[2:]))
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


def _url(name: str, sockets: list[socket.socket], scheme: str) -> str:
    """By the name where it stands for several addresses."""
    host, port = sockets[0].getsockname()[:2]
    host = name if len(sockets) > 1 and name else host
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _are_local(sockets: list[socket.socket]) -> bool:
    return all(is_loopback(bound.getsockname()[0]) for bound in sockets)
