"""Interprets responses of the hub: facts of a file, a redirect, or an error."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

import aiohttp

from musetalk_fast.client.http_errors import retry_after_secs
from musetalk_fast.errors import HubAccessError, HubBusyError, HubError, HubUnreachableError

_REDIRECTS = (301, 302, 303, 307, 308)


def note_facts(response: aiohttp.ClientResponse, known: dict[str, str]) -> None:
    """Keep what an answer says of a file; a redirect's own length and ETag are not the file's."""
    names = ["X-Repo-Commit", "X-Linked-ETag", "X-Linked-Size"]
    if response.status == 200:
        names += ["ETag", "Content-Length"]
    known.update({name: response.headers[name] for name in names if name in response.headers})


def has_all_facts(known: Mapping[str, str]) -> bool:
    """Whether revision, digest and length are known."""
    return {"X-Repo-Commit", "X-Linked-ETag", "X-Linked-Size"} <= known.keys()


def redirect_target(status: int, location: str | None, url: str, where: str) -> str | None:
    """Where an answer from `url` redirects to; None for one that does not.

    Raises:
        errors.HubError: nowhere, or from TLS to plain HTTP.
    """
    if status not in _REDIRECTS:
        return None
    try:
        parts = urlsplit(urljoin(url, location or ""))
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or not location:
        raise HubError("it redirects to nowhere", where=where)
    if url.startswith("https:") and parts.scheme == "http":
        raise HubError("it redirects from https to http", where=where)
    return parts.geturl()


def raise_for_status(response: aiohttp.ClientResponse, where: str) -> None:
    """Raise what a status means; return for 200 and 206.

    Raises:
        errors.HubError: the leaf.
    """
    status = response.status
    if status in (200, 206):
        return
    message = f"answered {status}"
    if status in (401, 403):
        raise HubAccessError(message, where=where)
    if status in (429, 503):
        raise HubBusyError(message, where=where, retry_after=retry_after_secs(response.headers))
    if status >= 500 or status == 416:
        raise HubUnreachableError(message, where=where)
    if status == 404:
        message = f"{message}: there is no such file at this revision"
    raise HubError(message, where=where)
