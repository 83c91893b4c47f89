"""The site's generated pages are complete, and its checks find what is wrong."""

from __future__ import annotations

import posixpath
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from build_steps import reference_pages, site_sources
from build_steps.described_commands import described_commands
from build_steps.site_check import faults, unlisted
from musetalk_fast.config.settings import SECTIONS, kinds

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def test_every_public_name_is_documented() -> None:
    names = [name for name, _ in reference_pages.public_names()]
    assert {"musetalk_fast.render", "musetalk_fast.errors.NoFaceError"} <= set(names)
    assert reference_pages.undocumented() == []
    text = reference_pages.python_text()
    assert all(f"\n## {name}" in text for name in names)


def test_every_command_and_setting_has_its_place() -> None:
    commands, settings = reference_pages.commands_page(), reference_pages.settings_page()
    for command in described_commands():
        assert f"\n## {' '.join(command.path)}\n" in commands
    for name, section in SECTIONS.items():
        for key, kind in kinds(section).items():
            assert (
                kind.secret or f"\n| `{key}` | `MUSETALK_{name}_{key}`".upper() in settings.upper()
            )


def test_links_of_pages_lead_to_pages() -> None:
    generated = site_sources.generated()
    pages = {
        path.relative_to(DOCS).as_posix(): path.read_text()
        for path in DOCS.rglob("*.md")
        if path.name != "ORIGIN.md"
    }
    texts = {path: site_sources.linked(text, path) for path, text in (pages | generated).items()}
    for page, text in texts.items():
        assert not re.search(r"^```\w+ ", text, re.MULTILINE), page
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
            assert path in texts or (DOCS / path).exists(), f"{page}: {target}"


def test_a_faulty_site_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<link rel="canonical" href="https://a.b/"><script src="https://a.b/c.js"></script>'
        '<a href="other.html#there">1</a><a href="other.html#not">2</a><a href="gone.html">3</a>'
    )
    (tmp_path / "other.html").write_text('<p id="there"></p><img src="//a.b/c.png">')
    (tmp_path / "lost.html").touch()
    for name in ("index", "other", "lost"):
        (tmp_path / f"{name}.md").touch()
    assert faults(tmp_path) == [
        "index.html asks another host: https://a.b/c.js",
        "index.html: broken link other.html#not",
        "index.html: broken link gone.html",
        "other.html asks another host: //a.b/c.png",
    ]
    assert unlisted(tmp_path) == ["lost.html stands in no list"]


@pytest.mark.long
def test_the_site_is_built() -> None:
    if shutil.which("zensical", path=Path(sys.executable).parent) is None:
        pytest.skip("no zensical: pip install '.[docs]'")
    command = [sys.executable, "-m", "build_steps.site"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "](reference/python.md)" in (ROOT / "build/site/llms.txt").read_text()
