"""Renders of avatars that move: which source frame every frame shows, with or without a mouth."""

from __future__ import annotations

import shutil
import sys
from bisect import bisect_right
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from moving_avatar import MovingAvatar, shown_in

from musetalk_fast import OutputSettings, ProcessingSettings, ServerSettings, Settings, render_async
from musetalk_fast.cli.formatting import warning_line
from musetalk_fast.config import AvatarSettings
from musetalk_fast.errors import NoFaceError
from musetalk_fast.events import DoneEvent, Event, FacelessEvent, WarningEvent
from musetalk_fast.planning import SegmentChoice, avatar_opening
from musetalk_fast.rendering.steps import join_plan, render_segments, write_plan
from musetalk_fast.types import Extend, NoFace, SourceRun, Timestamps

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))

from in_process import server_in

REPOSITORY = Path(__file__).parents[2]
THERE_AND_BACK = [*range(12), *range(11, -1, -1), *range(6)]


@dataclass
class Job:
    """A render of three seconds, ten frames each, in segments of a second."""

    folder: Path
    url: str
    patch: pytest.MonkeyPatch
    events: list[Event] = field(default_factory=list)

    @property
    def output(self) -> Path:
        return self.folder / "out.mp4"

    @property
    def inputs(self) -> tuple[Path, Path]:
        return self.folder / "a.mov", self.folder / "a.wav"

    def avatar(self, **how: Any) -> MovingAvatar:
        avatar = MovingAvatar(self.inputs[0], **how)
        self.patch.setattr(avatar_opening, "open_avatar", lambda *_, **__: avatar)
        return avatar

    def settings(self, secs: float = 1, **how: Any) -> Settings:
        return Settings(
            server=ServerSettings(url=self.url, timeout_secs=20),
            avatar=AvatarSettings(face_check=False, **how),
            output=OutputSettings(preset="ultrafast"),
            processing=ProcessingSettings(segment_secs=secs, max_retries=0),
        )

    async def render(self, **how: Any) -> DoneEvent:
        self.events.clear()
        listen = self.events.append
        await render_async(*self.inputs, self.output, self.settings(**how), on_event=listen)
        (done,) = [each for each in self.events if isinstance(each, DoneEvent)]
        return done

    def faceless(self) -> list[FacelessEvent]:
        return [each for each in self.events if isinstance(each, FacelessEvent)]


@pytest.fixture
async def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Job]:
    shutil.copy(REPOSITORY / "tests/data/short.wav", tmp_path / "a.wav")
    async with server_in(tmp_path) as server:
        yield Job(tmp_path, f"http://127.0.0.1:{server.port}", monkeypatch)


async def test_it_goes_there_and_back_and_frames_without_a_face_pass(job: Job) -> None:
    avatar = job.avatar(faceless=(0, 5, 6, 11))
    done = await job.render()
    shown, mouths = shown_in(job.output)
    assert shown == THERE_AND_BACK
    weights = [0, 0.5, 1, 1, 0.5, 0, 0, 0.5, 1, 1, 0.5, 0]  # two frames are the fade's length
    assert mouths == pytest.approx([weights[source] for source in shown], abs=0.06)
    assert done.faceless == sum(weights[source] == 0 for source in shown) == 10
    assert all(run.count <= 10 for run in avatar.asked)  # of its own segment only
    (event,) = job.faceless()
    assert event.ranges == ((0, 1), (5, 7), (11, 12))
    assert (event.frames, event.total, event.shown) == (4, 12, "pass")
    assert warning_line(event) == (
        "warning: 4 of 12 source frames have no face (0, 5-6, 11): they are shown as they are "
        "(--no-face) (MTF-FACELESS)"
    )


async def test_a_mouth_is_where_the_scaled_frames_have_it(job: Job) -> None:
    job.avatar(seen=3)
    await job.render()
    shown, mouths = shown_in(job.output)
    assert shown == THERE_AND_BACK
    assert all(mouths)


async def test_stages_on_several_machines_give_the_same_and_hold_the_last_face(job: Job) -> None:
    avatar = job.avatar(faceless=(0, 5, 6, 11))
    settings = job.settings(no_face=NoFace.HOLD)
    plan_file, _ = write_plan(*job.inputs, job.output, settings, on_event=job.events.append)
    for number in (2, 0, 1):
        await render_segments(
            plan_file, SegmentChoice([number]), settings, on_event=job.events.append
        )
    assert len(job.faceless()) == 3
    join_plan(plan_file)
    shown, mouths = shown_in(job.output)
    held = [{0: 1, 5: 4, 6: 4, 11: 10}.get(source, source) for source in THERE_AND_BACK]
    assert shown == held
    assert mouths == pytest.approx([1] * 30, abs=0.2)
    assert avatar.asked[0] == SourceRun(3, -1, 3)  # of the last segment, whose first is held


async def test_a_frame_without_a_face_ends_a_render_that_shows_it(job: Job) -> None:
    job.avatar(frames=40, faceless=(7, 35))
    with pytest.raises(NoFaceError, match="source frame 7 has no face") as refused:
        await job.render(no_face=NoFace.FAIL)
    assert refused.value.where == str(job.inputs[0])
    assert not job.output.exists()
    job.avatar(frames=40, faceless=(35,))  # beyond the end of the recording
    await job.render(no_face=NoFace.FAIL, secs=10)
    assert shown_in(job.output)[1] == pytest.approx([1] * 30, abs=0.2)


async def test_a_video_that_ends_with_its_avatar_has_as_much_sound(job: Job) -> None:
    job.avatar().missing_note = "two are missing"
    await job.render(extend=Extend.CUT)
    assert shown_in(job.output)[0] == list(range(12))
    said = [each for each in job.events if isinstance(each, WarningEvent)]
    assert [each.message for each in said] == ["as converted", "two are missing"]
    assert said[1].token == "MTF-AVATAR-DAMAGED"
    with av.open(str(job.output)) as container:
        track = container.streams.audio[0]
        samples = sum(frame.samples for frame in container.decode(track))
        assert 0 <= samples / track.rate - 1.2 < 1024 / track.rate


async def test_every_third_frame_is_decoded_in_one_pass(job: Job) -> None:
    times = Timestamps((0, 2, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18), 30, Fraction(1, 10))
    avatar = job.avatar(timestamps=times)
    await job.render(speed_to_fit=True, secs=10)
    shown = shown_in(job.output)[0]
    assert shown == [bisect_right(times.starts, at) - 1 for at in range(30)]
    assert avatar.asked == [SourceRun(0, 1, 12)]
