"""`models selftest` with tiny random weights: the whole chain, a server of its own included."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import av
import pytest
from PIL import Image

from musetalk_fast.errors import OutputPlaceError, WeightsMissingError
from musetalk_fast.models.selftest import run_selftest, sample

FRAMES = 6


def ignore(_event: object) -> None:
    pass


def test_both_engines_are_shown(models: Path, portrait: Path, tmp_path: Path) -> None:
    _, speech = sample()
    output = tmp_path / "selftest"
    options = ("--device", "cpu", "--half", "off", "--latents-dir", str(tmp_path / "latents"))
    found = asyncio.run(
        run_selftest(
            models, (portrait, speech), output, ignore, options=options, duration=FRAMES / 25
        )
    )
    assert (found.musetalk.engine, found.preview.engine) == ("musetalk", "preview")
    assert (found.musetalk.frames, found.preview.frames) == (FRAMES, FRAMES)
    assert found.musetalk.model.startswith("musetalk-1.5-")
    assert found.made_again == 0
    assert found.musetalk.picture is not None
    assert found.preview.picture is not None
    assert found.musetalk.picture.contrast > 20  # it is painted of noise
    with av.open(found.video) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES
        assert container.streams.video[0].width == 2 * 256
    with Image.open(found.sheet) as sheet:
        assert sheet.size[0] == 8 * 192
    assert json.loads(Path(found.report).read_text())["musetalk"]["frames"] == FRAMES
    made = {"preview.mp4", "musetalk.mp4", "side-by-side.mp4", "sheet.png", "report.json"}
    assert {each.name for each in output.iterdir()} == made


def test_what_is_missing_is_said_before_anything_is_rendered(models: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsMissingError):
        asyncio.run(run_selftest(tmp_path / "none", sample(), tmp_path / "out", ignore))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputPlaceError):
        asyncio.run(run_selftest(models, sample(), tmp_path / "file", ignore))
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
