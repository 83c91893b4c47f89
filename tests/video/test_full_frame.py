"""Full frames from a server: PNGs of every kind become the encoder's planes."""

from __future__ import annotations

import io
import struct
import zlib
from fractions import Fraction

import av
import numpy as np
import pytest
from av.filter import Graph
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from musetalk_fast.errors import FrameShapeError
from musetalk_fast.kernels.planes import ALPHA, LAYOUTS, Planes
from musetalk_fast.kernels.png import SIGNATURE, encode_png
from musetalk_fast.kernels.yuv import rgb_to_planes
from musetalk_fast.types import BT709, Picture
from musetalk_fast.video.full_frame import FullFrameCompositor
from musetalk_fast.wire.messages import FullFrame

FPS = Fraction(25)
SIZES = [(96, 80), (150, 66)]
"""FFmpeg's rows of the second are longer than its pixels."""


def _picture(width: int, height: int, shift: int = 0) -> Picture:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 2 + shift, y * 3, x + y], axis=2).astype(np.uint8)


def _frames(width: int, height: int, pix_fmt: str = "yuv420p") -> FullFrameCompositor:
    return FullFrameCompositor(width, height, pix_fmt, FPS, BT709)


def _planes(frame: av.VideoFrame) -> Planes:
    lines = [plane.line_size for plane in frame.planes]
    return Planes(LAYOUTS[frame.format.name], frame.width, frame.height, frame.planes, lines)


def _samples(frame: av.VideoFrame) -> list[NDArray[np.uint8]]:
    return [_planes(frame).samples(number).astype(np.uint8) for number in range(3)]


def _wanted(rgb: Picture, pix_fmt: str = "yuv420p") -> list[NDArray[np.uint8]]:
    frame = av.VideoFrame(rgb.shape[1], rgb.shape[0], pix_fmt)
    rgb_to_planes(rgb, _planes(frame))
    return _samples(frame)


def _full_frame(data: bytes, index: int = 0) -> FullFrame:
    return FullFrame(index=index, data=memoryview(data))


def _same(found: list[NDArray[np.uint8]], wanted: list[NDArray[np.uint8]]) -> bool:
    return all((a == b).all() for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "nv12"])
@pytest.mark.parametrize("size", SIZES)
def test_planes_are_those_of_the_picture(size: tuple[int, int], pix_fmt: str) -> None:
    frames = _frames(*size, pix_fmt)
    for index in range(3):
        rgb = _picture(*size, shift=17 * index)
        frame = frames.compose(_full_frame(encode_png(rgb), index), 40 + index)
        assert (frame.pts, frame.time_base) == (40 + index, 1 / FPS)
        assert _same(_samples(frame), _wanted(rgb, pix_fmt))


def test_alpha_is_the_avatars() -> None:
    """Whatever alpha the server's pictures have."""
    avatar = Planes.allocate(LAYOUTS["yuva420p"], 96, 80)
    alpha = avatar.samples(ALPHA)
    alpha[:] = np.arange(80, dtype=np.uint8)[:, None]
    frames = FullFrameCompositor(96, 80, "yuva420p", FPS, BT709, avatar=avatar)
    rgb = _picture(96, 80)
    for index in range(2):
        picture = Image.fromarray(np.dstack([rgb, np.full((80, 96), 7, np.uint8)]))
        frame = frames.compose(_full_frame(_saved(picture), index), index)
        assert _same(_samples(frame), _wanted(rgb))
        assert (_planes(frame).samples(ALPHA) == alpha).all()


def _saved(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "png", **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "LA", "P", "RGBA", "1"])
@pytest.mark.parametrize("size", SIZES)
def test_every_kind_of_png(size: tuple[int, int], mode: str) -> None:
    image = Image.fromarray(_picture(*size)).convert(mode)
    opaque = image.convert("L") if mode == "LA" else image
    frame = _frames(*size).compose(_full_frame(_saved(image)), 0)
    assert _same(_samples(frame), _wanted(np.asarray(opaque.convert("RGB"))))


def test_an_encoder_may_hold_a_frame() -> None:
    frames = _frames(96, 80)
    first = frames.compose(_full_frame(encode_png(_picture(96, 80))), 0)
    graph = Graph()  # it holds a reference as an encoder does
    source = graph.add_buffer(width=96, height=80, format="yuv420p", time_base=1 / FPS)
    sink = graph.add("buffersink")
    source.link_to(sink)
    graph.configure()
    source.push(first)
    frames.compose(_full_frame(encode_png(_picture(96, 80, shift=99))), 1)
    held = sink.pull()
    assert isinstance(held, av.VideoFrame)
    assert _same(_samples(held), _wanted(_picture(96, 80)))


def _chunk(name: bytes, body: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + checksum


GOOD = encode_png(_picture(96, 80))
BROKEN = {
    "nothing": b"",
    "not a PNG": b"\xff\xd8\xff\xe0" + bytes(100),
    "cut": GOOD[:-20],
    "cut in the header": GOOD[:30],
    "a flipped bit": GOOD[:100] + bytes([GOOD[100] ^ 1]) + GOOD[101:],
    "no pixels": GOOD[:33] + _chunk(b"IEND", b""),
    "pixels that are not deflated": GOOD[:33] + _chunk(b"IDAT", b"junk") + _chunk(b"IEND", b""),
    "another size": encode_png(_picture(96, 82)),
    "a bomb": SIGNATURE
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(bytes(1000)))
    + _chunk(b"IEND", b""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_picture_is_named_and_the_next_one_is_taken(name: str) -> None:
    frames = _frames(96, 80)
    with pytest.raises(FrameShapeError, match="frame 7"):
        frames.compose(_full_frame(BROKEN[name], 7), 7)
    assert _same(_samples(frames.compose(_full_frame(GOOD), 8)), _wanted(_picture(96, 80)))


def test_texts_and_profiles_never_reach_the_decoder() -> None:
    """They could inflate to any size; a broken one is ignored."""
    info = PngInfo()
    info.add_text("bomb", "x" * 100_000, zip=True)
    data = _saved(Image.fromarray(_picture(96, 80)), pnginfo=info)
    data = data[:33] + _chunk(b"iCCP", b"name\0\0junk") + data[33:]
    assert _same(_samples(_frames(96, 80).compose(_full_frame(data), 0)), _wanted(_picture(96, 80)))
