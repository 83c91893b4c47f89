"""HDR that is kept: 10 bits, its tags, and crops in its own code values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from musetalk_fast.config import OutputSettings
from musetalk_fast.errors import EncoderError
from musetalk_fast.kernels.planes import LAYOUTS
from musetalk_fast.media.frame_size import Resolution
from musetalk_fast.media.video import VideoSource
from musetalk_fast.media.video.engine_view import EngineView
from musetalk_fast.media.video.tone_curve import HLG, PQ, WHITE, ToneCurve
from musetalk_fast.media.video.tone_tables import crop_table
from musetalk_fast.types import (
    BT709,
    Box,
    ColourTags,
    CropEncoding,
    Face,
    Mastering,
    Picture,
    Rows,
    SourceRun,
)
from musetalk_fast.video.compositor import planes_of
from musetalk_fast.video.encoder_selection import resolve, resolve_again
from musetalk_fast.video.mux import join
from musetalk_fast.video.part_encoder import PartEncoder
from musetalk_fast.video.video_compositor import ShownFrame, VideoCompositor
from musetalk_fast.wire.messages import Frame

SIZE = WIDTH, HEIGHT = 320, 288
FPS = Fraction(25)
DEEP = LAYOUTS["yuv420p10le"]
BOX = Box(30, 16, 256, 256)
FACE = Face(0, BOX, BOX, np.full((256, 256), 255, np.uint8))
KNEE = (88 / WHITE) ** (1 / 2.4)
"""R'G'B' of SDR where BT.2390's spline from 1000 cd/m2 begins: at 88 cd/m2."""


def _smooth() -> NDArray[np.float64]:
    """From black to the knee, and from blue over grey to red: all colours are in BT.709."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    light, hue = y / HEIGHT, x / WIDTH - 0.5
    return KNEE * light[..., None] * np.stack([1 - 0.4 * (0.5 - hue), 1 - 0.3 * abs(hue),
                                               1 - 0.4 * (0.5 + hue)], axis=-1)  # fmt: skip


def _write(path: Path, transfer: int) -> Path:
    tags = ColourTags(matrix=9, range=1, primaries=9, transfer=transfer)
    codes = np.rint(ToneCurve(tags, 1000.0).codes(_smooth()))
    frame = av.VideoFrame(*SIZE, DEEP.name)
    planes = planes_of(frame)
    planes.samples(0)[...] = codes[..., 0]
    for number in (1, 2):
        halves = codes[..., number].reshape(HEIGHT // 2, 2, WIDTH // 2, 2)
        planes.samples(number)[...] = np.rint(halves.mean(axis=(1, 3)))
    return _encode(path, transfer, frame)


def _encode(path: Path, transfer: int, frame: av.VideoFrame) -> Path:
    tags = ColourTags(matrix=9, range=1, primaries=9, transfer=transfer)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, frame.format.name
        context = stream.codec_context
        context.colorspace, context.color_range = tags.matrix, tags.range
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        for index in range(3):
            frame.pts, frame.time_base = index, 1 / FPS
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def _message(crop: Picture, index: int) -> Frame:
    return Frame(
        index=index,
        source=0,
        encoding=CropEncoding.RAW,
        data=crop.tobytes(),
        rows=Rows(0, 256),
        width=256,
    )


@pytest.fixture(scope="module", params=[HLG, PQ], ids=["hlg", "pq"])
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("hdr") / "clip.mkv", request.param)


def test_an_untouched_crop_changes_nothing_and_the_output_is_tagged(
    clip: Path, tmp_path: Path
) -> None:
    source = VideoSource(clip, keeps_hdr=True)
    curve, colour = source.tone_curve, source.colour
    assert curve is not None
    assert (colour, source.bit_depth, source.pix_fmt) == (curve.tags, 10, DEEP.name)
    assert source.notes == ()
    picture = source.picture(0)
    assert np.array_equal(picture, VideoSource(clip).picture(0))
    (own,) = source.planes(SourceRun(0, 1, 1), DEEP)

    output = tmp_path / "o.mp4"
    settings = OutputSettings(match_source=True, crf=0, preset="ultrafast")
    encoder = resolve(settings, output, *SIZE, FPS, colour, depth=source.bit_depth)
    assert (encoder.codec, encoder.pix_fmt) == ("libx265", DEEP.name)
    shown = (ShownFrame(0, own, FACE) for _ in range(2))
    table, seen = crop_table(curve), EngineView(curve, DEEP)
    compositor = VideoCompositor(shown, SIZE, DEEP, FPS, colour, table=table, seen=seen)
    part = PartEncoder(tmp_path / "0", encoder, *SIZE, FPS, colour, 0, "label")
    x, y = BOX.x, BOX.y
    crop = np.ascontiguousarray(picture[y : y + 256, x : x + 256])
    for index in range(2):
        message = _message(crop, index)
        frame = compositor.compose(message, index)
        part.encode(frame)
    for number in range(3):
        assert np.array_equal(planes_of(frame).samples(number), own.samples(number))
    join([part.finish()], output, sound=None, fps=FPS, encoder=encoder, metadata={})
    with av.open(str(output)) as file:
        tags = file.streams.video[0].codec_context
        assert (tags.name, tags.pix_fmt) == ("hevc", DEEP.name)
        found = tags.colorspace, tags.color_range, tags.color_primaries, tags.color_trc
        assert found == (9, 1, 9, colour.transfer)


def test_a_crop_by_its_table_alone_is_near(clip: Path) -> None:
    """What a crop that is like nothing that was there is off by: a level of 8 bits."""
    source = VideoSource(clip, keeps_hdr=True)
    assert source.tone_curve is not None
    (own,) = source.planes(SourceRun(0, 1, 1), DEEP)
    picture, table = source.picture(0), crop_table(source.tone_curve)
    crop = picture[BOX.y : BOX.y + 256, BOX.x : BOX.x + 256]
    shown = iter([ShownFrame(0, own, FACE)])
    compositor = VideoCompositor(shown, SIZE, DEEP, FPS, source.colour, table=table)
    made = planes_of(compositor.compose(_message(crop, 0), 0))
    for number in range(3):
        change = np.abs(made.samples(number).astype(int) - own.samples(number))
        every = 2 if number else 1
        is_dark = picture[::every, ::every].max(axis=-1) < 16
        assert 0 < change[~is_dark].max() <= 4
        # There a level of 8 bits is 7 codes of PQ.
        assert change[is_dark].max() <= 7
        assert change.mean() < 1


@pytest.mark.parametrize("transfer", [HLG, PQ], ids=["hlg", "pq"])
@pytest.mark.parametrize("fmt", [DEEP.name, "p010le", "yuv422p10le"])
def test_an_untouched_crop_changes_nothing_at_any_edge_of_colour(
    tmp_path: Path, transfer: int, fmt: str, record_property: Callable[[str, object], None]
) -> None:
    """Light up to the peak, colours beyond BT.709, edges at every other pixel and around it all."""
    path, layout = tmp_path / "clip.mkv", LAYOUTS[fmt]
    rng = np.random.default_rng(4)
    frame = av.VideoFrame(*SIZE, DEEP.name if fmt == "p010le" else fmt)
    for number in range(3):
        samples = planes_of(frame).samples(number)
        samples[...] = rng.integers(64, 941, samples.shape)
    _encode(path, transfer, frame)
    source = VideoSource(path, keeps_hdr=True)
    assert source.tone_curve is not None
    (own,) = source.planes(SourceRun(0, 1, 1), layout)
    table, seen = crop_table(source.tone_curve), EngineView(source.tone_curve, layout)
    for box in (BOX, Box(0, 0, 256, 256), Box(WIDTH - 256, HEIGHT - 256, 256, 256)):
        crop = source.picture(0)[box.y : box.y + 256, box.x : box.x + 256]
        face = Face(0, box, box, FACE.mask)
        shown = iter([ShownFrame(0, own, face)])
        compositor = VideoCompositor(
            shown, SIZE, layout, FPS, source.colour, table=table, seen=seen
        )
        made = planes_of(compositor.compose(_message(crop, 0), 0))
        for number in range(3):
            change = made.samples(number).astype(int) - own.samples(number)
            what = "HDR: codes of 10 bits that an untouched crop changes a sample by (0)"
            record_property(what, int(np.abs(change).max()))
            assert not change.any()


def test_crops_are_matched_to_colours_of_hdr(clip: Path) -> None:
    """A model's error of colour shows at the rim without a match, and hardly with one."""
    source = VideoSource(clip, keeps_hdr=True)
    curve = source.tone_curve
    assert curve is not None
    (own,) = source.planes(SourceRun(0, 1, 1), DEEP)
    away = np.minimum(np.arange(256), 255 - np.arange(256))
    mask = np.minimum(4 * np.minimum(away[:, None], away), 255).astype(np.uint8)
    right = source.picture(0)[BOX.y : BOX.y + 256, BOX.x : BOX.x + 256]
    wrong = np.clip(right * [0.9, 1.0, 1.1] + [14, -6, 3], 0, 255).astype(np.uint8)
    message = _message(wrong, 0)

    def off(*, match: bool) -> float:
        compositor = VideoCompositor(
            iter([ShownFrame(0, own, replace(FACE, mask=mask))]),
            SIZE,
            DEEP,
            FPS,
            source.colour,
            match_colour=match,
            table=crop_table(curve),
            to_levels=curve.levels,
        )
        made = planes_of(compositor.compose(message, 0))
        rim = (mask > 0) & (mask < 255) & (right.max(axis=-1) >= 32)
        place = np.s_[BOX.y : BOX.y + 256, BOX.x : BOX.x + 256]
        return float(np.abs(made.samples(0)[place].astype(int) - own.samples(0)[place])[rim].mean())

    assert off(match=True) < 2.5
    assert off(match=False) > 3 * off(match=True)


DISPLAY = Mastering(
    red_x=34000, red_y=16000, green_x=13250, green_y=34500, blue_x=7500, blue_y=3000,
    white_x=15635, white_y=16450, brightest=10_000_000, darkest=50,
    brightest_pixel=800, brightest_frame=120,
)  # fmt: skip
LEVELS = Mastering(**dict.fromkeys(asdict(DISPLAY), 0) | {"brightest_pixel": 90})


@pytest.mark.parametrize("codec", ["hevc", "av1"])
@pytest.mark.parametrize("mastering", [DISPLAY, LEVELS, None], ids=["display", "levels", "none"])
def test_what_the_source_says_of_its_display_is_kept(
    codec: str, mastering: Mastering | None, tmp_path: Path
) -> None:
    colour = ColourTags(matrix=9, range=1, primaries=9, transfer=PQ)
    settings = OutputSettings(match_source=True, codec=codec, preset="ultrafast")
    encoder = resolve(settings, tmp_path / "o.mp4", 128, 96, FPS, colour, depth=10)
    encoder = replace(encoder, mastering=mastering)
    assert resolve_again(encoder, FPS) == encoder
    part = PartEncoder(tmp_path / "0.mp4", encoder, 128, 96, FPS, colour, 0, "label")
    frame = av.VideoFrame(128, 96, DEEP.name)
    for plane in frame.planes:
        plane.update(bytes((0, 2)) * (plane.buffer_size // 2))
    frame.pts, frame.time_base = 0, 1 / FPS
    part.encode(frame)
    part.finish()
    source = VideoSource(tmp_path / "0.mp4", keeps_hdr=True)
    curve = source.tone_curve
    assert curve is not None
    assert curve.mastering == mastering
    peak = 1000 if mastering is None else mastering.brightest_pixel
    assert curve.peak == max(peak, WHITE)


def test_bars_are_as_bright_as_sdr(clip: Path) -> None:
    source = VideoSource(clip, Resolution((400, 288)), "white", keeps_hdr=True)
    (planes,) = source.planes(SourceRun(0, 0, 1), DEEP)
    white = {HLG: 0.75, PQ: 0.5807}[source.colour.transfer]  # BT.2408: 203 cd/m2
    found = [int(planes.samples(number)[100, 5]) for number in range(3)]
    assert np.abs(np.array(found) - [64 + 876 * white, 512, 512]).max() <= 1


MATCHED = OutputSettings(match_source=True)


def test_deep_sources_keep_their_bits_where_the_encoder_takes_them(tmp_path: Path) -> None:
    def chosen(name: str, settings: OutputSettings, depth: int) -> tuple[str, str]:
        look = 128, 96, FPS, BT709
        encoder = resolve(settings, tmp_path / name, *look, depth=depth)
        assert resolve_again(encoder, FPS) == encoder
        return encoder.codec, encoder.pix_fmt

    plain = OutputSettings()
    assert chosen("o.mp4", plain, 10) == ("libx264", "yuv420p")
    assert chosen("o.mp4", replace(plain, codec="hevc"), 10) == ("libx265", "yuv420p10le")
    assert chosen("o.mp4", replace(plain, codec="av1"), 12) == ("libsvtav1", "yuv420p10le")
    assert chosen("o.mp4", replace(plain, codec="hevc"), 8) == ("libx265", "yuv420p")
    assert chosen("o.mkv", MATCHED, 10) == ("libx265", "yuv420p10le")
    assert chosen("o.webm", MATCHED, 10) == ("libsvtav1", "yuv420p10le")
    assert chosen("o.mp4", MATCHED, 8) == ("libx265", "yuv420p")
    assert chosen("o.gif", MATCHED, 8) == chosen("o.gif", plain, 8)
    with pytest.raises(EncoderError, match="has 8 bits, the source 10: --match-source") as caught:
        chosen("o.mp4", replace(MATCHED, codec="h264"), 10)
    assert "--codec hevc or av1" in (caught.value.hint or "")
