"""What must not be in a built site: broken links, and requests to other hosts."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_LOADS = {
    "audio": ("src",),
    "iframe": ("src",),
    "img": ("src", "srcset"),
    "link": ("href",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
}
"""Attributes that a browser follows by itself."""


class _Page(HTMLParser):
    """The links, loads and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element names."""
        named = {name: value for name, value in attrs if value}
        self.anchors |= {named[name] for name in ("id", "name") if name in named}
        if tag == "a" and "href" in named:
            self.links.append(named["href"])
        if tag == "link" and named.get("rel") == "canonical":
            return  # said to search engines; no browser asks for it
        self.loads += [named[name] for name in _LOADS.get(tag, ()) if name in named]


def unlisted(site: Path) -> list[str]:
    """Pages that no list of pages leads to.

    Args:
        site: as in `faults`.
    """
    index = site / "index.html"
    listed = {
        (site / urlsplit(link).path).resolve() for link in _Page(index.read_text("utf-8")).links
    }
    pages = {file.with_suffix(".html").resolve() for file in site.rglob("*.md")}
    return [f"{page.name} stands in no list" for page in sorted(pages - {index.resolve()} - listed)]


def faults(site: Path) -> list[str]:
    """What is wrong, a line each.

    Args:
        site: the folder that has the built site.
    """
    pages = {file: _Page(file.read_text("utf-8")) for file in sorted(site.rglob("*.html"))}
    found = []
    for file, page in pages.items():
        if file.name == "404.html":  # its links begin at the root of a host
            continue
        name = file.relative_to(site).as_posix()
        outside = [load for load in page.loads if urlsplit(load).netloc]
        found += [f"{name} asks another host: {load}" for load in outside]
        inside = [link for link in (*page.links, *page.loads) if not _is_outside(link)]
        found += [f"{name}: broken link {link}" for link in inside if not _leads(file, link, pages)]
    return found


def _is_outside(link: str) -> bool:
    parts = urlsplit(link)
    return bool(parts.scheme or parts.netloc)


def _leads(file: Path, link: str, pages: dict[Path, _Page]) -> bool:
    parts = urlsplit(link)
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if target.is_dir():
        target /= "index.html"
    if target not in pages:
        return target.exists()
    return not parts.fragment or unquote(parts.fragment) in pages[target].anchors
