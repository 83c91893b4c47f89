"""Archives come out the same twice; the SBOM names what the package carries."""

from __future__ import annotations

import json
import os
import re
import tarfile
from pathlib import Path

import pytest
from setuptools.dist import Distribution

import musetalk_fast
from build_steps.reproducible_archive import write_archive
from build_steps.sbom import sbom
from build_steps.setup_commands import FreshBuild

PACKAGE = Path(musetalk_fast.__file__).parent
ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "name-1.0"
    (made / "sub").mkdir(parents=True)
    (made / "b.txt").write_text("b")
    (made / "sub" / "a.sh").write_text("a")
    (made / "sub" / "a.sh").chmod(0o744)
    return made


def test_the_same_files_are_the_same_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    archives = [folder.parent / name for name in ("first.tar.gz", "second.tar.gz")]
    write_archive(archives[0], folder)
    os.utime(folder / "b.txt", (1, 1))
    (folder / "b.txt").chmod(0o600)
    write_archive(archives[1], folder)
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with tarfile.open(archives[0]) as packed:
        members = packed.getmembers()
    names = ["name-1.0", "name-1.0/b.txt", "name-1.0/sub", "name-1.0/sub/a.sh"]
    assert [member.name for member in members] == names
    assert {member.mtime for member in members} == {1_700_000_000}
    assert [member.mode for member in members] == [0o755, 0o644, 0o755, 0o755]


def test_a_build_has_no_module_of_an_earlier_one(tmp_path: Path) -> None:
    old = tmp_path / "lib" / "musetalk_fast/engines/preview/old.py"
    old.parent.mkdir(parents=True)
    old.write_text("")
    command = FreshBuild(Distribution({"packages": []}))
    command.build_base, command.build_lib = str(tmp_path), str(tmp_path / "lib")
    command.ensure_finalized()
    command.run()
    assert not old.exists()


def test_the_sbom_has_every_file_of_others_with_its_digest() -> None:
    document = json.loads(sbom("musetalk-fast", musetalk_fast.__version__, PACKAGE.parent))
    assert document["metadata"]["component"]["version"] == musetalk_fast.__version__
    listed = {
        Path(file["name"]).name: file["hashes"][0]["content"] for file in document["components"]
    }
    assert {path.name for path in (PACKAGE / "media/face").iterdir()} >= set(listed)
    assert {path.name for path in PACKAGE.rglob("*.tflite")} <= set(listed)
    notice = (PACKAGE / "media/face/NOTICE").read_text()
    for name, digest in listed.items():
        assert f"{digest}  {name}" in notice


def test_the_build_under_sanitizers_has_all_that_setup_needs() -> None:
    script = (ROOT / "ci/sanitize.sh").read_text()
    copied = set(re.findall(r"\{(\S+)\} \"\$tree\"", script)[0].split(","))
    imported = re.findall(r"^from (\w+)\.", (ROOT / "setup.py").read_text(), re.MULTILINE)
    assert copied >= {
        "ext",
        "musetalk_fast",
        *(each for each in imported if (ROOT / each).is_dir()),
    }
