"""Crops a second of the preview engine: equality first, then time.

`MUSETALK_PREVIEW_PROTOTYPE=FOLDER` names the folder of the NumPy prototype (`mouth_warp.py`) for
the comparison that was asked for: at least 1.5 times its crops a second, on one core, in one run.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musetalk_fast.engines.preview import painting, painting_reference
from musetalk_fast.engines.preview.mouth import MouthPose, make_mouth, pose_mouth
from musetalk_fast.media.face import find_face
from musetalk_fast.media.image import load_still
from musetalk_fast.types import AvatarOptions

PORTRAIT = Path(__file__).parents[1] / "examples" / "portrait.png"
PROTOTYPE = os.environ.get("MUSETALK_PREVIEW_PROTOTYPE")
POSES = [MouthPose(opened, wide, 0) for opened in (0, 0.2, 0.5, 0.9) for wide in (-0.6, 0, 0.7)]
LEAST_RATIO = 1.5


@pytest.fixture(scope="module")
def face() -> Any:
    rgb = load_still(PORTRAIT, background="white", resolution=None).rgb
    return rgb, find_face(rgb, AvatarOptions())


@pytest.fixture(scope="module")
def mouth(face: Any) -> Any:
    rgb, found = face
    return make_mouth(rgb, found.landmarks.points, found.box)


def ours(mouth: Any) -> None:
    for pose in POSES:
        painting.paint(mouth, pose_mouth(mouth, pose))


def in_numpy(mouth: Any) -> None:
    for pose in POSES:
        painting_reference.paint(mouth, pose_mouth(mouth, pose))


def ratio(ours: Callable[[], None], theirs: Callable[[], None], rounds: int = 15) -> float:
    """How many times faster ours is: medians of runs in turn, after one that warms up."""
    spent: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for each, times in zip((ours, theirs), spent, strict=True):
            start = time.perf_counter()
            each()
            if turn:
                times.append(time.perf_counter() - start)
    return float(np.median(spent[1]) / np.median(spent[0]))


def test_kernel(benchmark: Any, mouth: Any) -> None:
    for pose in POSES:
        posed = pose_mouth(mouth, pose)
        painted = painting.paint(mouth, posed).astype(int)
        difference = painted - painting_reference.paint(mouth, posed)
        assert np.abs(difference).max() <= 1
    benchmark(ours, mouth)


def test_numpy(benchmark: Any, mouth: Any) -> None:
    benchmark(in_numpy, mouth)


def test_prepare(benchmark: Any, face: Any) -> None:
    rgb, found = face
    benchmark(make_mouth, rgb, found.landmarks.points, found.box)


@pytest.mark.usefixtures("one_core")
def test_beats_plain_numpy(mouth: Any, note: Callable[[str], None]) -> None:
    gain = ratio(lambda: ours(mouth), lambda: in_numpy(mouth), rounds=5)
    note(f"preview engine: {gain:.1f} times the crops a second of plain NumPy")
    assert gain > LEAST_RATIO


@pytest.mark.skipif(PROTOTYPE is None, reason="MUSETALK_PREVIEW_PROTOTYPE names no folder")
@pytest.mark.usefixtures("one_core")
def test_beats_the_prototype(face: Any, mouth: Any, note: Callable[[str], None]) -> None:
    assert PROTOTYPE is not None
    rgb, found = face
    path = Path(PROTOTYPE) / "mouth_warp.py"
    spec = importlib.util.spec_from_file_location("prototype_mouth_warp", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    box = found.box
    edges = (box.x, box.y, box.x + box.width, box.y + box.height)
    prepared = module.Face(rgb, found.landmarks.points, box=edges).prep()

    def theirs() -> None:
        for pose in POSES:
            prepared.frame(pose.open, pose.wide, pose.rest)

    gain = ratio(lambda: ours(mouth), theirs)
    note(f"preview engine: {gain:.1f} times the crops a second of the prototype")
    assert gain >= LEAST_RATIO
