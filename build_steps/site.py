"""Build the documentation site into build/site; fails where a page is not right.

    python -m build_steps.site

docs/ and what is generated of commands, settings and docstrings become build/docs; the generator
makes pages of these (mkdocs.yml). Beside each page stands its Markdown.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from build_steps import reference_pages, site_sources
from build_steps.site_check import faults, unlisted

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "build/docs"
SITE = ROOT / "build/site"


def main() -> None:
    """Build, check, and say where it is."""
    if missing := reference_pages.undocumented():
        raise SystemExit(f"public names without a docstring: {', '.join(missing)}")
    _write_sources()
    shutil.rmtree(SITE, ignore_errors=True)
    generator = [Path(sys.executable).with_name("zensical"), "build", "--clean", "--strict"]
    subprocess.run(generator, cwd=ROOT, check=True)
    _write_markdown()
    if found := faults(SITE) + unlisted(SITE):
        raise SystemExit("\n".join(found))
    print(f"The site is {SITE / 'index.html'}")


def _write_sources() -> None:
    shutil.rmtree(SOURCES, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCES, ignore=shutil.ignore_patterns("ORIGIN.md"))
    for path, text in site_sources.generated().items():
        file = SOURCES / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for file in SOURCES.rglob("*.md"):
        linked = site_sources.linked(file.read_text("utf-8"), file.relative_to(SOURCES).as_posix())
        file.write_text(linked, encoding="utf-8")


def _write_markdown() -> None:
    """Each page as Markdown too, and the list of them for programs that read."""
    lines = ["# musetalk-fast", "", "> A portrait and a recording become a lip-synced video.", ""]
    for file in sorted(SOURCES.rglob("*.md")):
        path = file.relative_to(SOURCES).as_posix()
        text = file.read_text("utf-8")
        if path == site_sources.PYTHON:
            text = reference_pages.python_text()
        (SITE / path).write_text(text, encoding="utf-8")
        title = text.partition("\n")[0].removeprefix("# ")
        lines.append(f"- [{title}]({path})")
    (SITE / "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
