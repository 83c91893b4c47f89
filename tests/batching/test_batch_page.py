"""docs/batch.md is right: its lists can be read, and what it names is there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import click
import pytest

import musetalk_fast
from musetalk_fast.batching import JobListDefaults, collect_jobs
from musetalk_fast.batching.report import JobState
from musetalk_fast.cli.main import cli
from musetalk_fast.config import Settings

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/batch.md").read_text()
LISTS = dict(re.findall(r"^```(jsonl|csv|toml)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("kind", ["jsonl", "csv", "toml"])
def test_its_job_lists_can_be_read(kind: str, tmp_path: Path) -> None:
    for name in ("anna.png", "us.jpg", "hello.wav", "bye.wav"):
        (tmp_path / name).touch()
    (tmp_path / f"jobs.{kind}").write_text(LISTS[kind])
    jobs = collect_jobs([str(tmp_path / f"jobs.{kind}")], JobListDefaults(Settings())).jobs
    assert [job.name for job in jobs] == ["hello", "bye"]


def test_what_it_names_is_there() -> None:
    command = cli.get_command(click.Context(cli), "batch")
    assert command is not None
    known = {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)}
    assert set(re.findall(r"`(--[a-z-]+)", PAGE)) <= known
    assert set(re.findall(r"^  +(--[a-z-]+)", PAGE, re.MULTILINE)) <= known
    assert all(f"`{state}`" in PAGE for state in JobState)
    sources = "".join(
        path.read_text() for path in Path(musetalk_fast.__file__).parent.rglob("*.py")
    )
    for token in re.findall(r"`(MTF-[A-Z-]+)`", PAGE):
        assert f'"{token}"' in sources
    assert (REPOSITORY / "ci/batch_throughput.py").exists()


def test_its_patterns_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (pattern,) = re.findall(r"batch '([^']+)' --avatar", PAGE)
    (tmp_path / "day1/x").mkdir(parents=True)
    shutil.copy(REPOSITORY / "tests/data/short.wav", tmp_path / "day1/x/a.wav")
    monkeypatch.chdir(tmp_path)
    defaults = JobListDefaults(Settings(), Path("rendered"), Path("anna.png"))
    assert [job.name for job in collect_jobs([pattern], defaults).jobs] == ["day1/x/a"]
