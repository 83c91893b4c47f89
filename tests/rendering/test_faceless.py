"""Source frames without a face: what is shown for them, asked for between them, and reported."""

from __future__ import annotations

import random
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from musetalk_fast.errors import NoFaceError, OutputWriteError
from musetalk_fast.planning.source_frames import as_runs
from musetalk_fast.rendering import faceless as faceless_module
from musetalk_fast.rendering.face_table_writer import FaceTableWriter
from musetalk_fast.rendering.faceless import FacelessFrames
from musetalk_fast.types import Box, Face, NoFace, SourceRun

RUNS = (SourceRun(0, 1, 9), SourceRun(8, -1, 9), SourceRun(4, 0, 3), SourceRun(7, 1, 2))


def _shown(runs: Iterable[SourceRun]) -> list[int]:
    return [run.first + run.step * place for run in runs for place in range(run.count)]


def _frames(*missing: int, no_face: NoFace = NoFace.PASS) -> FacelessFrames:
    return FacelessFrames(~np.isin(np.arange(9), missing), no_face)


@pytest.mark.parametrize("most", [1, 3, 10_000])
def test_frames_between_those_without_a_face_are_asked_for(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faceless_module, "MAX_RUNS", most)
    rng = random.Random(5)
    for _ in range(60):
        missing = rng.sample(range(9), rng.randint(0, 8))
        shown = [rng.randint(0, 8) if rng.random() < 0.3 else place % 9 for place in range(40)]
        spans = list(_frames(*missing).spans(tuple(as_runs(shown)), 100))
        assert [source for span in spans for source in _shown(span.runs)] == shown
        assert [span.start for span in spans] == [100, *(span.stop for span in spans[:-1])]
        assert spans[-1].stop == 140
        for span in spans:
            assert len(span.runs) <= most
            assert {source not in missing for source in _shown(span.runs)} == {span.has_face}
        if most == 10_000:
            changes = np.count_nonzero(np.diff([source in missing for source in shown]))
            assert len(spans) == 1 + changes


def test_none_is_asked_for_in_one_piece() -> None:
    (span,) = _frames().spans(RUNS, 7)
    assert (span.start, span.stop, span.runs, span.has_face) == (7, 30, RUNS, True)
    assert list(_frames().spans((), 7)) == []


def test_the_last_one_that_has_a_face_is_held_whichever_way_it_plays() -> None:
    frames = _frames(0, 1, 4, 5, 8, no_face=NoFace.HOLD)
    held = {0: 2, 1: 2, 4: 3, 5: 3, 8: 7}
    assert _shown(frames.shown(RUNS)) == [held.get(source, source) for source in _shown(RUNS)]
    (span,) = frames.spans(RUNS, 0)
    assert span.has_face
    assert _frames(0, 1).shown(RUNS) is RUNS


def test_mouths_fade_where_faces_come_and_go_by_the_source_frame_alone() -> None:
    weights = _frames(2).crop_weights(Fraction(20))
    assert weights is not None
    assert weights == pytest.approx([0.5, 0.15625, 0, 0.15625, 0.5, 0.84375, 1, 1, 1])
    near = _frames(0, 3).crop_weights(Fraction(10))
    assert near == pytest.approx([0, 0.5, 0.5, 0, 0.5, 1, 1, 1, 1])
    for frames in (_frames(), _frames(2, no_face=NoFace.HOLD), _frames(2, no_face=NoFace.FAIL)):
        assert frames.crop_weights(Fraction(20)) is None


def test_they_are_counted_named_and_refused() -> None:
    frames = _frames(4, 5, 8, no_face=NoFace.FAIL)
    assert frames.count(RUNS) == 3 + 3 + 3 + 1
    event = frames.event()
    assert event is not None
    assert (event.frames, event.total, event.ranges) == (3, 9, ((4, 6), (8, 9)))
    assert _frames().event() is None
    with pytest.raises(NoFaceError, match=r"a\.mov: source frame 8 has no face"):
        frames.check(RUNS[3:], "a.mov")
    frames.check((SourceRun(0, 1, 4), SourceRun(7, -1, 2)), "a.mov")
    _frames(4).check(RUNS, "a.mov")


def test_the_table_knows_them_by_its_index(tmp_path: Path) -> None:
    face = Face(0, Box(0, 0, 4, 4), Box(1, 1, 0, 0), np.zeros((0, 0), np.uint8))
    writer = FaceTableWriter(tmp_path / "faces.bin", 2500)
    has_face = np.arange(2500) % 7 != 3
    writer.add(face if each else None for each in has_face)
    table = writer.commit(b"")
    assert np.array_equal(table.presence(), has_face)
    content = table.path.read_bytes()
    table.path.write_bytes(content[:4500])
    with pytest.raises(OutputWriteError, match="the faces are damaged"):
        table.presence()
