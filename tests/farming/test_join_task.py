"""The steps of a video as tasks of a cluster: where its parts are, and a join tried again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from musetalk_fast import OutputSettings, RenderResult, ServerSettings, Settings, segment
from musetalk_fast.batching import Job
from musetalk_fast.errors import InputNotFoundError
from musetalk_fast.farming.ray.work import Planned, Work
from musetalk_fast.planning import Plan

REPOSITORY = Path(__file__).parents[2]


class _Events:
    """In place of the actor that takes what a task says: it is lost."""

    @property
    def put(self) -> Any:
        raise self._lost()

    @property
    def __ray_ready__(self) -> Any:
        raise self._lost()

    def _lost(self) -> Exception:
        from ray.exceptions import ActorDiedError

        return ActorDiedError()


@pytest.mark.parametrize("output", ["link.mp4", "linked/%06d.png"])
def test_all_tasks_find_the_plan_of_a_link(
    output: str, tmp_path: Path, preview_server: str
) -> None:
    pytest.importorskip("ray", reason="no ray: pip install '.[ray]'")
    from musetalk_fast.farming.ray.remote_tasks import join_segments, make_segments, plan_video

    (tmp_path / "real").mkdir()
    (tmp_path / "link.mp4").symlink_to("real/o.mp4")
    (tmp_path / "linked").symlink_to("real/frames")
    settings = Settings(server=ServerSettings(url=preview_server), output=OutputSettings(fps=1))
    inputs = REPOSITORY / "examples/portrait.png", REPOSITORY / "tests/data/short.wav"
    work = Work(Job("a", *inputs, tmp_path / output, settings), None, 2, events=_Events())
    planned = plan_video(work)
    assert isinstance(planned, Planned)
    assert planned.parts.is_dir()
    make_segments(work, planned.parts, 1, range(len(planned.plan.segments)))
    assert isinstance(join_segments(work, planned), RenderResult)
    assert planned.plan.place.parent == tmp_path / "real"
    assert planned.plan.place.exists()
    assert not planned.parts.exists()


def test_a_join_that_is_tried_again_finds_its_video(tmp_path: Path, preview_server: str) -> None:
    pytest.importorskip("ray", reason="no ray: pip install '.[ray]'")
    from musetalk_fast.farming.ray.remote_tasks import join_segments, plan_video

    settings = Settings(
        server=ServerSettings(url=preview_server), output=OutputSettings(fps=1, preset="ultrafast")
    )
    inputs = REPOSITORY / "examples/portrait.png", REPOSITORY / "tests/data/short.wav"
    work = Work(Job("a", *inputs, tmp_path / "a.mp4", settings), None, 2, events=_Events())
    planned = plan_video(work)
    assert isinstance(planned, Planned)
    segment(tmp_path / "a.mp4.parts", settings=settings)
    shutil.copytree(tmp_path / "a.mp4.parts", tmp_path / "kept")
    joined = join_segments(work, planned)
    assert isinstance(joined, RenderResult)
    assert not (tmp_path / "a.mp4.parts").exists()

    again = join_segments(work, planned)
    assert isinstance(again, Plan)
    assert again.identity == joined.identity

    shutil.move(tmp_path / "kept", tmp_path / "a.mp4.parts")  # its removal had begun
    for path in (tmp_path / "a.mp4.parts").glob("[0f]*"):
        path.unlink()
    assert isinstance(join_segments(work, planned), Plan)
    assert not (tmp_path / "a.mp4.parts").exists()

    (tmp_path / "a.mp4").write_bytes(b"another video")
    with pytest.raises(InputNotFoundError, match="no such plan"):
        join_segments(work, planned)
