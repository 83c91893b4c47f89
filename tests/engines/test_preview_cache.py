"""Where compiled code goes: never where others write, and nowhere at all if need be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

import musetalk_fast
from musetalk_fast.engines.preview import numba_cache
from musetalk_fast.engines.preview.numba_cache import compiled
from musetalk_fast.storage import find_cache_folder

PACKAGE = Path(musetalk_fast.__file__).parent

PAINT = """
import json, sys, tempfile
from pathlib import Path
import numpy as np
tempfile.tempdir = sys.argv[1]
from musetalk_fast.engines.preview import mouth, painting_reference, painting
from musetalk_fast.storage import find_cache_folder
from musetalk_fast.types import Box
points = np.load(sys.argv[2])
picture = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
face = mouth.make_mouth(picture, points, Box(180, 64, 91, 124))
posed = mouth.pose_mouth(face, mouth.MouthPose(0.5, 0, 0))
difference = painting.paint(face, posed).astype(int) - painting_reference.paint(face, posed)
folder = find_cache_folder()
print(json.dumps([None if folder is None else str(folder), int(abs(difference).max())]))
"""


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No cache folder but those a test makes."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/cache")
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null")
    return tmp_path


def test_no_place_at_all_means_no_caching(alone: Path) -> None:
    assert find_cache_folder() is None


def test_the_named_folder_comes_first(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(alone / "cache"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(alone / "named"))
    assert find_cache_folder() == alone / "named"


def test_the_users_cache_comes_next(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/dev/null/named")
    monkeypatch.setenv("XDG_CACHE_HOME", str(alone / "cache"))
    assert find_cache_folder() == alone / "cache" / "musetalk-fast" / "numba"


def test_a_temporary_folder_is_private(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(alone))
    folder = find_cache_folder()
    assert folder is not None
    assert folder.parent.parent == alone
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_write_to_is_refused(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = alone / "named"
    named.mkdir()
    named.chmod(0o777)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(named))
    assert find_cache_folder() is None


def test_a_link_is_refused(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (alone / "real").mkdir(mode=0o700)
    (alone / "named").symlink_to(alone / "real")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(alone / "named"))
    assert find_cache_folder() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("given", ["named", "."])
def test_a_folder_of_someone_else_is_refused(
    alone: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    (alone / "theirs" / "named").mkdir(mode=0o700, parents=True)
    os.chown(alone / "theirs" / given, 12345, 12345)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(alone / "theirs" / "named"))
    assert find_cache_folder() is None


def _twice(value: int) -> int:
    return 2 * value


def _flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGE = {
    "empty": lambda _content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "a bit": _flip,
    "executed if unpickled": lambda _content: b"cos\n_exit\n(I99\ntR.",
    "of another version": lambda content: bytes(32) + content[32:],
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The index and the data of a compiled function, by suffix."""
    folder = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", str(folder))
        assert compiled(_twice)(21) == 42
    files = {path.suffix: path for path in folder.rglob("*.nb?")}
    assert set(files) == {".nbi", ".nbc"}
    assert _hits(folder) == 1
    return {str(path): path.read_bytes() for path in files.values()}


def _hits(folder: Path) -> int:
    """Whether a new process would find the compiled code; the function works in any case."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", str(folder))
        function: Any = compiled(_twice)
        assert function(21) == 42
        return sum(function.stats.cache_hits.values())


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_code_is_compiled_again(kept: dict[str, bytes], damage: str, suffix: str) -> None:
    for name, content in kept.items():
        Path(name).write_bytes(DAMAGE[damage](content) if name.endswith(suffix) else content)
    folder = Path(next(iter(kept))).parents[2]
    assert _hits(folder) == 0
    assert _hits(folder) == 1, "and kept again"


def test_a_full_disk_keeps_nothing(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(alone / "named"))
    function: Any = compiled(_twice)
    monkeypatch.setattr(function._cache._cache_file, "_cache_path", "/dev/null")
    monkeypatch.setattr(function._cache._cache_file, "_index_path", "/dev/null/x.nbi")
    assert function(21) == 42


def test_each_processor_has_code_of_its_own(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines that share a home may start at the same time."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(alone))
    compiled(_twice)(21)
    monkeypatch.setattr(numba_cache, "_processor", lambda: b"another")
    again: Any = compiled(_twice)
    assert again(21) == 42
    assert sum(again.stats.cache_hits.values()) == 0
    assert len(list(alone.iterdir())) == 2


def test_nobody_else_can_enter_the_folder_of_the_code(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (alone / "named").mkdir(mode=0o755)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(alone / "named"))
    before = os.umask(0)
    try:
        compiled(_twice)(21)
    finally:
        os.umask(before)
    (folder,) = (alone / "named").iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    assert list(folder.rglob("*.nbi"))


@pytest.mark.long
@pytest.mark.parametrize("place", ["nowhere", "temporary"])
def test_it_paints_without_a_home_and_without_writing_to_the_package(
    tmp_path: Path, smiling, place: str
) -> None:
    import numpy as np

    points, temporary = tmp_path / "points.npy", tmp_path / "tmp"
    np.save(points, smiling.found.landmarks.points)
    temporary.mkdir(mode=0o700)
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    env |= {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null/cache"}
    env["PYTHONPATH"] = str(PACKAGE.parent)
    target = "/dev/null" if place == "nowhere" else str(temporary)
    done = subprocess.run(
        [sys.executable, "-c", PAINT, target, str(points)],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    folder, difference = json.loads(done.stdout)
    assert difference <= 1
    assert (folder is None) == (place == "nowhere")
    assert bool(list(temporary.rglob("*.nbi"))) == (place == "temporary")
    assert not list(PACKAGE.rglob("*.nbi"))
