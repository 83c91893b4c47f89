"""Refusals of a server, `{code, message, hint}`, as errors."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp
import orjson

from musetalk_fast import errors
from musetalk_fast.wire.printable import printable

_MAX_REFUSAL = 65_536
_MAX_SEEN = 2048
"""Bytes of a body without our form in which words are looked for."""
_MAX_LINE = 160
_TAG = re.compile(r"(?s)<(style|script)\b.*?</\1\s*>|<[^>]*>")


def _leaves(kind: type[errors.MuseTalkError]) -> Iterator[type[errors.MuseTalkError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _leaves(child)


_BY_TOKEN = {kind.token: kind for kind in _leaves(errors.InputError)} | {
    kind.token: kind for kind in (errors.FacesDifferError, errors.JobCancelledError)
}
"""What a server may say in our own words: it found the fault in what we sent."""


def from_code(code: str, message: str, hint: str | None, where: str) -> errors.MuseTalkError | None:
    """The error that a stable token names, or None."""
    kind = _BY_TOKEN.get(code)
    return None if kind is None else kind(message, where=where, hint=hint)


async def raise_for_refusal(
    response: aiohttp.ClientResponse, where: str, silence_secs: float
) -> None:
    """Raise what an answer's status means; return for 2xx.

    Args:
        silence_secs: longest silence; its words may take twice as long together.

    Raises:
        errors.ServerUnreachableError: they took longer.
        errors.ServerError or errors.InputError: the leaf for the status and the server's token.
    """
    if response.status < 300:
        return
    _raise_for_redirect(response, where)
    status = response.status
    code, message, hint = _read(await _body(response, where, 2 * silence_secs), status)
    known = from_code(code, message, hint, where)
    if known is not None:
        raise known
    if status in (429, 503):
        raise errors.ServerBusyError(
            message, where=where, hint=hint, retry_after=retry_after_secs(response.headers)
        )
    raise refusal(status, message, hint, where)


def why_busy(status: str) -> str:
    """A status of `/health` in words."""
    if status == "engine_failed":
        return "the server's engine has failed"
    return f"the server is {printable(status, 40).replace('_', ' ')}"


def refusal(status: int, message: str, hint: str | None, where: str) -> errors.ServerError:
    """The error for a status without a token that is known here."""
    return _by_status(status)(message, where=where, hint=_HINTS.get(status, hint))


def _raise_for_redirect(response: aiohttp.ClientResponse, where: str) -> None:
    """Raise for a redirect: none is followed, so that the key goes nowhere else.

    Raises:
        errors.NotAServerError: it says where the redirect points.
    """
    if not 300 <= response.status < 400:
        return
    try:
        target = urlsplit(response.headers.get("Location", ""))
        # Not all of it: it may contain secrets.
        place = f"{target.scheme}://{target.hostname}" + (f":{target.port}" if target.port else "")
    except ValueError:
        target = None
    if target is None or not target.hostname:
        place = "another path"
    raise errors.NotAServerError(
        f"it redirects to {printable(place, 200)}, and redirects are not followed",
        where=where,
        hint="name the address that you trust with -s/--server",
    )


_HINTS = {
    401: errors.NotAuthorisedError.default_hint,
    403: errors.NotAuthorisedError.default_hint,
    407: "write USER:PASSWORD@ before the proxy's name in HTTP_PROXY or HTTPS_PROXY",
    413: "give a smaller file, or raise the limit of the server or of the proxy before it "
    "(nginx: client_max_body_size)",
}
"""A server's own words are for whoever writes a client; these say what the user can do."""


def _by_status(status: int) -> type[errors.ServerError]:
    if status in (401, 403, 407):
        return errors.NotAuthorisedError
    if status in (406, 411, 413, 415):  # whatever the body says
        return errors.ServerLimitError
    if status == 421:
        return errors.NotAServerError
    if status in (400, 422):
        return errors.ServerRefusedError
    return errors.ServerFailedError


async def _body(response: aiohttp.ClientResponse, where: str, longest_secs: float) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(longest_secs):
            async for chunk in response.content.iter_chunked(8192):
                body += chunk
                if len(body) > _MAX_REFUSAL:
                    break
    except aiohttp.ServerTimeoutError:  # silence, said elsewhere
        raise
    except TimeoutError:
        raise errors.ServerUnreachableError(
            f"answers {response.status} and no complete body in {longest_secs:g} s", where=where
        ) from None
    return body


def _read(body: bytes, status: int) -> tuple[str, str, str | None]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if status == 503 and isinstance(document, dict) and isinstance(document.get("status"), str):
        # What /health says of a server that cannot work now.
        return "", why_busy(document["status"]), None
    if not isinstance(document, dict) or not isinstance(document.get("message"), str):
        words = _detail(document) or first_line(body)
        words = words.removeprefix(str(status)).lstrip(" :-")
        return "", f"answered {status}" + (f": {words}" if words else ""), None
    hint = document.get("hint")
    return (
        str(document.get("code", "")),
        printable(document["message"]),
        printable(hint) if isinstance(hint, str) else None,
    )


def _detail(document: object) -> str:
    """What servers made with FastAPI say: `{"detail": TEXT}`, or a list of objects with `msg`."""
    detail = document.get("detail") if isinstance(document, dict) else None
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        detail = detail[0].get("msg")
    return printable(detail) if isinstance(detail, str) else ""


def first_line(body: bytes) -> str:
    """The first line of a page or a text that says something, without tags; empty if none does."""
    try:
        text = body[:_MAX_SEEN].decode()
    except UnicodeDecodeError as error:
        text = body[: error.start].decode() if error.start >= _MAX_SEEN - 3 else ""
    lines = (printable(line.strip(), _MAX_LINE) for line in _TAG.sub("", text).splitlines())
    return next(filter(None, (line.strip() for line in lines)), "")


def retry_after_secs(headers: Mapping[str, str]) -> float | None:
    """What `Retry-After` asks for: a number of seconds, or a time of the server's own clock."""
    value = headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        seconds = _between(headers.get("Date", ""), value)
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _between(now: str, then: str) -> float:
    """Seconds from one HTTP date to another; not a number where either is none."""
    try:
        return (parsedate_to_datetime(then) - parsedate_to_datetime(now)).total_seconds()
    except (TypeError, ValueError, OverflowError):  # TypeError: one of them has no time zone
        return math.nan
