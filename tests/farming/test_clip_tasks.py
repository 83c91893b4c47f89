"""The tasks of a clip name the job directory that its plan is written to."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from musetalk_fast import OutputSettings, Settings
from musetalk_fast.cli import farm
from musetalk_fast.farming import FarmOptions, write_bundle
from musetalk_fast.farming.farm_job import absolute_paths
from musetalk_fast.rendering.steps import write_plan

REPOSITORY = Path(__file__).parents[2]
INPUTS = REPOSITORY / "examples/portrait.png", REPOSITORY / "tests/data/short.wav"
SETTINGS = Settings(output=OutputSettings(fps=1))


@pytest.mark.parametrize("output", ["o.mp4", "link.mp4", "frames/%06d.png", "linked/%06d.png"])
def test_segments_and_join_find_the_plan(output: str, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.mp4").symlink_to("real/o.mp4")
    (tmp_path / "linked").symlink_to("real/frames")
    tasks = farm._one(SETTINGS, *INPUTS, tmp_path / output, 1)
    paths = absolute_paths(tasks)
    before, after = tasks.before(paths), tasks.after(paths)
    assert before is not None
    assert after is not None
    plan_file, plan = write_plan(*INPUTS, Path(before[-1]), SETTINGS, on_event=lambda _: None)
    assert tasks.task(paths, "0")[2] == str(plan_file.parent)
    assert after[-1] == str(plan_file.parent)
    assert len(tasks.tasks) == len(plan.segments)

    write_bundle(tmp_path / "job", "openjd", tasks, FarmOptions("a clip"), "")
    values = yaml.safe_load((tmp_path / "job/parameter_values.yaml").read_text())
    assert {"name": "Parts", "value": str(plan_file.parent)} in values["parameterValues"]
    assert str(tmp_path) not in (tmp_path / "job/template.yaml").read_text()
