"""Models folders that this user may not read: an error of ours, which says so."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from musetalk_fast.engines.musetalk.architecture import read_architecture
from musetalk_fast.engines.musetalk.model_folder import find_models
from musetalk_fast.errors import WeightsMissingError
from musetalk_fast.models.convert import convert
from musetalk_fast.models.inventory import FileState, inventory, verify
from musetalk_fast.models.published_files import MUSETALK_15

only_as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

RECORD = ".musetalk-fast/pulled.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "parent" / "models"
    for file in MUSETALK_15:
        (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.name).write_bytes(b"of sixteen bytes" * 2)
    (folder / RECORD).parent.mkdir()
    (folder / RECORD).write_text(json.dumps({"files": []}))
    for each in folder.parents:
        each.chmod(each.stat().st_mode | 0o111)
    return folder


@contextmanager
def as_nobody() -> Iterator[None]:
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@only_as_root
@pytest.mark.parametrize("closed", ["..", ".", "musetalkV15"])
@pytest.mark.parametrize(
    "look",
    [
        find_models,
        inventory,
        lambda folder: list(verify(folder)),
        lambda folder: convert(folder, lambda _each: None),
    ],
    ids=["find", "inventory", "verify", "convert"],
)
def test_a_closed_folder_is_said(folder: Path, look: Callable[[Path], object], closed: str) -> None:
    (folder / closed).chmod(0o700)
    with as_nobody(), pytest.raises(WeightsMissingError, match="cannot be read: Perm") as caught:
        look(folder)
    assert str(folder) in (caught.value.where or "")
    assert "permit this user to read" in (caught.value.hint or "")


@only_as_root
def test_a_closed_record_is_not_a_damaged_one(folder: Path) -> None:
    (folder / RECORD).chmod(0o600)
    with as_nobody(), pytest.raises(WeightsMissingError, match="cannot be read: Perm") as caught:
        inventory(folder)
    assert caught.value.where == str(folder / RECORD)
    assert "remove it" not in (caught.value.hint or "")


@only_as_root
def test_a_closed_config_is_not_a_damaged_one(folder: Path) -> None:
    config = folder / "musetalkV15" / "musetalk.json"
    config.chmod(0o600)
    with as_nobody(), pytest.raises(WeightsMissingError, match="cannot be read: Permission"):
        read_architecture(config, None, None)


def test_a_recorded_name_that_no_file_can_have_is_missing(folder: Path) -> None:
    entry = {"name": "a\0b", "size": 1, "sha256": "0", "origin": "a", "etag": "0"}
    (folder / RECORD).write_text(json.dumps({"files": [entry]}))
    states = {each.name: each.state for each in verify(folder)}
    assert states["a\0b"] is FileState.MISSING
