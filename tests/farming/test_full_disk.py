"""A batch on a cluster whose videos nothing takes any more."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from musetalk_fast import Settings
from musetalk_fast.batching import BatchOptions, Job, Outcome
from musetalk_fast.errors import OutputWriteError

REPOSITORY = Path(__file__).parents[2]
INPUTS = REPOSITORY / "examples/portrait.png", REPOSITORY / "tests/data/short.wav"


def _run(folders: list[Path]) -> list[str]:
    """Run a job for each folder, of which all fail; those that ended before the batch did."""
    pytest.importorskip("ray", reason="no ray: pip install '.[ray]'")
    from musetalk_fast.farming.ray.ray_batch import _RayBatch

    async def call(_function: object, _work: object) -> Any:
        raise OutputWriteError("no space left on device")

    async def fetch() -> list[Any]:
        return []

    cluster: Any = SimpleNamespace(
        call=call,
        fetch=fetch,
        capacity=lambda: 1,
        processors=1,
        events=None,
        servers=(),
        key="",
    )
    ended: list[Outcome] = []
    listener: Any = SimpleNamespace(
        begin=lambda _job: None, end=ended.append, interrupt=lambda: None
    )
    jobs = [
        Job(str(number), *INPUTS, folder / "out.mp4", Settings())
        for number, folder in enumerate(folders)
    ]
    batch = _RayBatch(cluster, listener, {}, BatchOptions(at_once=1))
    try:
        asyncio.run(batch.run(jobs))
    except OutputWriteError as error:
        assert "no other video can be written" in str(error)  # noqa: PT017 - it may not come
    return [each.job.name for each in ended]


def test_the_batch_ends_with_the_first_where_no_other_can_be_written(tmp_path: Path) -> None:
    assert _run([tmp_path / "gone"] * 3) == ["0"]


def test_the_batch_goes_on_where_another_folder_takes_more(tmp_path: Path) -> None:
    assert _run([tmp_path / "gone", tmp_path]) == ["0", "1"]
