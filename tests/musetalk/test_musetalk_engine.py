"""The four verbs of the MuseTalk engine, with tiny random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from musetalk_fast.engines.base import CropRequest, ReportsFigures, never_cancelled
from musetalk_fast.engines.musetalk import load_engine
from musetalk_fast.errors import UsageError
from musetalk_fast.types import SPEECH_RATE, AvatarOptions

PORTRAIT = Path(__file__).parents[2] / "examples" / "portrait.png"
BATCH = 3


@pytest.fixture(scope="module")
def engine(models: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("latents")
    return load_engine(
        models_dir=models, latents_dir=folder, device="cpu", half="off", batch_size=BATCH
    )


@pytest.fixture(scope="module")
def avatar(engine):
    return engine.prepare_avatar(PORTRAIT, AvatarOptions(), lambda *_: None, never_cancelled)


@pytest.fixture(scope="module")
def noise(engine):
    samples = np.random.default_rng(1).integers(-9000, 9000, 2 * SPEECH_RATE, np.int16)
    return engine.prepare_audio(samples, never_cancelled)


def test_a_crop_is_the_same_in_any_company(engine, avatar, noise) -> None:
    requests = [CropRequest(avatar, 0, noise, frame, (25, 1)) for frame in (0, 7, 30, 49, 7)]
    together = engine.infer(requests)
    assert together.shape == (5, 256, 256, 3)
    assert together.dtype == np.uint8
    for crop, request in zip(together, requests, strict=True):
        assert np.array_equal(engine.infer([request])[0], crop)
    assert np.array_equal(together[1], together[4])
    assert np.abs(together[0].astype(int) - together[2]).mean() > 0.5
    assert together.std() > 5
    figures = engine.figures()
    assert isinstance(engine, ReportsFigures)
    assert figures.gpu_memory == {}
    assert sorted(figures.stage_secs) == ["crops", "features", "latents"]
    assert all(secs > 0 for secs in figures.stage_secs.values())


def test_only_a_process_of_its_own_can_be_ended(models: Path) -> None:
    with pytest.raises(UsageError, match="--call-timeout needs --gpus"):
        load_engine(models_dir=models, device="cpu", call_timeout=5)
