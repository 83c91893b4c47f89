"""A still's segments are encoded as bands, and in full where that would show something else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from test_compositing import CROPS, FULL_FRAMES, PLAN, X264, _table

from musetalk_fast.events import StillRowsFigures
from musetalk_fast.kernels.h264_bits import UnsupportedStreamError
from musetalk_fast.media.image import Still
from musetalk_fast.media.still_source import StillSource
from musetalk_fast.media.wav import WavWriter
from musetalk_fast.planning import Plan, cut
from musetalk_fast.rendering import coding as coding_module
from musetalk_fast.rendering.coding import Codings
from musetalk_fast.rendering.encode import SegmentEncoder
from musetalk_fast.rendering.jobdir import JobDirectory
from musetalk_fast.rendering.shared_avatars import SharedAvatars
from musetalk_fast.types import Box, CropEncoding, Face, StillRowsMode
from musetalk_fast.video import band_segment, first_frame, still_rows
from musetalk_fast.video.band_check import LeakError
from musetalk_fast.video.band_quality import band_quality
from musetalk_fast.video.compositor import StillCompositor
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.first_frame import FirstFrameCompositor
from musetalk_fast.video.mux import join, join_into_pipe
from musetalk_fast.video.parts import Part, read_part
from musetalk_fast.video.pipe_file import PipeFile
from musetalk_fast.video.still_rows import choose_band
from musetalk_fast.wire.messages import Frame

WIDTH, HEIGHT, GOP, FRAMES = 98, 320, 6, 16
TOP, MASK = 150, 20
MASK_ROWS = slice(TOP, TOP + MASK)
ENCODER = EncoderSettings("libx264", "mp4", "yuv420p", X264, GOP, 1)
BAND = slice((TOP // 16 - 4) * 16, (-(-(TOP + MASK) // 16) + 4) * 16)
ROWS, ALL_ROWS = (BAND.stop - BAND.start) // 16, HEIGHT // 16


@pytest.fixture(autouse=True)
def _short_gops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several key frames in few frames."""
    monkeypatch.setattr(still_rows, "SHORTEST_GOP", GOP)


def _picture() -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    waves = 120 + 40 * np.sin(rows / 7) + 30 * np.cos(columns / 5)
    noise = np.random.default_rng(1).normal(0, 2, waves.shape)
    return np.repeat(np.clip(waves + noise, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


AVATAR = StillSource(Still(Path("a.png"), _picture(), "a" * 64, ()))
FACE = Face(
    0, Box(10, TOP - 40, 78, 90), Box(16, TOP, 66, MASK), np.full((MASK, 66), 255, np.uint8)
)
TEXTURE = np.random.default_rng(2).integers(0, 256, (40, 32, 3)).repeat(12, 0).repeat(8, 1)


def _crop(index: int) -> Frame:
    """A texture that runs upwards."""
    pixels = TEXTURE[8 * index % 200 :][:256].astype(np.uint8)
    return Frame(index=index, source=0, encoding=CropEncoding.RAW, data=pixels.tobytes())


class _Queue(list[Any]):
    closed = False

    def close(self) -> None:
        pass


def _plan(**changes: Any) -> Plan:
    segments = cut(2 * FRAMES, PLAN.fps, Fraction(FRAMES) / PLAN.fps)
    return replace(PLAN, width=WIDTH, height=HEIGHT, encoder=ENCODER, segments=segments, **changes)


def _job(folder: Path, plan: Plan) -> Any:
    with WavWriter(folder / "speech.wav") as writer:
        writer.write(np.zeros(32000, np.int16))
    speech = SimpleNamespace(wav=folder / "speech.wav")
    state = SimpleNamespace(
        manifest=CROPS, faces=_table(folder, FACE), plan=plan, jobdir=JobDirectory(folder)
    )
    inputs = SimpleNamespace(avatar=AVATAR, speech=speech, mouth=None)
    return SimpleNamespace(state=state, inputs=inputs, plan=plan, avatars=SharedAvatars())


def _make(encoder: SegmentEncoder, plan: Plan, number: int) -> Part:
    segment = plan.segments[number]
    frames = _Queue(_crop(index) for index in range(segment.start, segment.stop))
    active: Any = SimpleNamespace(segment=segment, queue=frames, encoded=0)
    return encoder(active)


def _decoded(path: Path) -> Iterator[tuple[NDArray[np.uint8], bool]]:
    with av.open(str(path)) as video:
        for frame in video.decode(video=0):
            yield frame.to_ndarray()[:HEIGHT], frame.key_frame


def _sought(path: Path, number: int) -> Iterator[NDArray[np.uint8]]:
    with av.open(str(path)) as video:
        stream = video.streams.video[0]
        assert stream.time_base is not None
        video.seek(round(number / PLAN.fps / stream.time_base), stream=stream)
        for frame in video.decode(video=0):
            yield frame.to_ndarray()[:HEIGHT]


@pytest.fixture
def truth() -> list[NDArray[np.uint8]]:
    plan = _plan()
    planes = next(AVATAR.planes(plan.sources[0], coding_module.LAYOUTS["yuv420p"]))
    compositor = StillCompositor(planes, FACE, plan.fps, plan.colour)
    return [compositor.compose(_crop(i), i).to_ndarray()[:HEIGHT].copy() for i in range(2 * FRAMES)]


def _error(shown: NDArray[np.uint8], wanted: NDArray[np.uint8]) -> float:
    return float(np.abs(shown.astype(int) - wanted).mean())


def test_segments_of_bands_show_the_avatar_and_the_crops(
    tmp_path: Path, truth: list[NDArray[np.uint8]]
) -> None:
    plan = _plan()
    encoder = SegmentEncoder(_job(tmp_path, plan))
    parts = [_make(encoder, plan, number) for number in (1, 0)][::-1]
    figures = StillRowsFigures(band_rows=ROWS, rows=ALL_ROWS, unproven=0, in_full=0)
    assert [part.still_rows for part in parts] == [figures, figures]
    assert [read_part(part.path, plan.fps).frames for part in parts] == [FRAMES, FRAMES]
    output = tmp_path / "out.mp4"
    join(parts, output, sound=None, fps=plan.fps, encoder=ENCODER, metadata={})
    shown = list(_decoded(output))
    assert [number for number, (_, is_key) in enumerate(shown) if is_key] == [
        *(0, GOP, 2 * GOP),
        *(FRAMES, FRAMES + GOP, FRAMES + 2 * GOP),
    ]
    for number, (_, is_key) in enumerate(shown):
        if is_key:  # from there on it shows the same
            rest = zip(_sought(output, number), shown[number:], strict=True)
            assert all(np.array_equal(picture, wanted) for picture, (wanted, _) in rest)
    above = shown[0][0][: BAND.start]
    for (picture, _), wanted in zip(shown, truth, strict=True):
        # The rows above and below are the same slices in all segments and GOPs.
        np.testing.assert_array_equal(picture[: BAND.start], above)
        np.testing.assert_array_equal(picture[BAND.stop :], shown[0][0][BAND.stop :])
        assert _error(picture, wanted) < 3
        assert _error(picture[MASK_ROWS], wanted[MASK_ROWS]) < 6 < _error(wanted[MASK_ROWS], 128)
    for other in (*map(tmp_path.joinpath, ("out.mov", "out.mkv")), _piped(parts, tmp_path)):
        if not other.exists():
            encoder = replace(ENCODER, format=other.suffix[1:])
            join(parts, other, sound=None, fps=plan.fps, encoder=encoder, metadata={})
        same = zip(_decoded(other), shown, strict=True)
        assert all(np.array_equal(theirs, ours) for (theirs, _), (ours, _) in same)


def _piped(parts: list[Part], folder: Path) -> Path:
    """A file that was written as a pipe is: once, from its beginning to its end."""
    path = folder / "piped.mp4"
    pipe = PipeFile(os.open(path, os.O_WRONLY | os.O_CREAT))
    join_into_pipe(parts, pipe, sound=None, fps=PLAN.fps, encoder=ENCODER, metadata={})
    return path


def test_the_same_segment_is_the_same_bytes_on_every_try(tmp_path: Path) -> None:
    plan, made = _plan(), []
    for name in ("one", "other"):
        folder = tmp_path / name
        folder.mkdir()
        made.append(_make(SegmentEncoder(_job(folder, plan)), plan, 1).path.read_bytes())
    assert made[0] == made[1]


def test_a_band_that_leaks_is_caught_and_encoded_in_full(
    tmp_path: Path, truth: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = _plan()
    encoder = SegmentEncoder(_job(tmp_path, plan))
    good = _make(encoder, plan, 0)

    def narrow(*given: Any) -> Any:
        """The mask reaches the edges of the band: what moves there reads from beyond."""
        choice = choose_band(*given)
        assert choice is not None
        rows = {"first_row": TOP // 16, "rows": 6}
        return replace(choice, layout=choice.layout._replace(**rows))

    monkeypatch.setattr(coding_module, "choose_band", narrow)
    leaking = SegmentEncoder(_job(tmp_path, plan))
    with pytest.raises(LeakError, match=r"picture \d+ reads from rows outside of the band"):
        _make(leaking, plan, 1)
    part = _make(leaking, plan, 1)
    assert part.still_rows is not None
    assert part.still_rows.in_full == 1
    assert part.still_rows.unproven > 0
    assert part.extradata == good.extradata
    for (picture, _), wanted in zip(_decoded(part.path), truth[FRAMES:], strict=True):
        assert _error(picture[MASK_ROWS], wanted[MASK_ROWS]) < 6


@pytest.mark.parametrize("fails", ["encode_still_rows", "BandEncoder"])
def test_what_cannot_be_composed_is_encoded_in_full(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = _plan()
    good = _make(SegmentEncoder(_job(tmp_path, plan)), plan, 0)
    monkeypatch.setattr(band_segment, fails, lambda *_: _refuse())
    encoder = SegmentEncoder(_job(tmp_path, plan))
    if fails == "BandEncoder":
        with pytest.raises(UnsupportedStreamError):
            _make(encoder, plan, 1)
    part = _make(encoder, plan, 1)
    assert part.still_rows == StillRowsFigures(band_rows=ROWS, rows=ALL_ROWS, unproven=0, in_full=1)
    assert part.extradata == good.extradata


def test_full_is_as_planned(tmp_path: Path) -> None:
    plan = _plan(still_rows=StillRowsMode.FULL)
    part = _make(SegmentEncoder(_job(tmp_path, plan)), plan, 0)
    assert part.still_rows is None
    assert Codings(_job(tmp_path, plan)).of(plan.segments[0]).encoder == ENCODER


def test_full_frames_have_no_band(tmp_path: Path) -> None:
    job = _job(tmp_path, _plan())
    job.state.manifest = FULL_FRAMES
    coding = Codings(job).of(job.plan.segments[0])
    assert (coding.band, coding.encoder) == (None, ENCODER)


def test_what_a_band_is_chosen_for() -> None:
    def choose(**changes: Any) -> object:
        return choose_band(replace(ENCODER, **changes), FACE, WIDTH, HEIGHT)

    quality = band_quality("veryfast", 20)
    assert quality is not None
    choice = choose_band(ENCODER, FACE, WIDTH, HEIGHT)
    assert choice is not None
    assert float(choice.encoder.options["crf"]) == quality.crf
    assert "cpu-independent=1:" in choice.encoder.options["x264-params"]
    assert choice.encoder.threads == ENCODER.threads
    tall = replace(FACE, mask_box=Box(16, 80, 66, 120), mask=np.full((120, 66), 255, np.uint8))
    assert choose_band(ENCODER, tall, WIDTH, HEIGHT) is None, "the band has most of the rows"
    assert choose(codec="libx265") is None
    assert choose(pix_fmt="yuv444p") is None
    assert choose(options={**X264, "crf": "0"}) is None, "lossless"
    assert choose(options={**X264, "maxrate": "1M"}) is None
    assert choose(options={"crf": "20", "preset": "veryfast"}) is None


def test_a_render_whose_bands_fail_is_finished_in_full(
    tmp_path: Path, preview_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from musetalk_fast import Settings, render_async
    from musetalk_fast.config import OutputSettings, ServerSettings

    monkeypatch.setattr(band_segment, "BandEncoder", lambda *_: _refuse())
    root = Path(__file__).parents[2]
    made = render_async(
        root / "examples/portrait.png",
        root / "tests/data/short.wav",
        tmp_path / "out.mp4",
        Settings(
            server=ServerSettings(url=preview_server), output=OutputSettings(preset="veryfast")
        ),
    )
    result = asyncio.run(made)
    assert result.still_rows is not None
    assert result.still_rows.in_full == 1
    assert sum(1 for _ in _decoded(result.output)) == result.frames


def test_samples_of_the_full_range(tmp_path: Path) -> None:
    """FFmpeg's decoder gives the first frame another pixel format then."""
    plan = _plan(colour=replace(PLAN.colour, range=2))
    part = _make(SegmentEncoder(_job(tmp_path, plan)), plan, 0)
    assert part.still_rows is not None
    assert part.still_rows.in_full == 0


VP9 = EncoderSettings(
    *("libvpx-vp9", "webm", "yuv420p"),
    {"crf": "31", "cpu-used": "5", "deadline": "realtime", "b": "0"},
    *(250, 1),
)


def test_vp9_shows_the_decoded_first_frame(
    tmp_path: Path, truth: list[NDArray[np.uint8]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(_plan(), encoder=VP9)
    codings = Codings(_job(tmp_path, plan))
    compositor = codings.of(plan.segments[0]).compositor
    assert isinstance(compositor, FirstFrameCompositor)
    outside = np.ones(HEIGHT, bool)
    outside[MASK_ROWS] = False

    def shown(index: int) -> NDArray[np.uint8]:
        return compositor.compose(_crop(index), index).to_ndarray()[:HEIGHT].copy()

    first, second, third = (shown(index) for index in range(3))
    np.testing.assert_array_equal(first, truth[0])
    assert 0 < _error(second[outside], truth[1][outside]) < 4
    np.testing.assert_array_equal(third[outside], second[outside])
    for index, picture in enumerate((second, third), 1):
        np.testing.assert_array_equal(picture[MASK_ROWS, 16:82], truth[index][MASK_ROWS, 16:82])
    np.testing.assert_array_equal(shown(0), truth[0])  # of the next segment

    monkeypatch.setattr(first_frame, "encode_alone", lambda *_: _refuse())
    np.testing.assert_array_equal(shown(1), truth[1])
    full = Codings(_job(tmp_path, replace(plan, still_rows=StillRowsMode.FULL)))
    assert type(full.of(plan.segments[0]).compositor) is StillCompositor


def _refuse() -> None:
    raise UnsupportedStreamError("one frame became 2 packets")
