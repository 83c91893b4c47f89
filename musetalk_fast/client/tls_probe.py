"""Finds out whether a port that was addressed in plain text speaks TLS."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

from musetalk_fast.client.address import Address

_PROBE_SECS = 3.0


async def speaks_tls(address: Address) -> bool:
    """Try a handshake at the port of an `http://` address; nothing is sent inside it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is only asked, never trusted
    port = urlsplit(address.base).port or 80
    try:
        async with asyncio.timeout(_PROBE_SECS):
            _, writer = await asyncio.open_connection(address.host, port, ssl=context)
    except (OSError, TimeoutError):  # an SSLError is an OSError
        return False
    writer.transport.abort()
    return True
