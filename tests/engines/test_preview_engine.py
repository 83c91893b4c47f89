"""The four verbs of the preview engine."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from musetalk_fast.engines.base import ENGINE_GROUP, CropRequest, never_cancelled
from musetalk_fast.engines.preview import PreviewEngine, painting
from musetalk_fast.engines.preview.mouth import MouthPose, pose_mouth
from musetalk_fast.errors import FaceOptionsError, ImageFormatError, NoFaceError
from musetalk_fast.types import SPEECH_RATE, AvatarOptions, Box, Face

FPS = (25, 1)


@dataclass(frozen=True)
class Ready:
    engine: PreviewEngine
    avatar: object
    other: object
    speech: object
    reported: list[tuple[int, int, Face | None]]

    def requests(self, frames, avatar=None) -> list[CropRequest]:
        return [CropRequest(avatar or self.avatar, 0, self.speech, frame, FPS) for frame in frames]


@pytest.fixture(scope="module")
def ready(smiling, closed) -> Ready:
    engine = PreviewEngine()
    reported: list[tuple[int, int, Face | None]] = []
    options = AvatarOptions()
    avatar = engine.prepare_avatar(
        smiling.path, options, lambda *face: reported.append(face), never_cancelled
    )
    other = engine.prepare_avatar(closed.path, options, lambda *face: None, never_cancelled)
    return Ready(engine, avatar, other, engine.prepare_audio(_vowels(), never_cancelled), reported)


def _vowels() -> np.ndarray:
    """A second of silence, then one of a buzz that swells four times, then silence again."""
    time = np.arange(SPEECH_RATE) / SPEECH_RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 30))
    swell = np.sin(4 * np.pi * time) ** 2
    quiet = np.zeros(SPEECH_RATE)
    return (np.concatenate([quiet, buzz * swell, quiet]) * 6000).astype(np.int16)


def test_it_calls_itself_a_preview(ready) -> None:
    info = ready.engine.describe()
    assert info.name == "preview"
    assert info.is_preview
    assert info.gpu_name is None
    name, version, digest = info.model.split("-")
    assert name == "preview"
    assert version.count(".") == 2
    assert len(bytes.fromhex(digest)) == 4
    assert info == PreviewEngine().describe()


def test_it_is_found_by_its_group(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import entry_points

    found = {entry.name: entry for entry in entry_points(group=ENGINE_GROUP)}
    if "preview" not in found:
        pytest.skip("the package is not installed, so it has no entry points")
    assert found["preview"].load() is PreviewEngine


def test_it_reports_each_face_once(ready, smiling) -> None:
    ((source, count, face),) = ready.reported
    assert (source, count) == (0, 1)
    assert face is ready.avatar.faces[0]
    assert face.source == 0
    assert face.box == smiling.found.box
    assert face.mask.shape == (face.mask_box.height, face.mask_box.width)
    assert (ready.avatar.height, ready.avatar.width) == smiling.rgb.shape[:2]


def test_silence_shows_the_photo_with_its_lips_together(ready, smiling, closed) -> None:
    silent = [0, 74, 10_000]
    closes = painting.paint(smiling.mouth, pose_mouth(smiling.mouth, MouthPose(0, 0, 0)))
    for avatar, rest in ((ready.avatar, closes), (ready.other, closed.mouth.photo)):
        for crop in ready.engine.infer(ready.requests(silent, avatar)):
            assert np.array_equal(crop, rest)


def test_sound_moves_the_mouth(ready) -> None:
    crops = ready.engine.infer(ready.requests(range(75))).astype(int)
    moved = np.abs(crops - crops[0]).mean(axis=(1, 2, 3))
    assert crops.shape == (75, 256, 256, 3)
    assert moved[28:48].mean() > 0.3
    assert moved[:15].max() == 0


def test_any_order_and_any_company_gives_the_same_crops(ready) -> None:
    frames = [40, 3, 33, 28, 33, 74]
    mixed = [*ready.requests(frames), *ready.requests(frames, ready.other)]
    together = ready.engine.infer(mixed)
    for crop, request in zip(together[::-1], mixed[::-1], strict=True):
        assert np.array_equal(ready.engine.infer([request])[0], crop)
    assert not np.array_equal(together[0], together[6])
    assert together.flags.c_contiguous


def test_an_empty_batch_is_no_crops(ready) -> None:
    assert ready.engine.infer([]).shape == (0, 256, 256, 3)


def test_an_exception_of_the_listener_stops_it(smiling) -> None:
    def stop(*_: object) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        PreviewEngine().prepare_avatar(smiling.path, AvatarOptions(), stop, never_cancelled)


def test_it_asks_often_whether_anybody_waits(ready, smiling) -> None:
    """No step is long: what was asked between two questions is a few of a hundred."""
    asked: list[float] = []
    ready.engine.prepare_avatar(
        smiling.path, AvatarOptions(), lambda *_: None, lambda: asked.append(time.process_time())
    )
    steps = np.diff(asked)
    assert len(steps) > 70
    assert steps.max() < steps.sum() / 2
    assert np.median(steps) < steps.sum() / 20


def test_who_stops_it_stops_it_at_once(ready, smiling) -> None:
    def stop() -> None:
        raise InterruptedError

    reported: list[object] = []
    with pytest.raises(InterruptedError):
        ready.engine.prepare_avatar(
            smiling.path, AvatarOptions(), lambda *face: reported.append(face), stop
        )
    assert reported == []
    with pytest.raises(InterruptedError):
        ready.engine.prepare_audio(_vowels(), stop)


def test_a_recording_asks_twice_a_block(ready) -> None:
    asked: list[None] = []
    ready.engine.prepare_audio(np.zeros(95 * SPEECH_RATE, np.int16), lambda: asked.append(None))
    assert len(asked) == 2 * 4


def test_a_picture_without_a_face_is_refused(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "noise.png"
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    Image.fromarray(noise).save(path)
    with pytest.raises(NoFaceError):
        PreviewEngine().prepare_avatar(path, AvatarOptions(), lambda *face: None, never_cancelled)


def test_a_box_without_a_face_is_taken_as_an_average_one(ready, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "drawing.png"
    Image.new("RGB", (200, 200), (200, 180, 170)).save(path)
    options = AvatarOptions(face_box=Box(40, 30, 120, 137))
    avatar = ready.engine.prepare_avatar(path, options, lambda *face: None, never_cancelled)
    (face,) = avatar.faces
    assert face is not None
    assert face.mask.max() > 200
    crops = ready.engine.infer(ready.requests(range(28, 48), avatar)).astype(int)
    assert np.abs(crops - avatar.mouth.photo).max() > 30


@pytest.mark.parametrize("options", [{"extra_margin": 1000}, {"bbox_shift": 40}])
def test_options_that_a_face_does_not_allow_are_named(ready, smiling, options) -> None:
    with pytest.raises(FaceOptionsError, match="leave no box") as refused:
        ready.engine.prepare_avatar(
            smiling.path, AvatarOptions(**options), lambda *face: None, never_cancelled
        )
    assert "this face allows" in str(refused.value.hint)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.png"
    path.write_text("not a picture")
    with pytest.raises(ImageFormatError):
        PreviewEngine().prepare_avatar(path, AvatarOptions(), lambda *face: None, never_cancelled)


def test_the_package_alone_loads_no_numba() -> None:
    code = "import sys, musetalk_fast.engines.preview; print('numba' in sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_it_closes(smiling) -> None:
    engine = PreviewEngine()
    engine.prepare_avatar(smiling.path, AvatarOptions(), lambda *face: None, never_cancelled)
    engine.close()
    engine.close()
