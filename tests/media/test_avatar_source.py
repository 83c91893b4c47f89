"""A still as an avatar: one source frame, in every layout, however often it is asked for."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest

from musetalk_fast.kernels.planes import ALPHA, LAYOUTS, Planes
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.media.avatar import open_avatar
from musetalk_fast.media.frame_size import Resolution
from musetalk_fast.media.image import Still, load_still
from musetalk_fast.media.still_source import StillSource
from musetalk_fast.types import BT709, SourceRun

PORTRAIT = Path(__file__).parents[2] / "examples/portrait.png"


@pytest.fixture
def source() -> StillSource:
    rgb = np.random.default_rng(3).integers(0, 256, (66, 70, 3), dtype=np.uint8)
    return StillSource(Still(Path("a.png"), rgb, "ab" * 32, ("a note",)))


def test_a_still_is_one_source_frame_without_a_rate() -> None:
    wanted = Resolution((256, 192))
    still = load_still(PORTRAIT, background="white", resolution=wanted)
    source = open_avatar(PORTRAIT, background="white", resolution=wanted)
    assert (source.width, source.height) == (256, 192)
    assert (source.rate, source.frames) == (None, 1)
    assert (source.colour, source.bit_depth, source.pix_fmt) == (BT709, 8, "rgb24")
    assert (source.path, source.sha256, source.notes) == (PORTRAIT, still.sha256, still.notes)
    assert source.size_note == still.size_note
    assert np.array_equal(source.picture(0), still.rgb)


def test_its_asset_is_a_png_of_the_picture(source: StillSource) -> None:
    asset = source.asset()
    assert isinstance(asset.data, bytes)
    assert hashlib.sha256(asset.data).hexdigest() == asset.sha256
    decoder = av.CodecContext.create("png", "r")
    (frame,) = decoder.decode(av.Packet(asset.data))
    assert np.array_equal(frame.to_ndarray(format="rgb24"), source.picture(0))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_its_planes_are_those_of_the_picture(source: StillSource, layout) -> None:
    wanted = Planes.allocate(layout, 70, 66)
    rgb_to_planes(source.picture(0), wanted)
    (planes,) = source.planes(SourceRun(0, 0, 1), layout)
    for number in range(3):
        assert np.array_equal(planes.samples(number), wanted.samples(number))
    if layout.alpha is not None:
        assert (planes.samples(ALPHA) == (1 << layout.depth) - 1).all()


def test_a_run_of_any_length_is_the_same_planes(source: StillSource) -> None:
    run = source.planes(SourceRun(0, 0, 1 << 40), LAYOUTS["nv12"])
    first = next(run)
    assert all(next(run) is first for _ in range(100))
    assert list(source.planes(SourceRun(0, 0, 0), LAYOUTS["nv12"])) == []


def test_threads_get_the_same_planes(source: StillSource) -> None:
    gate = threading.Barrier(4)

    def first() -> Planes:
        gate.wait(10)
        return next(source.planes(SourceRun(0, 0, 9), LAYOUTS["yuv420p"]))

    with ThreadPoolExecutor(4) as threads:
        found = [future.result() for future in [threads.submit(first) for _ in range(4)]]
    assert all(planes is found[0] for planes in found)


@pytest.mark.parametrize("run", [SourceRun(1, 0, 1), SourceRun(0, 1, 2), SourceRun(0, -1, 2)])
def test_other_source_frames_are_not_there(source: StillSource, run: SourceRun) -> None:
    with pytest.raises(IndexError, match="no source frame"):
        list(source.planes(run, LAYOUTS["yuv420p"]))
    with pytest.raises(IndexError, match="no source frame 1"):
        source.picture(1)
