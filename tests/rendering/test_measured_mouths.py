"""Every part says how far its mouth moved: crops, full frames, and parts of an earlier run."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_compositing import AVATAR, CROPS, FACE, FULL_FRAMES, HEIGHT, PLAN, WIDTH, _table

from musetalk_fast.media.wav import WavWriter
from musetalk_fast.planning.plan import cut
from musetalk_fast.rendering.encode import SegmentEncoder
from musetalk_fast.rendering.jobdir import JobDirectory
from musetalk_fast.types import Box, CropEncoding
from musetalk_fast.video.mouth_motion import is_still, mouth_figures
from musetalk_fast.video.parts import Part, read_part
from musetalk_fast.wire.messages import Frame, FullFrame

FRAMES = 100
SPEAKS = np.arange(FRAMES) // 25 % 2 == 0
MOUTH = Box(14, 40, 50, 28)


def _brightness(index: int, *, moves: bool) -> int:
    """In speech, up and down every look."""
    return 150 if moves and SPEAKS[index] and index // 2 % 2 else 100


def _crop(index: int, value: int) -> Frame:
    data = bytes([value]) * (256 * 256 * 3)
    return Frame(index=index, source=0, encoding=CropEncoding.RAW, data=data)


def _full(index: int, value: int) -> FullFrame:
    stream = BytesIO()
    Image.fromarray(np.full((HEIGHT, WIDTH, 3), value, np.uint8)).save(stream, "png")
    return FullFrame(index=index, data=stream.getvalue())


class _Queue(list[Any]):
    closed = False

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "speech.wav"
    with WavWriter(path) as writer:
        for speaks in SPEAKS:
            writer.write(np.full(640, 3000 if speaks else 0, np.int16))
    return path


def _parts(
    folder: Path, wav: Path, *, full: bool = False, moves: bool = True, mouth: Box | None = MOUTH
) -> list[Part]:
    """Two segments, the last one first."""
    plan = replace(PLAN, segments=cut(FRAMES, PLAN.fps, 2.0))
    manifest = FULL_FRAMES if full else CROPS
    faces = _table(folder) if full else _table(folder, FACE)
    state = SimpleNamespace(manifest=manifest, faces=faces, plan=plan, jobdir=JobDirectory(folder))
    inputs = SimpleNamespace(avatar=AVATAR, speech=SimpleNamespace(wav=wav), mouth=mouth)
    job: Any = SimpleNamespace(state=state, inputs=inputs, plan=plan)
    encoder, made = SegmentEncoder(job), []
    for segment in reversed(plan.segments):
        indices = range(segment.start, segment.stop)
        frames = [(_full if full else _crop)(i, _brightness(i, moves=moves)) for i in indices]
        active: Any = SimpleNamespace(segment=segment, queue=_Queue(frames), encoded=0)
        made.append(encoder(active))
    return made


@pytest.mark.parametrize("full", [False, True])
def test_a_mouth_that_speaks(tmp_path: Path, wav: Path, *, full: bool) -> None:
    parts = _parts(tmp_path, wav, full=full)
    figures = mouth_figures(part.motion for part in parts)
    assert figures is not None
    assert figures.moved is not None
    assert figures.moved > 20
    assert figures.follows is not None
    assert figures.follows > 0.8
    assert not is_still(figures)
    again = [read_part(part.path, Fraction(25)) for part in parts]
    assert mouth_figures(part.motion for part in again) == figures


@pytest.mark.parametrize("full", [False, True])
def test_the_same_crop_all_the_time(tmp_path: Path, wav: Path, *, full: bool) -> None:
    figures = mouth_figures(part.motion for part in _parts(tmp_path, wav, full=full, moves=False))
    assert figures is not None
    assert is_still(figures)


def test_full_frames_of_an_unknown_face_are_not_measured(tmp_path: Path, wav: Path) -> None:
    parts = _parts(tmp_path, wav, full=True, mouth=None)
    assert [part.motion for part in parts] == [None, None]


def test_a_recording_that_has_gone_costs_the_figures_only(tmp_path: Path) -> None:
    parts = _parts(tmp_path, tmp_path / "none.wav")
    assert [part.frames for part in parts] == [50, 50]
    assert [part.motion for part in parts] == [None, None]
