"""Errors of the server, and of bytes that are not the wire."""

from __future__ import annotations

from musetalk_fast.errors.musetalk_error import BusyError, MuseTalkError

__all__ = [
    "ChecksumError",
    "EngineDiffersError",
    "FacesDifferError",
    "FrameOrderError",
    "FrameShapeError",
    "JobCancelledError",
    "MessageSizeError",
    "NotAServerError",
    "NotAuthorisedError",
    "ProtocolError",
    "ServerBusyError",
    "ServerError",
    "ServerFailedError",
    "ServerLimitError",
    "ServerRefusedError",
    "ServerSlowError",
    "ServerUnreachableError",
    "ServersLostError",
    "StreamCutError",
    "TlsError",
]


class ServerError(MuseTalkError):
    """The server is absent or failed."""

    token = "MTF-SERVER"
    exit_code = 69


class ServerUnreachableError(ServerError):
    """No connection, or no answer in time."""

    token = "MTF-SERVER-UNREACHABLE"
    default_hint = "start it, correct -s/--server, or use -s builtin for a preview without one"


class TlsError(ServerUnreachableError):
    """The TLS handshake failed, on our side or on the server's."""

    token = "MTF-SERVER-TLS"
    default_hint = "look at the server's certificate and its log"


class NotAServerError(ServerError):
    """Something answers there that is not a MuseTalk server."""

    token = "MTF-SERVER-FOREIGN"
    default_hint = "correct -s/--server, or use -s builtin for a preview without one"


class ServerFailedError(ServerError):
    """The server answered with an error of its own."""

    token = "MTF-SERVER-FAILED"
    default_hint = "look at the server's log"


class ServerRefusedError(ServerError):
    """The server says that what we sent cannot work."""

    token = "MTF-SERVER-REFUSED"
    exit_code = 65
    default_hint = "change what it names, or choose another server with -s/--server"


class ServerLimitError(ServerRefusedError):
    """More than the server takes, or of a kind that it does not have: asking again is no use."""

    token = "MTF-SERVER-LIMIT"
    default_hint = "give less, or choose another server with -s/--server"


class ServerBusyError(BusyError, ServerError):
    """429 or 503.

    Args:
        retry_after: seconds the server asked us to wait, or None.
    """

    token = "MTF-SERVER-BUSY"
    exit_code = 75
    default_hint = "try again later"


class NotAuthorisedError(ServerError):
    """401 or 403."""

    token = "MTF-SERVER-AUTH"
    exit_code = 77
    default_hint = "give the server's key with --api-key-file FILE or in MUSETALK_API_KEY"


class JobCancelledError(ServerError):
    """410: somebody cancelled the request on the server."""

    token = "MTF-JOB-CANCELLED"
    default_hint = "ask the server's owner; the same command again continues from the parts"


class FacesDifferError(ServerError):
    """409: the server's faces are not those the render began with."""

    token = "MTF-SERVER-FACES"
    default_hint = "use servers with the same engine and model, or start over with --fresh"


class EngineDiffersError(ServerError):
    """Another engine or model than the render began with."""

    token = "MTF-SERVER-ENGINE"
    default_hint = "use servers with the same engine and model, or start over with --fresh"


class ServerSlowError(ServerError):
    """No message in time, or far fewer frames a second than the other servers make."""

    token = "MTF-SERVER-SLOW"
    default_hint = "look at the server's load and its network"


class ServersLostError(ServerError):
    """None of several servers is left."""

    token = "MTF-SERVERS-LOST"
    default_hint = "run the same command again: finished parts are kept"


class ProtocolError(ServerError):
    """Bytes that are not the wire."""

    token = "MTF-WIRE"
    default_hint = (
        "the server does not keep to docs/protocol.md: look at its log and version, or use another"
    )


class ChecksumError(ProtocolError):
    """A message whose CRC-32C is wrong."""

    token = "MTF-WIRE-CHECKSUM"
    default_hint = "the connection or the server damages data; try again, or another server"


class MessageSizeError(ProtocolError):
    """A message longer than its limit."""

    token = "MTF-WIRE-SIZE"


class FrameOrderError(ProtocolError):
    """A frame whose index was not expected."""

    token = "MTF-WIRE-ORDER"


class FrameShapeError(ProtocolError):
    """A crop of another shape or encoding than announced."""

    token = "MTF-WIRE-SHAPE"


class StreamCutError(ProtocolError):
    """The stream ended before its `end` message."""

    token = "MTF-WIRE-CUT"
    default_hint = "the connection broke or the server stopped: try again, and look at its log"
