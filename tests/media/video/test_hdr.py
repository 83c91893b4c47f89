"""HDR videos: what is seen of them, on the client and on the server, is one SDR picture."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from numbered_clips import GROUP, check_every_way, patches, write_clip, write_picture
from numpy.typing import NDArray

from musetalk_fast.errors import VideoFormatError
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.media.avatar import open_asset
from musetalk_fast.media.video import VideoSource
from musetalk_fast.media.video.dolby_vision import refuse_bare_dolby_vision
from musetalk_fast.media.video.tone_curve import ToneCurve
from musetalk_fast.media.video.tone_tables import tone_table
from musetalk_fast.types import BT709, ColourTags, SourceRun

HLG = ColourTags(matrix=9, range=1, primaries=9, transfer=18)
PQ = ColourTags(matrix=9, range=1, primaries=9, transfer=16)
CURVES = {"hlg": ToneCurve(HLG, 1000.0), "pq": ToneCurve(PQ, 1000.0)}
X265 = "log-level=none:pools=none:frame-threads=1"
HLG_VUI = "transfer=arib-std-b67:colormatrix=bt2020nc:colorprim=bt2020"
Floats = NDArray[np.float64]


def _codes(signal: Floats) -> Floats:
    """(..., 3) R'G'B' of BT.2020, 0 to 1 -> Y'CbCr, limited range, 10 bits, not rounded."""
    luma = signal @ np.array([0.2627, 0.678, 0.0593])
    cb, cr = (signal[..., 2] - luma) / 1.8814, (signal[..., 0] - luma) / 1.4746
    return np.stack([64 + 876 * luma, 512 + 896 * cb, 512 + 896 * cr], axis=-1)


def _rgb(planes: NDArray[Any]) -> Floats:
    """(..., 3) Y'CbCr of BT.709 in levels -> R'G'B' in levels, as a player shows it."""
    luma, cb, cr = np.moveaxis(planes.astype(np.float64), -1, 0)
    luma, cb, cr = (luma - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    red, blue = luma + 1.5748 * cr, luma + 1.8556 * cb
    green = (luma - 0.2126 * red - 0.0722 * blue) / 0.7152
    return 255 * np.clip(np.stack([red, green, blue], axis=-1), 0, 1)


@pytest.mark.parametrize("name", CURVES)
def test_the_table_is_the_curve(name: str, record_property: Callable[[str, object], None]) -> None:
    rng, side = np.random.default_rng(1), 200
    brightness = rng.random((side // 2, side // 2, 1))
    signal = np.clip(brightness * (1 + rng.normal(0, 0.3, (side // 2, side // 2, 3))), 0, 1)
    signal[::2] = rng.random((side // 4, side // 2, 3))
    codes = np.rint(_codes(signal)).astype(np.uint16)
    source, made = (
        Planes.allocate(LAYOUTS[each], side, side) for each in ("yuv420p10le", "yuv420p")
    )
    source.samples(0)[...] = codes[..., 0].repeat(2, 0).repeat(2, 1)
    for number in (1, 2):
        source.samples(number)[...] = codes[..., number]
    tone_table(CURVES[name]).map(source, made)
    assert (made.samples(0)[::2] == made.samples(0)[1::2]).all()
    found = np.stack([made.samples(0)[::2, ::2], made.samples(1), made.samples(2)], axis=-1)
    wanted = CURVES[name](*np.moveaxis(codes.astype(np.float64), -1, 0))
    error = np.abs(found - wanted)
    mean = float(error.mean(axis=(0, 1)).max())
    record_property("HDR to SDR, against the curve in float64: mean (at most 1 level)", mean)
    assert mean <= 1
    for rows in (slice(0, None, 2), slice(1, None, 2)):  # all colours alike; those near grey
        assert np.abs(_rgb(found[rows]) - _rgb(wanted[rows])).mean(axis=(0, 1)).max() <= 1.5


def test_the_curve_has_the_points_of_the_recommendations() -> None:
    """By hand: PQ codes and HLG signals of lights (BT.2100, BT.2408, table 1)."""

    def levels(name: str, signal: float) -> float:
        y, cb, cr = _codes(np.full(3, signal))
        found = CURVES[name](*(np.array([each]) for each in (y, cb, cr)))[0]
        assert np.abs(found[1:] - 128).max() < 0.05
        return float(found[0])

    assert levels("pq", 0.0) == levels("hlg", 0.0) == 16
    # 50 cd/m2 is below the knee: as it is on a display whose white is 203.
    assert levels("pq", 0.4401) == pytest.approx(16 + 219 * (50 / 203) ** (1 / 2.4), abs=0.1)
    # Of 203 cd/m2 both make the same, near white; 1000 are white, and 10,000 no more than that.
    assert levels("pq", 0.5807) == pytest.approx(levels("hlg", 0.75), abs=0.3)
    assert 205 < levels("pq", 0.5807) < 225
    assert levels("pq", 0.7518) == pytest.approx(235, abs=0.1)
    assert levels("hlg", 1.0) == levels("pq", 1.0) == pytest.approx(235, abs=0.1)


def test_what_is_seen_is_sdr_and_the_same_on_the_server(tmp_path: Path) -> None:
    clip = write_picture(
        tmp_path / "hlg.mp4", patches(), codec="libx265", pix_fmt="yuv420p10le", tags=HLG_AS_BT709,
        options={"preset": "ultrafast", "x265-params": f"{X265}:lossless=1:{HLG_VUI}"},
    )  # fmt: skip
    source, seen = VideoSource(clip), open_asset(clip)
    assert source.notes == ("the video is HDR (HLG): it is tone-mapped to SDR (BT.709)",)
    assert (source.colour, source.pix_fmt, source.bit_depth) == (BT709, "yuv420p", 8)
    assert source.conversion_note(LAYOUTS["yuv420p"]) is None
    run = SourceRun(0, 1, 1)
    (planes,) = source.planes(run, LAYOUTS["yuv420p"])
    with av.open(str(clip)) as file:
        (frame,) = file.decode(video=0)
    assert (frame.color_trc, frame.colorspace) == (18, 9)
    strides = [plane.line_size for plane in frame.planes]
    given = Planes(LAYOUTS["yuv420p10le"], 96, 64, frame.planes, strides)
    wanted = Planes.allocate(LAYOUTS["yuv420p"], 96, 64)
    tone_table(CURVES["hlg"]).map(given, wanted)
    for number in range(3):
        assert np.array_equal(planes.samples(number), wanted.samples(number))
    assert np.array_equal(source.picture(0), seen.picture(0))
    whole = [planes.samples(number).repeat(2, 0).repeat(2, 1) for number in (1, 2)]
    shown = _rgb(np.stack([planes.samples(0), *whole], axis=-1))
    inside = [(np.arange(side) % 16 - 7.5) ** 2 < 16 for side in (64, 96)]
    inner = inside[0][:, None] & inside[1]
    assert np.abs(seen.picture(0) - shown)[inner].mean() < 1
    assert np.array_equal(source.picture(0), next(source.pictures(run)))
    (nv12,) = source.planes(run, LAYOUTS["nv12"])
    assert all(np.array_equal(nv12.samples(n), wanted.samples(n)) for n in range(3))


HLG_AS_BT709 = ColourTags(matrix=1, range=1, primaries=9, transfer=18)
"""For making samples: which colours they are does not matter, what the file says does."""


def test_the_container_says_what_the_video_leaves_open(tmp_path: Path) -> None:
    clip = write_picture(
        tmp_path / "clip.mov", patches(), codec="prores_ks", pix_fmt="yuv422p10le",
        tags=HLG_AS_BT709, options={},
    )  # fmt: skip
    with av.open(str(clip)) as file:
        (frame,) = file.decode(video=0)
    assert (frame.color_trc, frame.color_primaries) == (2, 2)
    source = VideoSource(clip, keeps_hdr=True)
    assert source.colour == HLG_AS_BT709
    (kept,) = source.planes(SourceRun(0, 1, 1), LAYOUTS["yuv422p10le"])
    assert kept.samples(0).mean() == pytest.approx(550, abs=5)
    assert VideoSource(clip).notes[0].startswith("the video is HDR (HLG)")


def test_every_frame_is_found_from_everywhere(tmp_path: Path) -> None:
    group = f"keyint={GROUP}:min-keyint={GROUP}:bframes=3:open-gop=1:scenecut=0"
    options = {"preset": "ultrafast", "x265-params": f"{X265}:{group}:{HLG_VUI}"}
    clip = write_clip(tmp_path / "clip.mkv", "libx265", 26, options=options, pix_fmt="yuv420p10le")
    check_every_way(VideoSource(clip), range(26))


DISPLAY = "transfer=smpte2084:master-display=G(1,1)B(1,1)R(1,1)WP(1,1)L(40000000,1)"


@pytest.mark.parametrize(
    ("vui", "peak", "note"),
    [
        ("transfer=smpte2084", 1000, "HDR (PQ)"),
        (f"{DISPLAY}:max-cll=600,90", 600, "HDR (PQ)"),
        (DISPLAY, 4000, "HDR (PQ)"),
        ("transfer=smpte2084:max-cll=60000,90", 10_000, "HDR (PQ)"),
        ("transfer=bt2020-10:colormatrix=bt2020nc", 203, "the colours of BT.2020"),
    ],
    ids=["plain", "content", "display", "too bright", "sdr"],
)
def test_the_peak_is_that_of_the_content(tmp_path: Path, vui: str, peak: float, note: str) -> None:
    clip = write_picture(
        tmp_path / "clip.mkv", patches(), codec="libx265", pix_fmt="yuv420p10le",
        options={"preset": "ultrafast", "x265-params": f"{X265}:{vui}"},
    )  # fmt: skip
    source = VideoSource(clip)
    curve = source._facts.curve
    assert curve is not None
    assert curve.peak == peak
    assert (curve.tags.matrix, curve.tags.primaries) == (9, 9)
    assert note in source.notes[0]


@pytest.mark.parametrize(
    ("data", "transfer", "refused"),
    [
        ({}, 18, False),
        ({"DOVI_RPU_BUFFER": (0, 0), "DOVI_METADATA": (8, 1)}, 18, False),
        ({"DOVI_RPU_BUFFER": (0, 0), "DOVI_METADATA": (8, 0)}, 16, True),
        ({"DOVI_RPU_BUFFER": (0, 0)}, 2, True),
        ({"DOVI_RPU_BUFFER": (0, 0)}, 16, False),
        ({"DOVI_METADATA": (1 << 40, 0)}, 16, False),
    ],
    ids=["none", "8.4", "5", "unnamed", "named", "cut"],
)
def test_dolby_vision_needs_a_base_layer(
    data: dict[str, Any], transfer: int, refused: bool
) -> None:
    """Side data as FFmpeg lays it out: no encoder here makes it."""
    side = []
    for name, (place, profile) in data.items():
        side.append(_SideData(name, struct.pack("@NBxHBB", place, 2, 18, profile, 6)))
    frame: Any = SimpleNamespace(side_data=side, color_trc=transfer, colorspace=9)
    if not refused:
        refuse_bare_dolby_vision(frame)
        return
    with pytest.raises(VideoFormatError, match="Dolby Vision of profile 5") as caught:
        refuse_bare_dolby_vision(frame)
    assert "HDR10, HLG or SDR" in (caught.value.hint or "")


class _SideData:
    def __init__(self, name: str, content: bytes) -> None:
        self.type = SimpleNamespace(name=name)
        self._content = content

    def __bytes__(self) -> bytes:
        return self._content
