"""A render from a server that knows only POST /infer: every picture once, in order."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from infer_server import picture
from infer_server_process import infer_server
from PIL import Image

from musetalk_fast import (
    AvatarSettings,
    OutputSettings,
    ProcessingSettings,
    ServerSettings,
    Settings,
    errors,
    render_async,
)

REPOSITORY = Path(__file__).parents[2]
PORTRAIT = REPOSITORY / "examples/portrait.png"
SPEECH = REPOSITORY / "tests/data/short.wav"
SIZE = (192, 160)
FRAMES = 75


def _settings(url: str, **server: object) -> Settings:
    return Settings(
        server=ServerSettings(url=url, **server),  # type: ignore[arg-type]
        output=OutputSettings(
            preset="ultrafast", crf=10, sound="none", resolution=SIZE, fit="stretch"
        ),
        processing=ProcessingSettings(segment_secs=1, max_retries=1),
    )


def _luma(index: int) -> np.ndarray:  # type: ignore[type-arg]
    rgb = np.asarray(Image.open(io.BytesIO(picture(*SIZE, index))), np.float64)
    return 16 + rgb @ [0.2126, 0.7152, 0.0722] * 219 / 255


@pytest.mark.parametrize("rounding", ["floor", "ceil"])
async def test_every_picture_once_and_in_order(tmp_path: Path, rounding: str) -> None:
    output = tmp_path / "out.mp4"
    with infer_server(rounding=rounding, pretty=True, framing="chunked", escapes=True) as url:
        result = await render_async(PORTRAIT, SPEECH, output, _settings(url))
    assert (result.frames, result.engine) == (FRAMES, "infer")
    with av.open(str(output)) as video:
        shown = [frame.to_ndarray()[: SIZE[1]].astype(float) for frame in video.decode(video=0)]
    assert len(shown) == FRAMES
    for index, luma in enumerate(shown):
        assert np.abs(luma - _luma(index)).mean() < 4
        assert np.abs(luma - _luma(index + 1)).mean() > 20


async def test_an_option_without_a_word_is_refused(tmp_path: Path) -> None:
    with infer_server() as url:
        settings = replace(_settings(url), avatar=AvatarSettings(extra_margin=3))
        with pytest.raises(errors.ServerRefusedError, match="POST /infer"):
            await render_async(PORTRAIT, SPEECH, tmp_path / "out.mp4", settings)


async def test_one_that_always_cuts_is_given_up(tmp_path: Path) -> None:
    with infer_server(frame="cut") as url, pytest.raises(errors.ServerError) as caught:
        await render_async(PORTRAIT, SPEECH, tmp_path / "out.mp4", _settings(url))
    assert caught.value.exit_code == 69
    assert not (tmp_path / "out.mp4").exists()
