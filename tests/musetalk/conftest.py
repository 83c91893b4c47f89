"""Tests of the MuseTalk engine: none of them where torch cannot be imported."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import pytest

NEEDED = ("torch", "diffusers", "transformers", "safetensors")

if all(importlib.util.find_spec(name) for name in NEEDED):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries, at their import
        import torch

        from musetalk_fast.engines.musetalk import architecture, networks

        networks.build_networks(architecture.MUSETALK)
    torch.set_num_threads(1)  # other tests have the other processors
else:
    collect_ignore_glob = ["*.py"]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of tiny random weights; only to be read."""
    from tiny_models import write_models

    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face, 256 pixels wide and high."""
    from PIL import Image

    path = tmp_path_factory.mktemp("portrait") / "portrait.png"
    whole = Image.open(Path(__file__).parents[2] / "examples" / "portrait.png")
    whole.crop((100, 0, 356, 256)).save(path)
    return path


@pytest.fixture(scope="session")
def clip(portrait: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames at 30000/1001 a second: a face that moves to the right, in all but the third."""
    from fractions import Fraction

    import av
    import numpy as np
    from PIL import Image

    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    face = np.asarray(Image.open(portrait).convert("RGB"))
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", Fraction(30000, 1001), options={"crf": "12"})
        stream.width = stream.height = 256
        stream.pix_fmt = "yuv420p"
        for number in range(5):
            picture = np.full_like(face, 90) if number == 2 else np.roll(face, 3 * number, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return path
