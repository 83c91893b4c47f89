"""How frames become source frames: turned, scaled, deinterlaced, converted, by the file's tags."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_clips import UNTAGGED, patches, set_matrix, write_picture

from musetalk_fast.errors import ImageSizeError, VideoFormatError
from musetalk_fast.kernels.planes import LAYOUTS, Planes
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.media.avatar import open_avatar
from musetalk_fast.media.frame_size import Resolution
from musetalk_fast.media.video import VideoSource
from musetalk_fast.types import BT709, ColourTags, Picture, SourceRun

YUV444 = LAYOUTS["yuv444p"]

TURNS = {
    (1, 0, 0, 1): lambda rgb: rgb,
    (-1, 0, 0, 1): lambda rgb: rgb[:, ::-1],
    (1, 0, 0, -1): lambda rgb: rgb[::-1],
    (-1, 0, 0, -1): lambda rgb: rgb[::-1, ::-1],
    (0, 1, -1, 0): lambda rgb: np.rot90(rgb, -1),
    (0, -1, 1, 0): np.rot90,
    (0, 1, 1, 0): lambda rgb: rgb.transpose(1, 0, 2),
    (0, -1, -1, 0): lambda rgb: rgb[::-1, ::-1].transpose(1, 0, 2),
}


def planes_of(source: VideoSource, layout: str = "yuv444p") -> Planes:
    return next(source.planes(SourceRun(0, 0, 1), LAYOUTS[layout]))


def same_samples(planes: Planes, rgb: Picture, matrix: str = "bt601") -> bool:
    """Whether planes are those of a picture, to the bit."""
    wanted = Planes.allocate(planes.layout, planes.width, planes.height)
    rgb_to_planes(np.ascontiguousarray(rgb), wanted, matrix=matrix)
    return all(np.array_equal(planes.samples(each), wanted.samples(each)) for each in range(3))


def test_frames_are_turned_and_mirrored_as_the_file_asks(tmp_path: Path) -> None:
    rgb = patches(96, 80)
    clip = write_picture(tmp_path / "clip.mp4", rgb)
    for matrix, turn in TURNS.items():
        set_matrix(clip, *matrix)
        source = VideoSource(clip)
        assert (source.height, source.width) == turn(rgb).shape[:2]
        assert same_samples(planes_of(source), turn(rgb)), matrix
        assert np.abs(source.picture(0).astype(int) - turn(rgb)).max() <= 3
        assert source.notes == ()
        assert source.conversion_note(YUV444) is None
    set_matrix(clip, 1, 1, -1, 1)
    source = VideoSource(clip)
    assert same_samples(planes_of(source), rgb)
    assert source.notes == (
        "the video asks for a rotation that is no quarter turn: it is not turned",
    )


def test_chroma_of_every_other_column_is_turned_too(tmp_path: Path) -> None:
    rgb = patches()
    clip = write_picture(
        tmp_path / "clip.mov",
        rgb,
        codec="prores_ks",
        pix_fmt="yuv422p10le",
        options={"qscale": "1"},
    )
    set_matrix(clip, 0, 1, -1, 0)
    source = VideoSource(clip)
    assert source.pix_fmt == "yuv422p10le"
    said = "the video's samples are converted: 10 bits to 8, 4:2:2 chroma to 4:2:0"
    assert source.conversion_note(LAYOUTS["yuv420p"]) == said
    assert source.conversion_note(LAYOUTS["yuv422p"]) == said.partition(",")[0]
    found = source.picture(0)[8::16, 8::16].astype(int)
    assert np.abs(found - np.rot90(rgb, -1)[8::16, 8::16]).mean() < 3


@pytest.mark.parametrize(
    ("aspect", "size", "ratio"),
    [(Fraction(16, 11), (140, 64), "1.45:1"), (Fraction(1, 2), (96, 128), "1:2")],
)
def test_pixels_become_square_at_the_wider_side(
    tmp_path: Path, aspect: Fraction, size: tuple[int, int], ratio: str
) -> None:
    def setup(context: av.VideoCodecContext) -> None:
        context.sample_aspect_ratio = aspect

    clip = write_picture(tmp_path / "clip.mp4", patches(), pix_fmt="yuv420p", setup=setup)
    source = VideoSource(clip)
    assert (source.width, source.height) == size
    assert source.picture(0).shape == (*size[::-1], 3)
    assert planes_of(source, "yuv420p").samples(1).shape == (size[1] // 2, size[0] // 2)
    (note,) = source.notes
    assert f"not square ({ratio})" in note
    set_matrix(clip, 0, 1, -1, 0)
    turned = VideoSource(clip)
    assert (turned.height, turned.width) == size


@pytest.mark.parametrize("turned", [False, True])
def test_an_odd_last_column_and_row_are_cut_off(tmp_path: Path, turned: bool) -> None:
    rgb = patches(99, 81)
    clip = write_picture(tmp_path / "clip.mp4", rgb)
    if turned:
        set_matrix(clip, 0, 1, -1, 0)
    source = VideoSource(clip)
    wanted = np.rot90(rgb[:80, :98], -1) if turned else rgb[:80, :98]
    assert same_samples(planes_of(source), wanted)
    assert source.picture(0).shape == wanted.shape
    size = "81x99 is odd: it was cut to 80x98" if turned else "99x81 is odd: it was cut to 98x80"
    assert source.notes == (f"the video's size of {size}",)


@pytest.mark.parametrize(
    ("pix_fmt", "tags"),
    [
        ("yuv420p", BT709),
        ("yuv420p10le", ColourTags(matrix=9, range=1, primaries=9, transfer=16)),
    ],
)
@pytest.mark.parametrize("size", [None, (160, 160)])
def test_odd_sides_with_shared_chroma_are_cut_off(
    tmp_path: Path, pix_fmt: str, tags: ColourTags, size: tuple[int, int] | None
) -> None:
    """No filter but the cut is needed where the layout is the wanted one already."""
    rgb = patches(161, 121)
    clip = write_picture(
        tmp_path / "clip.mkv", rgb, codec="ffv1", pix_fmt=pix_fmt, tags=tags, options={}
    )
    source = open_avatar(clip, background="black", resolution=Resolution(size))
    width, height = size or (160, 120)
    planes = next(source.planes(SourceRun(0, 0, 1), LAYOUTS["yuv420p"]))
    assert (planes.width, planes.height) == (source.width, source.height) == (width, height)
    assert source.picture(0).shape == (120, 160, 3)
    if pix_fmt == "yuv420p":
        wanted = Planes.allocate(LAYOUTS[pix_fmt], 160, 120)
        rgb_to_planes(np.ascontiguousarray(rgb[:120, :160]), wanted)
        top = (height - 120) // 2
        assert np.array_equal(planes.samples(0)[top : top + 120], wanted.samples(0))


def test_interlaced_frames_are_deinterlaced_alike_wherever_a_run_begins(tmp_path: Path) -> None:
    def setup(context: av.VideoCodecContext) -> None:
        context.flags |= (
            av.codec.context.Flags.interlaced_dct | av.codec.context.Flags.interlaced_me
        )

    frames = []
    for index in range(5):
        frames.append(np.zeros((64, 96, 3), np.uint8))
        for field in (0, 1):
            left = 8 * index + 4 * field + 8
            frames[-1][field::2, left : left + 32] = 200
    options = {"qp": "0", "preset": "ultrafast", "x264-params": "interlaced=1"}
    clip = write_picture(
        tmp_path / "clip.mp4", *frames, pix_fmt="yuv420p", options=options, setup=setup
    )
    source = VideoSource(clip)
    assert source.notes == ("the video is interlaced: its frames were deinterlaced",)
    luma = luma_of(source, SourceRun(0, 1, 5))
    assert len(luma) == 5
    combs = [np.abs(np.diff(rows[8:-8].astype(int), axis=0)).mean() for rows in luma]
    assert max(combs[1:]) < 2  # between the fields as they are: 14
    for first in range(5):
        found = luma_of(source, SourceRun(first, -1, first + 1))
        assert all(np.array_equal(one, luma[first - at]) for at, one in enumerate(found))


def luma_of(source: VideoSource, run: SourceRun) -> list[np.ndarray]:
    """Copies of the luma of the frames of a run, in a layout that is not the decoder's."""
    return [each.samples(0).copy() for each in source.planes(run, LAYOUTS["nv12"])]


TAGS = {
    "bt709": BT709,
    "bt601": ColourTags(matrix=6, range=1, primaries=6, transfer=6),
    "pal, full": ColourTags(matrix=5, range=2, primaries=5, transfer=6),
    "p3": ColourTags(matrix=1, range=1, primaries=12, transfer=13),
}


@pytest.mark.parametrize("name", TAGS)
def test_colours_are_those_that_the_tags_mean(tmp_path: Path, name: str) -> None:
    rgb, tags = patches(), TAGS[name]
    source = VideoSource(write_picture(tmp_path / "clip.mkv", rgb, tags=tags))
    assert source.colour == tags
    difference = np.abs(source.picture(0).astype(int) - rgb)
    assert difference.mean() <= 0.6
    assert difference.max() <= 2


def test_without_tags_the_size_decides(tmp_path: Path) -> None:
    small = VideoSource(write_picture(tmp_path / "small.mp4", patches()))
    assert small.colour == UNTAGGED
    large = write_picture(tmp_path / "large.mp4", np.zeros((64, 1280, 3), np.uint8))
    assert VideoSource(large).colour == BT709
    pal = write_picture(tmp_path / "pal.mp4", np.zeros((576, 64, 3), np.uint8))
    assert VideoSource(pal).colour == ColourTags(matrix=6, range=1, primaries=5, transfer=1)


def test_other_matrices_and_rgb_become_bt709(tmp_path: Path) -> None:
    rgb = patches()
    clip = write_picture(tmp_path / "rgb.mkv", rgb, codec="ffv1", pix_fmt="bgr0", options={})
    source = VideoSource(clip)
    assert (source.colour, source.pix_fmt) == (BT709, "bgr0")
    assert source.notes == ("the video's samples are RGB: they were converted to BT.709",)
    assert np.array_equal(source.picture(0), rgb)
    wanted = Planes.allocate(YUV444, 96, 64)
    rgb_to_planes(rgb, wanted)
    found = planes_of(source)
    for each in range(3):
        assert np.abs(found.samples(each).astype(int) - wanted.samples(each)).max() <= 1

    def setup(context: av.VideoCodecContext) -> None:
        context.colorspace = context.color_primaries = context.color_trc = 7

    smpte = write_picture(tmp_path / "240m.mkv", rgb, setup=setup)
    source = VideoSource(smpte)
    assert source.colour == ColourTags(matrix=1, range=1, primaries=7, transfer=7)
    assert source.notes == ("the video's colour matrix cannot be kept: it was converted to BT.709",)


@pytest.mark.parametrize(
    ("matrix", "transfer", "message"),
    [
        (10, 14, "BT.2020 with constant"),
        (14, 16, "ICtCp"),
        (8, 1, "number 8"),
        (9, 10, "primaries 9, transfer 10"),
    ],
)
def test_colours_that_are_not_known_are_refused(
    tmp_path: Path, matrix: int, transfer: int, message: str
) -> None:
    def setup(context: av.VideoCodecContext) -> None:
        context.colorspace, context.color_primaries, context.color_trc = matrix, 9, transfer

    clip = write_picture(tmp_path / "clip.mkv", patches(), setup=setup)
    with pytest.raises(VideoFormatError, match=r"not supported|not known here") as caught:
        VideoSource(clip)
    assert message in caught.value.message
    assert caught.value.where == str(clip)


@pytest.mark.parametrize(
    "triple", [(0, 0, 0), (1, 0, 1), (0, 1, 1), (1, 3, 1), (3, 1, 1), (200, 1, 1), (1, 200, 1)]
)
def test_reserved_numbers_of_colours_count_as_none(
    tmp_path: Path, triple: tuple[int, int, int]
) -> None:
    """ProRes has them in every frame, as primaries, transfer and matrix; 0 is unknown there."""
    rgb = patches()
    clip = write_picture(
        tmp_path / "clip.mov", rgb, codec="prores_ks", pix_fmt="yuv422p10le", tags=BT709, options={}
    )
    data = bytearray(clip.read_bytes())
    for found in re.finditer(b"icpf", bytes(data)):
        data[found.end() + 14 : found.end() + 17] = bytes(triple)
    clip.write_bytes(data)
    source = VideoSource(clip)
    assert {source.colour.primaries, source.colour.transfer} <= {1, 5, 6}
    assert np.abs(source.picture(0).astype(int) - rgb).mean() < 12
    assert planes_of(source, "yuv420p").width == 96


def test_a_palette_reaches_every_decoder(tmp_path: Path) -> None:
    """It comes with the first packet of a file alone; runs begin at any key frame."""
    greys = [np.full((64, 96, 3), level, np.uint8) for level in (40, 80, 120, 160)]
    clip = write_picture(
        tmp_path / "clip.mov", *greys, codec="qtrle", pix_fmt="gray", options={"g": "1"}
    )
    for first in (0, 3, 1):
        source = VideoSource(clip)
        assert source.pix_fmt == "pal8"
        assert abs(int(source.picture(first).mean()) - greys[first][0, 0, 0]) <= 2, first
        run = SourceRun(first, 0, 1)
        (luma,) = (each.samples(0).mean() for each in source.planes(run, YUV444))
        assert abs((luma - 16) * 255 / 219 - greys[first][0, 0, 0]) <= 3


@pytest.mark.parametrize("size", [(96, 62), (62, 96)])
def test_sizes_are_bounded(tmp_path: Path, size: tuple[int, int]) -> None:
    clip = write_picture(tmp_path / "clip.mp4", patches(*size))
    with pytest.raises(ImageSizeError, match="outside 64x64") as caught:
        VideoSource(clip)
    assert caught.value.where == str(clip)
