"""Pages of the site that are made of other files, and links to these."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from build_steps import reference_pages

ROOT = Path(__file__).parents[1]
_PAGES = {
    "README.md": "recipes.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
}
"""Files of the repository, and the page that each is here."""
PYTHON = "reference/python.md"
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")

_FENCE = re.compile(r"^```([a-z]+) [a-z ]+$", re.MULTILINE)


def generated() -> dict[str, str]:
    """The text of each page that is no file in docs/, by its path there."""
    pages = {page: _here((ROOT / name).read_text("utf-8")) for name, page in _PAGES.items()}
    pages["recipes.md"] = _recipes(pages["recipes.md"])
    pages["reference/commands.md"] = reference_pages.commands_page()
    pages["reference/settings.md"] = reference_pages.settings_page()
    pages[PYTHON] = reference_pages.python_page()
    pages["llms.txt"] = ""  # written when there are titles; a link to it is checked before
    return pages


def _recipes(readme: str) -> str:
    """The README from its recipes on, without its list of links."""
    _, _, recipes = readme.partition("## Recipes")
    text, _, _ = recipes.partition("## More")
    return "# Recipes" + re.sub(r"<!--.*?-->\n", "", text)


def _here(text: str) -> str:
    """Links from the repository's root, as they are from docs/."""
    return re.sub(r"\]\((?!https?:|#)(docs/)?", lambda found: "](" if found[1] else "](../", text)


def linked(text: str, page: str) -> str:
    """Links of a page of docs/ to files of the repository lead to their pages here, if any.

    Args:
        page: its path in docs/.
    """

    def replaced(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page), found[2]))
        if not target.startswith("../"):
            return found[0]
        name = target.removeprefix("../")
        if name not in _PAGES:
            return found[1]  # such as a source: the site does not have it
        here = posixpath.relpath(_PAGES[name], posixpath.dirname(page) or ".")
        return f"[{found[1]}]({here}{found[3] or ''})"

    # The second word of a fence is for the test that runs it; the generator knows one only.
    return _FENCE.sub("```\\1", _LINK.sub(replaced, text))
