"""Failures of sockets and of HTTP as errors."""

from __future__ import annotations

import os

import aiohttp

from musetalk_fast import errors
from musetalk_fast.client.address import Address
from musetalk_fast.client.http_errors import refusal
from musetalk_fast.client.http_proxy import HttpProxy
from musetalk_fast.client.tls_errors import tls_error
from musetalk_fast.system_limits import limit_error

CONNECT_SECS = 10.0
"""For name, socket and TLS together."""
_HUNG_UP = "look at its log; if it asks for a certificate of ours, add --cert and --key"
"""Many servers close without the alert that would say so."""
_PROXY_HINT = "correct that variable, or name the server's host in NO_PROXY"


def connection_error(
    error: Exception, address: Address, proxy: HttpProxy | None, silence_secs: float
) -> errors.MuseTalkError:
    """A failure as a leaf of `errors`.

    Args:
        silence_secs: that was allowed.
    """
    where = address.name
    if (limit := limit_error(error)) is not None:
        return limit
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return errors.ServerUnreachableError(
            f"no connection within {CONNECT_SECS:g} s", where=where
        )
    if isinstance(error, TimeoutError):
        return errors.ServerUnreachableError(f"silent for {silence_secs:g} s", where=where)
    if (of_tls := tls_error(error, where)) is not None:
        return of_tls
    if isinstance(error, aiohttp.ClientPayloadError):
        return errors.StreamCutError("the response ended early", where=where)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        message = f"no connection to {proxy} ({_reason(error)})"
        return errors.ServerUnreachableError(message, where=where, hint=_PROXY_HINT)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return refusal(error.status, f"{proxy} answered {error.status}", _PROXY_HINT, where)
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL):
        return errors.NotAServerError("the response is not HTTP", where=where)
    is_tls = address.base.startswith("https:")
    return errors.ServerUnreachableError(
        f"no connection ({_reason(error)})",
        where=where,
        hint=_HUNG_UP if is_tls and has_hung_up(error) else None,
    )


def has_hung_up(error: BaseException | None) -> bool:
    """Whether a connection that stood has ended without a word."""
    ended = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionResetError)
    return isinstance(error, ended) and not isinstance(error, aiohttp.ClientConnectorError)


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)  # asyncio's own text names the call, not the reason
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
