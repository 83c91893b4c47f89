"""What a render that was stopped keeps, says, and joins later: never parts with another's sound."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from musetalk_fast import OutputSettings, ProcessingSettings, ServerSettings, Settings, render_async
from musetalk_fast.cli.formatting import plan_line
from musetalk_fast.config import AvatarSettings
from musetalk_fast.errors import InputNotFoundError, MuseTalkError, PartsError, PlanError
from musetalk_fast.events import Event, PlanEvent, SegmentEvent, WarningEvent
from musetalk_fast.media.image_sequence import input_sha256
from musetalk_fast.media.input_file import file_sha256
from musetalk_fast.planning import Plan, SegmentChoice
from musetalk_fast.rendering import Renderer
from musetalk_fast.rendering.job import JobState
from musetalk_fast.rendering.join import join_parts
from musetalk_fast.rendering.loading import RenderRequest
from musetalk_fast.rendering.planned_input import PlannedInput, file_state
from musetalk_fast.rendering.steps import join_plan, open_plan, render_segments, write_plan

sys.path.insert(0, str(Path(__file__).parents[1] / "client"))

from scripted_server import Script, full_stream, serving

REPOSITORY = Path(__file__).parents[2]


def _cut_from(first: int) -> Callable[[dict[str, object]], list[bytes]]:
    """Streams that break off before frame `first`."""

    def frames(request: dict[str, object]) -> list[bytes]:
        whole, begin = full_stream(request), int(str(request["start"]))
        return whole if len(whole) - 2 + begin <= first else whole[: 1 + max(0, first - begin)]

    return frames


@dataclass
class Job:
    """A render of three segments of a frame, with a server that does as it is told."""

    folder: Path
    url: str
    script: Script
    events: list[Event] = field(default_factory=list)
    on_segment: Callable[[], object] = lambda: None

    @property
    def output(self) -> Path:
        return self.folder / "out.mp4"

    @property
    def parts(self) -> Path:
        return self.folder / "out.mp4.parts"

    @property
    def inputs(self) -> tuple[Path, Path]:
        return self.folder / "a.png", self.folder / "a.wav"

    def settings(self, crf: int = 20, segment_secs: float = 1) -> Settings:
        return Settings(
            server=ServerSettings(url=self.url, timeout_secs=20),
            avatar=AvatarSettings(face_check=False),
            output=OutputSettings(preset="ultrafast", crf=crf, fps=1, resolution=(320, 256)),
            processing=ProcessingSettings(segment_secs=segment_secs, max_retries=0),
        )

    async def render(self, **changes: Any) -> None:
        self.events.clear()
        settings = self.settings(**changes)
        await render_async(*self.inputs, self.output, settings, on_event=self.listen)

    async def stopped_render(self, at: int, **changes: Any) -> dict[str, str]:
        """Render up to a frame; the warnings by token."""
        self.script.frames = _cut_from(at)
        with pytest.raises(MuseTalkError):
            await self.render(**changes)
        self.script.frames = full_stream
        return self.warnings()

    def listen(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, SegmentEvent):
            self.on_segment()

    def warnings(self) -> dict[str, str]:
        return {each.token: each.message for each in self.events if isinstance(each, WarningEvent)}

    def kept(self) -> int:
        (plan,) = [each for each in self.events if isinstance(each, PlanEvent)]
        return plan.kept


@pytest.fixture
async def job(tmp_path: Path) -> AsyncIterator[Job]:
    shutil.copy(REPOSITORY / "examples/portrait.png", tmp_path / "a.png")
    shutil.copy(REPOSITORY / "tests/data/short.wav", tmp_path / "a.wav")
    script = Script()
    async with serving(script) as url:
        yield Job(tmp_path, url, script)


def _listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_it_says_what_is_kept_and_what_is_resumed(job: Job) -> None:
    said = (await job.stopped_render(at=1))["MTF-PARTS-KEPT"]
    assert said == f"1 of 3 segments kept in {job.parts}: the same command again continues"
    await job.render()
    assert job.kept() == 1
    (plan,) = [each for each in job.events if isinstance(each, PlanEvent)]
    assert plan_line(plan).endswith(", 1 of 3 segments kept")
    assert _listed(job.folder) == ["a.png", "a.wav", "out.mp4"]


async def test_it_says_why_nothing_was_kept_and_what_would_keep_more(job: Job) -> None:
    warnings = await job.stopped_render(at=0)
    said = warnings["MTF-PARTS-NONE"]
    assert said == "nothing could be kept: none of 3 segments of 1 s was finished"
    assert "MTF-PARTS-KEPT" not in warnings
    assert _listed(job.folder) == ["a.png", "a.wav"]


async def test_of_long_segments_it_says_what_shorter_ones_cost(job: Job) -> None:
    said = (await job.stopped_render(at=0, segment_secs=10))["MTF-PARTS-NONE"]
    assert said.startswith("nothing could be kept: the only segment, of 3 s, was not finished; ")
    assert "--segment-secs 5 up to half as large again" in said


async def test_archived_parts_stay_until_the_output_is_finished(job: Job) -> None:
    await job.stopped_render(at=1)
    job.script.frames = _cut_from(1)
    with pytest.raises(MuseTalkError):
        await job.render(crf=30)
    (archived,) = [name for name in _listed(job.folder) if name.startswith("out.mp4.parts.")]
    assert archived in job.warnings()["MTF-PARTS-ARCHIVED"]
    assert "until out.mp4 is finished" in job.warnings()["MTF-PARTS-ARCHIVED"]
    job.script.frames = full_stream
    await job.render(crf=30)
    assert job.kept() == 1
    assert _listed(job.folder) == ["a.png", "a.wav", "out.mp4"]


async def test_what_a_user_puts_among_the_parts_stays_with_a_warning(job: Job) -> None:
    job.on_segment = lambda: (job.parts / "notes.txt").write_text("mine")
    await job.render()
    said = job.warnings()["MTF-PARTS-FOREIGN"]
    assert said == f"{job.parts} stays: it holds what no render has made (notes.txt)"
    assert _listed(job.parts) == ["lock", "notes.txt"]
    assert job.output.exists()


def _replace(path: Path) -> None:
    """By another file of the same length, as `mv` and `cp --preserve` leave it."""
    found, other = path.stat(), path.with_name("other")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    other.write_bytes(content)
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("name", ["a.png", "a.wav"])
async def test_an_input_that_was_replaced_while_it_rendered_is_not_joined(
    job: Job, name: str
) -> None:
    original = (job.folder / name).read_bytes()
    job.on_segment = lambda: _replace(job.folder / name)
    with pytest.raises(PlanError, match="changed since the plan was made") as caught:
        await job.render()
    assert caught.value.where == str(job.folder / name)
    assert "MTF-PARTS-KEPT" not in job.warnings()
    assert not job.output.exists()
    (job.folder / name).write_bytes(original)
    job.on_segment = lambda: None
    await job.render()
    assert job.kept() == 3


async def test_join_takes_only_the_inputs_of_its_plan(job: Job) -> None:
    write_plan(*job.inputs, job.output, job.settings(), on_event=lambda _: None)
    with pytest.raises(PartsError, match="without a part: 0-2") as lacking:
        join_plan(job.parts)
    assert f"musetalk-fast segment {job.parts} --segments 0-2" in str(lacking.value.hint)
    await render_segments(job.parts, SegmentChoice([1]), job.settings(), on_event=lambda _: None)
    with pytest.raises(PartsError, match="without a part: 0, 2") as lacking:
        join_plan(job.parts / "plan.json")
    assert f"musetalk-fast segment {job.parts}/plan.json --segments 0,2" in str(lacking.value.hint)
    assert "--fresh" not in str(lacking.value.hint)
    await render_segments(job.parts, SegmentChoice(), job.settings(), on_event=lambda _: None)
    audio = job.inputs[1]
    original = audio.read_bytes()
    _replace(audio)
    with pytest.raises(PlanError, match="changed since the plan was made"):
        join_plan(job.parts)
    audio.unlink()
    with pytest.raises(InputNotFoundError):
        join_plan(job.parts)
    audio.write_bytes(original)
    _replaced_while_it_is_read(job)
    audio.write_bytes(original)
    assert join_plan(job.parts)[1].frames == 3
    assert _listed(job.folder) == ["a.png", "a.wav", "out.mp4"]


async def test_what_a_killed_render_left_beside_its_video_goes_with_the_next(job: Job) -> None:
    await job.stopped_render(2)
    other = job.settings(crf=21)
    request = RenderRequest(*job.inputs, job.output, other, job.listen, is_done=lambda _plan: True)
    async with Renderer(job.settings(), job.listen) as renderer:
        assert isinstance(await renderer.carry_out(request), Plan)
        assert job.parts.exists(), "these are of another plan"
        request = replace(request, settings=job.settings())
        assert isinstance(await renderer.carry_out(request), Plan)
    assert not job.parts.exists()


def _replaced_while_it_is_read(job: Job) -> None:
    jobdir, plan = open_plan(job.parts)
    state, replaced = JobState(plan, jobdir), []
    assert state.manifest is not None

    def replace_once() -> None:
        if not replaced:
            replaced.append(_replace(plan.audio))

    parts = state.finished(plan.segments)
    with pytest.raises(PlanError, match="changed since the plan was made"):
        join_parts(plan, parts, jobdir, state.manifest.engine, replace_once)
    assert not job.output.exists()


def test_only_what_may_have_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"sound")
    of_another = PlannedInput(path, "0" * 64, file_state(path))
    of_another.check()  # not read: it is in the state in which it was hashed
    planned = PlannedInput(path, file_sha256(path))
    planned.check()
    path.touch()
    planned.check()
    with pytest.raises(PlanError):
        of_another.check()
    _replace(path)
    with pytest.raises(PlanError):
        planned.check()
    path.unlink()
    with pytest.raises(InputNotFoundError):
        planned.check()


def test_of_a_sequence_each_file_counts(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.png").write_bytes(b"picture %d" % number)
    for path in (tmp_path, tmp_path / "%d.png"):
        assert file_state(path) is None  # what is in its files does not show in it
        planned = PlannedInput(path, input_sha256(path))
        planned.check()
        (tmp_path / "2.png").write_bytes(b"another")
        with pytest.raises(PlanError):
            planned.check()
        (tmp_path / "2.png").write_bytes(b"picture 2")
        planned.check()
