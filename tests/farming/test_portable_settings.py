"""Files that settings name are the same wherever a task is run."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from musetalk_fast import errors
from musetalk_fast.batching import JobListDefaults, collect_jobs
from musetalk_fast.config import Settings, load_settings
from musetalk_fast.config.overrides import overridden
from musetalk_fast.config.settings import BACKGROUND, FILE, SECTIONS, kinds
from musetalk_fast.farming import portable_settings
from musetalk_fast.farming.portable_settings import absolute_files

NAMES = [
    (section, key)
    for section, settings_type in SECTIONS.items()
    for key, kind in kinds(settings_type).items()
    if kind in (FILE, BACKGROUND)
]


def _exported(name: tuple[str, str], value: str) -> str:
    tables = tomllib.loads(portable_settings(load_settings({name: value}, {})))
    return str(tables[name[0]][name[1]])


def _sent(name: tuple[str, str], value: str) -> str:
    settings = absolute_files(overridden(Settings(), {name: value}))
    return str(getattr(getattr(settings, name[0]), name[1]))


def _listed(name: tuple[str, str], value: str) -> str:
    Path("a.png").touch()
    row: dict[str, Any] = {"avatar": "a.png", "audio": "a.png", "output": "o.mp4", name[1]: value}
    path = Path("jobs.jsonl").absolute()
    path.write_text(json.dumps(row) + "\n")
    (job,) = collect_jobs([str(path)], JobListDefaults(Settings())).jobs
    return str(getattr(getattr(job.settings, name[0]), name[1]))


def test_some_settings_name_files() -> None:
    assert {"api_key_file", "ca_file", "cert", "key"} < {key for _, key in NAMES}
    assert {"mix_background", "background"} < {key for _, key in NAMES}


@pytest.mark.parametrize("carried", [_exported, _sent, _listed])
@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[1])
def test_a_file_is_named_by_its_absolute_path(
    name: tuple[str, str],
    carried: Callable[[tuple[str, str], str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert carried(name, "in/a file.png") == str(tmp_path / "in/a file.png")
    assert carried(name, "~/file.png") == str(tmp_path / "home/file.png")
    assert carried(name, "/there/file.png") == "/there/file.png"


@pytest.mark.parametrize("carried", [_exported, _sent, _listed])
def test_a_file_in_a_folder_with_spaces_of_other_kinds(
    carried: Callable[[tuple[str, str], str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / " a\u202fb\u3000"
    folder.mkdir()
    monkeypatch.chdir(folder)
    name = ("output", "mix_background")
    assert carried(name, " \u00a0x.mp3 ") == f"{folder}/ \u00a0x.mp3 "


@pytest.mark.parametrize("carried", [_exported, _sent, _listed])
def test_a_name_that_is_too_long_with_its_folder(
    carried: Callable[[tuple[str, str], str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    kind = errors.JobListError if carried is _listed else errors.InvalidSettingError
    with pytest.raises(kind) as caught:
        carried(("output", "mix_background"), "x" * 1000)
    error = caught.value
    said = (error.message, *getattr(error, "details", ()))
    assert any("must be a file" in each for each in said)
    assert str(tmp_path) in str(error.where)


@pytest.mark.parametrize("carried", [_exported, _sent, _listed])
@pytest.mark.parametrize("word", ["blur", "transparent", "white", "#102030"])
def test_a_background_that_is_no_file_stays(
    word: str,
    carried: Callable[[tuple[str, str], str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("white").touch()  # a colour comes before a file of its name
    assert carried(("avatar", "background"), word) == word
