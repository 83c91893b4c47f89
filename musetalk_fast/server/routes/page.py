"""`GET /` and `GET /page/{name}`: a page for browsers that speaks the wire itself.

Its files are the package's own and hold nothing of any user's, so they need no key: the page asks
for it, as a browser sends none with a page's address. All else that the page does are requests of
the wire, each with the key. The headers keep the page from being framed, and from loading, running
or asking anything that does not come from this server.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from aiohttp import web

ROUTES = web.RouteTableDef()

_FOLDER = Path(__file__).parents[1] / "page"
_SCRIPT = "text/javascript; charset=utf-8"
_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "icon.svg": "image/svg+xml",
        "portrait.jpg": "image/jpeg",
        "speech.flac": "audio/flac",
        "style.css": "text/css; charset=utf-8",
        **{path.name: _SCRIPT for path in sorted(_FOLDER.glob("*.js"))},
    }
)
"""What is served, and as what: the system's own table of types is not asked."""

PATHS = frozenset(("/", *(f"/page/{name}" for name in _TYPES)))

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@ROUTES.get("/")
async def get_page(_request: web.Request) -> web.FileResponse:
    """The page."""
    return _file("index.html", "text/html; charset=utf-8")


@ROUTES.get("/page/{name}")
async def get_part(request: web.Request) -> web.FileResponse:
    """One of its files."""
    name = request.match_info["name"]
    if name not in _TYPES:
        raise web.HTTPNotFound
    return _file(name, _TYPES[name])


def _file(name: str, media_type: str) -> web.FileResponse:
    return web.FileResponse(_FOLDER / name, headers={**_HEADERS, "Content-Type": media_type})
