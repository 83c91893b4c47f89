"""Error responses: `{code, message, hint}`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

import orjson
from aiohttp import web

from musetalk_fast import errors
from musetalk_fast.server.gone_client import GoneClientError
from musetalk_fast.system_limits import limit_error
from musetalk_fast.wire.messages import ErrorMessage

_LOG = logging.getLogger(__name__)
RETRY_SECS = 2
"""What `Retry-After` says where nothing better is known."""

_STATUS: tuple[tuple[type[errors.MuseTalkError], int], ...] = (
    (errors.ProtocolError, 400),
    (errors.FacesDifferError, 409),
    (errors.InputError, 422),
    (errors.UsageError, 422),
    (errors.DeviceMemoryError, 503),
    (errors.MemoryLimitError, 503),
    (errors.FileLimitError, 503),
    (errors.WorkerError, 503),
    (errors.DeviceFaultError, 503),
    (errors.CropNumbersError, 500),
)

_CODES = {404: "MTF-REQUEST-PATH", 405: "MTF-REQUEST-METHOD", 413: "MTF-REQUEST-SIZE"}


class RefusalError(Exception):
    """A request that is not served.

    Args:
        status: of the response; 429 and 503 ask to try again.
        code: stable token.
        hint: what the client can do about it.
        headers: of the response, beside `Retry-After`.
        retry_secs: after which to try again, where the status asks to.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        retry_secs: int = RETRY_SECS,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.headers = dict(headers or {})
        if status in (429, 503):
            self.headers["Retry-After"] = str(retry_secs)

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status >= 500 or self.status == 429

    def response(self) -> web.Response:
        """The response."""
        document = {"code": self.code, "message": self.message, "hint": self.hint}
        return web.Response(
            status=self.status,
            body=orjson.dumps(document),
            content_type="application/json",
            headers=self.headers,
        )

    def to_message(self) -> ErrorMessage:
        """The end of a stream that had begun."""
        return ErrorMessage(
            code=self.code, message=self.message, hint=self.hint, retryable=self.retryable
        )


def refusal_of(error: Exception) -> RefusalError:
    """What an error of any kind says to the client; our own faults are logged, not shown."""
    if isinstance(error, RefusalError):
        return error
    error = limit_error(error) or error
    for kind, status in _STATUS:
        if isinstance(error, kind):
            # An input's name is a path of this server, which clients must not see.
            hint = None if kind is errors.ProtocolError else error.hint
            return RefusalError(status, error.token, error.message, hint)
    if isinstance(error, web.HTTPException):
        code = _CODES.get(error.status, "MTF-REQUEST")
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return RefusalError(error.status, code, error.reason, headers=allow)
    _LOG.error("a request failed", exc_info=error)
    return RefusalError(500, "MTF-ENGINE", "the server failed", "look at the server's log")


@web.middleware
async def answer_refusals(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn what a handler raises before its answer began into that answer."""
    try:
        return await handler(request)
    except GoneClientError:
        return web.Response()  # nobody reads it
    except Exception as error:  # noqa: BLE001 - nothing else stands between it and the client
        response = refusal_of(error).response()
    if request.writer.output_size > 0 and request.transport is not None:
        request.transport.abort()  # another response would be read as a part of this one
    return response
