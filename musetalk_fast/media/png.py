"""What a PNG is made of, before a decoder sees it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

from musetalk_fast.errors import ImageFormatError

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
"""The chunks that make the pixels. FFmpeg would inflate texts and profiles too, to any size."""

_MAX_PIXEL_BYTES = 8
"""Four samples of 16 bits."""

_BLOCK = 1 << 20


class Chunk(NamedTuple):
    """A chunk: its type, its body, and the whole of it with length and checksum."""

    kind: bytes
    body: memoryview
    whole: memoryview


def chunks(data: bytes) -> Iterator[Chunk]:
    """The chunks of a PNG, as far as they are whole; nothing is copied."""
    view = memoryview(data)
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        stop = at + 12 + int.from_bytes(view[at : at + 4], "big")
        if stop > len(data):
            return
        yield Chunk(data[at + 4 : at + 8], view[at + 8 : stop - 4], view[at:stop])
        at = stop


def only_needed(data: bytes) -> bytes:
    """The PNG without the chunks that do not change its pixels."""
    return SIGNATURE + b"".join(each.whole for each in chunks(data) if each.kind in _NEEDED)


def check_whole(data: bytes, width: int, height: int) -> None:
    """Inflate the pixels once: FFmpeg gives black rows where whole IDAT chunks are missing.

    Raises:
        errors.ImageFormatError: damaged, cut, or far more than width x height pixels.
    """
    # Two more rows' worth of filter bytes cover the seven passes of an interlaced picture.
    left = (width * _MAX_PIXEL_BYTES + 2) * height + 64
    inflate = zlib.decompressobj()
    try:
        for chunk in chunks(data):
            rest: bytes | memoryview = chunk.body if chunk.kind == b"IDAT" else b""
            while rest and not inflate.eof:
                left -= len(inflate.decompress(rest, _BLOCK))
                rest = inflate.unconsumed_tail
                if left < 0:
                    raise ImageFormatError("the PNG holds more pixels than its header claims")
    except zlib.error as error:
        raise ImageFormatError(f"broken PNG: {error}") from error
    if not inflate.eof:
        raise ImageFormatError("the PNG is cut: pixels are missing")


def transparent_grey(data: bytes) -> int | None:
    """The 8-bit grey that a PNG of 1, 2 or 4-bit grey makes transparent: FFmpeg leaves it out."""
    depth, colour_type = data[24], data[25]
    if colour_type != 0 or depth >= 8:
        return None
    key = next((each.body for each in chunks(data) if each.kind == b"tRNS"), memoryview(b""))
    return int.from_bytes(key, "big") * 255 // ((1 << depth) - 1) if len(key) == 2 else None
