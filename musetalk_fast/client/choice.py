"""Which server makes the mouth, and what it can do."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from fractions import Fraction

from musetalk_fast import errors
from musetalk_fast.client.address import parse_address
from musetalk_fast.client.connection import Connection
from musetalk_fast.types import CropEncoding
from musetalk_fast.wire.messages import BINARY, NDJSON
from musetalk_fast.wire.requests import Info

_PROBE_SECS = 3.0
"""How long a server that nobody chose may take to say what it is."""


@dataclass(frozen=True, slots=True, eq=False)
class ChosenServer:
    """An open connection and what its server can do.

    Attributes:
        builtin: it is our own child.
        wire: media type of the streams.
    """

    connection: Connection
    info: Info
    builtin: bool
    wire: str


async def open_server(
    url: str, timeout_secs: float, stack: AsyncExitStack, *, builtin: bool = False
) -> ChosenServer:
    """Connect to a server and learn what it can do.

    Raises:
        errors.ServerUnreachableError, errors.NotAServerError, errors.ServerBusyError: it cannot.
    """
    address = parse_address(url)
    connection = await stack.enter_async_context(Connection(address, timeout_secs))
    health = await connection.health()
    if health.status != "healthy":
        raise errors.ServerBusyError(f"the server is {health.status}", where=address.name)
    info = await connection.info()
    wire = BINARY if BINARY in info.wires else NDJSON
    return ChosenServer(connection, info, builtin, wire)


async def probe(url: str) -> bool:
    """Whether a MuseTalk server answers there; anything else counts as none."""
    try:
        async with Connection(parse_address(url), _PROBE_SECS) as connection:
            await connection.health()
    except errors.ServerBusyError:
        return True
    except errors.ServerError:
        return False
    return True


def check_limits(server: ChosenServer, encoding: CropEncoding, fps: Fraction) -> None:
    """Refuse what the server says it does not do.

    Raises:
        errors.ServerRefusedError: its limits are named.
    """
    info, where = server.info, server.connection.address.name
    if encoding not in info.encodings:
        have = ", ".join(known.value for known in info.encodings)
        raise errors.ServerRefusedError(
            f"has no {encoding.value} crops", where=where, hint=f"--frame-encoding: {have}"
        )
    if fps > info.max_fps:
        raise errors.ServerRefusedError(
            f"{float(fps):g} frames a second are more than its limit of {info.max_fps:g}",
            where=where,
            hint="choose a smaller --fps",
        )
