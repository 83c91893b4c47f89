"""Which compositor a segment gets: by what the manifest says, from its own source frames."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from moving_avatar import MovingAvatar

from musetalk_fast import errors
from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.media.image import Still
from musetalk_fast.media.still_source import StillSource
from musetalk_fast.planning import Plan
from musetalk_fast.planning.plan import cut
from musetalk_fast.rendering.coding import Codings, open_compositor
from musetalk_fast.rendering.face_table import FaceTable
from musetalk_fast.rendering.face_table_writer import FaceTableWriter
from musetalk_fast.rendering.faceless import FacelessFrames
from musetalk_fast.rendering.manifest import Manifest
from musetalk_fast.rendering.shown_frames import shown_frames
from musetalk_fast.types import (
    BT709,
    AvatarOptions,
    Box,
    CropEncoding,
    EngineIdentity,
    Extend,
    Face,
    Fit,
    NoFace,
    Scaling,
    Silence,
    Sound,
    SourceRun,
    StillRowsMode,
)
from musetalk_fast.video.compositor import NoCrop, StillCompositor
from musetalk_fast.video.encoder_settings import EncoderSettings
from musetalk_fast.video.full_frame import FullFrameCompositor
from musetalk_fast.video.video_compositor import ShownFrame, VideoCompositor
from musetalk_fast.wire.messages import Frame

WIDTH, HEIGHT = 96, 80
RGB = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
AVATAR = StillSource(Still(Path("a.png"), RGB, "a" * 64, ()))
FACE = Face(0, Box(10, 10, 60, 60), Box(14, 40, 50, 28), np.full((28, 50), 200, np.uint8))
CROPS = Manifest(
    engine=EngineIdentity("e", "1", is_preview=False), digest="ab" * 32, source_frames=1
)
FULL_FRAMES = replace(CROPS, source_frames=0, makes_full_frames=True)
FPS = Fraction(25)
X264 = {"crf": "20", "preset": "veryfast", "x264-params": "cpu-independent=1"}
PLAN = Plan(
    avatar=Path("a.png"),
    audio=Path("a.wav"),
    output=Path("out.mp4"),
    avatar_sha256="a" * 64,
    audio_sha256="b" * 64,
    duration=Fraction(4),
    fps=FPS,
    frames=100,
    width=WIDTH,
    height=HEIGHT,
    fit=Fit.PAD,
    colour=BT709,
    bit_depth=8,
    sources=(SourceRun(0, 0, 100),),
    extend=Extend.PINGPONG,
    speed_to_fit=False,
    no_face=NoFace.PASS,
    segments=cut(100, FPS, 2.0),
    encoder=EncoderSettings("libx264", "mp4", "yuv420p", X264, 250, 1),
    options=AvatarOptions(),
    background="white",
    background_image=None,
    background_sha256=None,
    frame_encoding=CropEncoding.RAW,
    still_rows=StillRowsMode.AUTO,
    scaling=Scaling.BILINEAR,
    silence=Silence.MODEL,
    match_colour=False,
    match_source=False,
    track=1,
    start=Fraction(0),
    sound=Sound.NONE,
    sound_bitrate=None,
    audio_from_avatar=False,
    mix_background=None,
    mix_background_sha256=None,
    background_volume=-20,
    overwrite=False,
)
CROP = Frame(index=60, source=0, encoding=CropEncoding.RAW, data=bytes(256 * 256 * 3))


def _table(folder: Path, *faces: Face | None) -> FaceTable:
    writer = FaceTableWriter(folder / "faces.bin", len(faces))
    writer.add(faces)
    return writer.commit(b"")


@pytest.mark.parametrize("number", [0, 1])
def test_crops_go_onto_the_still(number: int, tmp_path: Path) -> None:
    segment, faces = PLAN.segments[number], _table(tmp_path, FACE)
    compositor = open_compositor(PLAN, AVATAR, CROPS, faces, segment)
    assert isinstance(compositor, StillCompositor)
    frame = compositor.compose(CROP, 10)
    assert (frame.width, frame.height, frame.format.name, frame.pts) == (96, 80, "yuv420p", 10)


def test_full_frames_need_no_face(tmp_path: Path) -> None:
    compositor = open_compositor(PLAN, AVATAR, FULL_FRAMES, _table(tmp_path), PLAN.segments[0])
    assert isinstance(compositor, FullFrameCompositor)


def test_a_still_without_a_face_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.NoFaceError):
        open_compositor(PLAN, AVATAR, CROPS, _table(tmp_path, None), PLAN.segments[0])


def test_a_face_that_does_not_fit_the_avatar_is_refused(tmp_path: Path) -> None:
    faces = _table(tmp_path, replace(FACE, mask_box=Box(60, 40, 50, 28)))
    with pytest.raises(errors.ProtocolError, match="leaves the"):
        open_compositor(PLAN, AVATAR, CROPS, faces, PLAN.segments[0])


def test_a_thread_keeps_its_own(tmp_path: Path) -> None:
    state = SimpleNamespace(manifest=CROPS, faces=_table(tmp_path, FACE))
    inputs = SimpleNamespace(avatar=AVATAR, mouth=None)
    job: Any = SimpleNamespace(state=state, inputs=inputs, plan=PLAN)
    codings = Codings(job)

    def both() -> list[object]:
        return [codings.of(segment).compositor for segment in PLAN.segments]

    ours = both()
    with ThreadPoolExecutor(1) as thread:
        theirs = thread.submit(both).result(30)
    assert ours[0] is ours[1]
    assert theirs[0] is theirs[1]
    assert ours[0] is not theirs[0]


def test_a_moving_avatars_segment_that_starts_over_has_its_frames_again(tmp_path: Path) -> None:
    avatar: Any = MovingAvatar(tmp_path / "a.mov")
    faces = _table(tmp_path, *(replace(FACE, source=source) for source in range(12)))
    state = SimpleNamespace(manifest=CROPS, faces=faces)
    state.faceless = FacelessFrames(faces.presence(), NoFace.PASS)
    plan = replace(
        PLAN,
        width=160,
        height=128,
        sources=(SourceRun(9, -1, 2), SourceRun(8, 1, 4), SourceRun(11, 0, 94)),
    )
    job: Any = SimpleNamespace(
        state=state, inputs=SimpleNamespace(avatar=avatar, mouth=None), plan=plan
    )
    codings = Codings(job)
    for _ in range(2):
        compositor = codings.of(plan.segments[0]).compositor
        assert isinstance(compositor, VideoCompositor)
        for index, source in enumerate((9, 8, 8, 9)):
            frame = compositor.compose(replace(CROP, index=index, source=source), index)
            luma = frame.to_ndarray()[:128]
            assert (frame.pts, luma[0, 0], luma[127, 159]) == (index, *[60 + 10 * source] * 2)
            assert luma[50, 40] < 60
        with pytest.raises(errors.FrameShapeError, match="is for source frame 9, not 10"):
            compositor.compose(replace(CROP, index=4, source=9), 4)


def test_the_mouth_of_a_moving_avatar_is_looked_at_where_it_is(tmp_path: Path) -> None:
    avatar = MovingAvatar(tmp_path / "a.mov")
    moved = replace(FACE, box=Box(40, 0, 60, 90), mask_box=Box(44, 40, 50, 48))
    moved = replace(moved, mask=np.full((48, 50), 200, np.uint8))
    faces, layout = _table(tmp_path, FACE, None, moved), LAYOUTS["yuv420p"]
    shown = shown_frames(avatar, faces, (SourceRun(0, 1, 3),), layout)
    compositor = VideoCompositor(shown, (160, 128), layout, FPS, BT709)
    looks = []
    for source in range(3):
        crop = replace(CROP, index=source, source=source)
        compositor.compose(NoCrop(index=1, source=1) if source == 1 else crop, source)
        looks.append(compositor.mouth_look())
    assert looks[0] == looks[1] != looks[2]
    assert {len(look) for look in looks} == {192}


def test_a_mouth_leaves_alone_what_shows_through_an_avatar(tmp_path: Path) -> None:
    layout, opacity = LAYOUTS["yuv420p"], np.zeros((HEIGHT, WIDTH), np.uint8)
    opacity[:, 40:] = 255
    planes = replace(next(AVATAR.planes(PLAN.sources[0], layout)), opacity=opacity)
    avatar: Any = SimpleNamespace(planes=lambda *_: iter([planes]), placement=None)
    faces = _table(tmp_path, replace(FACE, mask=np.full((28, 50), 255, np.uint8)))
    shown = shown_frames(avatar, faces, (SourceRun(0, 0, 1),), layout)
    compositor = VideoCompositor(shown, (WIDTH, HEIGHT), layout, FPS, BT709)
    luma = compositor.compose(CROP, 0).to_ndarray()[:HEIGHT]
    assert np.array_equal(luma[:, :40], planes.samples(0)[:, :40])
    assert (luma[40:68, 40:64] == 16).all()


@pytest.mark.parametrize("match_colour", [False, True])
def test_a_moving_avatars_crops_are_weighed_and_coloured_as_a_stills(match_colour: bool) -> None:
    layout = LAYOUTS["yuv420p"]
    planes = next(AVATAR.planes(PLAN.sources[0], layout))
    face = replace(FACE, mask=np.tile(np.linspace(0, 255, 50).astype(np.uint8), (28, 1)))
    look = FPS, BT709
    still = StillCompositor(planes, face, *look, match_colour=match_colour)
    shown = (ShownFrame(0, planes, face) for _ in range(4))
    moving = VideoCompositor(shown, (WIDTH, HEIGHT), layout, *look, match_colour=match_colour)
    own = planes.samples(0).copy()
    for index, weight in enumerate((1.0, 0.5, 0.0, 1.0)):
        pixels = np.random.default_rng(index).integers(60, 90, (256, 256, 3), dtype=np.uint8)
        crop = replace(CROP, data=pixels.tobytes())
        frames = [each.compose(crop, index, weight).to_ndarray() for each in (still, moving)]
        np.testing.assert_array_equal(*frames)
        assert np.array_equal(frames[0][:HEIGHT], own) == (weight == 0)
