"""Small avatars of every kind that people bring, for `input_matrix`."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageCms

from musetalk_fast.media.video.tone_curve import HLG, PQ, WHITE, ToneCurve
from musetalk_fast.types import ColourTags
from musetalk_fast.video.compositor import planes_of

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests/media/video"))
from numbered_clips import damage, set_matrix  # noqa: E402 - of the tests

SIZE = WIDTH, HEIGHT = 320, 288
COUNT = 12

Make = Callable[[Path], Path]
"""Writes an input at a path without suffix; gives the path of what it wrote."""


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        output: suffix of the video.
        settings: changed ones: `section.member`.
        wanted: the name of the error; None: a video.
        note: part of a warning that is due.
    """

    make: Make
    output: str = ".mp4"
    settings: dict[str, Any] = field(default_factory=dict)
    wanted: str | None = None
    note: str = ""


@functools.cache
def portrait() -> Image.Image:
    """A face in a picture of `SIZE`."""
    with Image.open(ROOT / "tests/data/grace_hopper.jpg") as opened:
        shown = opened.convert("RGB").crop((56, 60, 456, 420))
        return shown.resize(SIZE, Image.Resampling.LANCZOS)


def moved(index: int) -> Image.Image:
    """The portrait, panning."""
    shift = round(12 * np.sin(index / 3))
    return portrait().transform(SIZE, Image.Transform.AFFINE, (1, 0, shift, 0, 1, 0))


def cut_out(index: int = 0) -> Image.Image:
    """The portrait on nothing, soft at its edge."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    away = np.hypot((x - 160) / 130, (y - 150) / 150)
    made = moved(index).convert("RGBA")
    made.putalpha(Image.fromarray(np.clip((1.05 - away) * 600, 0, 255).astype(np.uint8)))
    return made


def faceless(index: int) -> Image.Image:
    """Without a face in the middle."""
    return moved(index) if not 4 <= index < 8 else Image.new("RGB", SIZE, (90, 100, 110))


def still(
    suffix: str, change: Callable[[Image.Image], Image.Image] = lambda it: it, **options: Any
) -> Make:
    """A picture by Pillow."""

    def make(path: Path) -> Path:
        path = path.with_suffix(suffix)
        change(portrait()).save(path, **options)
        return path

    return make


def as_lab(picture: Image.Image) -> Image.Image:
    """In CIE L*a*b*."""
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    made = ImageCms.applyTransform(picture, to_lab)
    assert made is not None
    return made


def turned(value: int) -> Image.Exif:
    """An orientation."""
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def moving(suffix: str, **options: Any) -> Make:
    """An animation by Pillow."""

    def make(path: Path) -> Path:
        path = path.with_suffix(suffix)
        first, *more = (moved(index) for index in range(COUNT))
        first.save(path, save_all=True, append_images=more, duration=40, loop=0, **options)
        return path

    return make


def folder(path: Path) -> Path:
    """Pictures one after the other."""
    path.mkdir()
    for index in range(COUNT):
        moved(index).save(path / f"{index:04}.png")
    return path


def clip(
    suffix: str,
    codec: str,
    pix_fmt: str = "yuv420p",
    *,
    shown: Callable[[int], Image.Image] = moved,
    times: Callable[[int], int] = lambda index: index,
    rate: Fraction | int = 25,
    setup: Callable[[Any], None] = lambda _context: None,
    after: Callable[[Path], object] = lambda _path: None,
    **options: str,
) -> Make:
    """A video by FFmpeg; `times` in parts of the rate."""

    def make(path: Path) -> Path:
        path = path.with_suffix(suffix)
        with av.open(str(path), "w") as file:
            named = {name.replace("_", "-"): value for name, value in options.items()}
            stream = file.add_stream(codec, rate=rate, options=named)
            (stream.width, stream.height), stream.pix_fmt = shown(0).size, pix_fmt
            stream.codec_context.time_base = 1 / Fraction(rate)
            setup(stream.codec_context)
            for index in range(COUNT):
                picture = shown(index)
                form = {"RGB": "rgb24", "RGBA": "rgba"}[picture.mode]
                frame = av.VideoFrame.from_ndarray(np.asarray(picture), form)
                frame = frame.reformat(format=pix_fmt)
                frame.pts, frame.time_base = times(index), 1 / Fraction(rate)
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        after(path)
        return path

    return make


def hdr(transfer: int) -> Make:
    """10-bit HEVC, whose white is 203 cd/m2, with some light above."""
    tags = ColourTags(matrix=9, range=1, primaries=9, transfer=transfer)

    def make(path: Path) -> Path:
        path = path.with_suffix(".mp4")
        with av.open(str(path), "w") as file:
            stream = file.add_stream("libx265", rate=25, options={"x265-params": "log-level=none"})
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p10le"
            context = stream.codec_context
            context.colorspace, context.color_range = tags.matrix, tags.range
            context.color_primaries, context.color_trc = tags.primaries, tags.transfer
            for index in range(COUNT):
                file.mux(stream.encode(_hdr_frame(moved(index), tags, index)))
            file.mux(stream.encode(None))
        return path

    return make


def _hdr_frame(picture: Image.Image, tags: ColourTags, index: int) -> av.VideoFrame:
    codes = np.rint(ToneCurve(tags, WHITE * 1.5).codes(np.asarray(picture) / 255))
    frame = av.VideoFrame(*SIZE, "yuv420p10le")
    planes = planes_of(frame)
    planes.samples(0)[...] = codes[..., 0]
    for number in (1, 2):
        blocks = codes[..., number].reshape(HEIGHT // 2, 2, WIDTH // 2, 2)
        planes.samples(number)[...] = np.rint(blocks.mean(axis=(1, 3)))
    frame.pts, frame.time_base = index, Fraction(1, 25)
    return frame


def cut_short(path: Path) -> None:
    """Without its second half."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def sound_only(path: Path) -> Path:
    """A file of a video's name with nothing but sound in it."""
    path = path.with_suffix(".mp4")
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 16000, 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def text(path: Path) -> Path:
    """What is no video at all."""
    path = path.with_suffix(".mp4")
    path.write_text("not a video\n" * 200)
    return path


def empty(path: Path) -> Path:
    """Nothing."""
    path = path.with_suffix(".mp4")
    path.touch()
    return path


def _interlaced(context: Any) -> None:
    context.flags |= 1 << 18


def _anamorphic(context: Any) -> None:
    context.sample_aspect_ratio = Fraction(4, 3)


CASES = {
    "PNG": Case(still(".png")),
    "PNG, grey": Case(still(".png", lambda it: it.convert("L"))),
    "PNG, palette": Case(still(".png", lambda it: it.quantize(64))),
    "PNG with alpha to WebM": Case(still(".png", lambda _picture: cut_out()), ".webm"),
    "PNG with alpha over red": Case(
        still(".png", lambda _picture: cut_out()), settings={"avatar.background": "#c03030"}
    ),
    "JPEG on its side (EXIF)": Case(
        still(".jpg", lambda it: it.transpose(Image.Transpose.ROTATE_90), exif=turned(6))
    ),
    "JPEG, CMYK": Case(still(".jpg", lambda it: it.convert("CMYK"))),
    "WebP": Case(still(".webp")),
    "AVIF": Case(still(".avif")),
    "BMP": Case(still(".bmp")),
    "TIFF, CIE Lab": Case(still(".tif", as_lab)),
    "PNG of odd size": Case(still(".png", lambda it: it.crop((0, 0, 319, 287)))),
    "GIF": Case(moving(".gif")),
    "APNG": Case(moving(".png")),
    "animated WebP": Case(moving(".webp")),
    "folder of PNG": Case(folder),
    "%04d.png": Case(lambda path: folder(path) / "%04d.png"),
    "MP4, H.264": Case(clip(".mp4", "libx264")),
    "MP4, H.264, 59.94": Case(clip(".mp4", "libx264", rate=Fraction(60000, 1001))),
    "MP4, H.264, 4:2:2, 10 bits": Case(clip(".mp4", "libx264", "yuv422p10le")),
    "MP4, H.264, variable rate": Case(
        clip(".mp4", "libx264", times=lambda index: index + index // 3)
    ),
    "MP4, H.264, turned by a matrix": Case(
        clip(
            ".mp4",
            "libx264",
            shown=lambda index: moved(index).transpose(Image.Transpose.ROTATE_90),
            after=lambda path: set_matrix(path, 0, 1, -1, 0),
        )
    ),
    "MP4, pixels 4:3": Case(
        clip(
            ".mp4",
            "libx264",
            shown=lambda index: moved(index).resize((240, HEIGHT)),
            setup=_anamorphic,
        )
    ),
    "MP4, interlaced": Case(
        clip(".mp4", "libx264", setup=_interlaced, x264_params="tff=1"), note="interlaced"
    ),
    "MP4, HEVC, HLG": Case(hdr(HLG), note="HLG"),
    "MP4, HEVC, PQ": Case(hdr(PQ), note="PQ"),
    "MP4, HEVC, HLG kept": Case(hdr(HLG), settings={"output.match_source": True}),
    "MP4, HEVC, HLG kept, colours matched": Case(
        hdr(HLG), settings={"output.match_source": True, "output.match_colour": True}
    ),
    "MP4, HEVC, PQ kept": Case(hdr(PQ), settings={"output.match_source": True}),
    "MP4, AV1": Case(clip(".mp4", "libsvtav1", preset="10")),
    "MOV, ProRes": Case(clip(".mov", "prores_ks", "yuv422p10le")),
    "MOV, ProRes 4444 with alpha to WebM": Case(
        clip(".mov", "prores_ks", "yuva444p10le", shown=cut_out), ".webm"
    ),
    "MKV, FFV1, 4:4:4": Case(clip(".mkv", "ffv1", "yuv444p")),
    "WebM, VP9": Case(clip(".webm", "libvpx-vp9", cpu_used="8")),
    "WebM, VP9 with alpha to WebM": Case(
        clip(".webm", "libvpx-vp9", "yuva420p", shown=cut_out, cpu_used="8", auto_alt_ref="0"),
        ".webm",
    ),
    "WebM, VP9 with alpha over white": Case(
        clip(".webm", "libvpx-vp9", "yuva420p", shown=cut_out, cpu_used="8", auto_alt_ref="0")
    ),
    "AVI, MPEG-4": Case(clip(".avi", "mpeg4")),
    "face away in the middle": Case(clip(".mp4", "libx264", shown=faceless)),
    "face away, --no-face fail": Case(
        clip(".mp4", "libx264", shown=faceless),
        settings={"avatar.no_face": "fail"},
        wanted="NoFaceError",
    ),
    "no face at all": Case(
        clip(".mp4", "libx264", shown=lambda _index: Image.new("RGB", SIZE, (80, 90, 99))),
        wanted="NoFaceError",
    ),
    "damaged in the middle": Case(
        clip(".mp4", "libx264", g="4", after=lambda path: damage(path, [5])),
        note="cannot be decoded",
    ),
    "cut short": Case(clip(".mp4", "libx264", after=cut_short), wanted="VideoFormatError"),
    "MPEG-TS": Case(clip(".ts", "libx264"), wanted="VideoFormatError"),
    "sound only": Case(sound_only, wanted="VideoFormatError"),
    "text": Case(text, wanted="ImageFormatError"),
    "empty": Case(empty, wanted="ImageFormatError"),
    "alpha into MP4": Case(
        still(".png", lambda _picture: cut_out()),
        settings={"avatar.background": "transparent"},
        wanted="EncoderError",
    ),
}
