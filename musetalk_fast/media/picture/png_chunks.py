"""Ancillary chunks of a PNG (PNG, third edition, section 11.3)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from musetalk_fast.kernels.png import Chunk
from musetalk_fast.media.picture.colour_space import ColourSpace, of_code_points, of_gamma
from musetalk_fast.media.picture.colours import MAX_PROFILE
from musetalk_fast.media.picture.proportions import pixel_aspect

_KEPT = frozenset(
    (b"acTL", b"cHRM", b"cICP", b"eXIf", b"gAMA", b"iCCP", b"IDAT", b"pHYs", b"sRGB", b"tRNS")
)
_FFMPEG_PIECE = 4096
"""Bytes of an IDAT chunk of FFmpeg's, which writes the pixels' ratio into pHYs where the ratio of
densities belongs; other encoders have larger pieces."""


@dataclass(slots=True)
class Ancillary:
    """The first chunk of each kind, by its name."""

    first: dict[bytes, memoryview] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """Of an animation; 0 if it is none."""
        return int.from_bytes(self.first.get(b"acTL", b"")[:4], "big")

    @property
    def exif(self) -> bytes:
        """The Exif block; empty if there is none."""
        return bytes(self.first.get(b"eXIf", b""))

    @property
    def transparent(self) -> bytes:
        """The body of tRNS; empty if there is none."""
        return bytes(self.first.get(b"tRNS", b""))

    @property
    def profile(self) -> bytes | ColourSpace | None:
        """What the colours mean: cICP before iCCP before sRGB before gAMA and cHRM."""
        if b"cICP" in self.first:
            return _by_code_points(self.first[b"cICP"])
        if b"iCCP" in self.first:
            return _inflated(self.first[b"iCCP"])
        if b"sRGB" in self.first or not self.first.keys() & {b"gAMA", b"cHRM"}:
            return None
        try:
            return _by_gamma(self.first.get(b"gAMA"), self.first.get(b"cHRM"))
        except (struct.error, ValueError):
            return b""

    @property
    def aspect(self) -> float:
        """A pixel's width by its height."""
        body = self.first.get(b"pHYs", b"")
        if len(body) != 9:
            return 1.0
        across, down, unit = struct.unpack(">IIB", body)
        if unit == 0 and len(self.first.get(b"IDAT", b"")) == _FFMPEG_PIECE:
            across, down = down, across
        return pixel_aspect(across, down)


def read_ancillary(parts: Iterator[Chunk]) -> Ancillary:
    """Read to the end of a PNG; what is after its header is expected.

    Raises:
        PngError: damaged or cut short.
    """
    found = Ancillary()
    for name, body in parts:
        if name in _KEPT and name not in found.first:
            found.first[name] = body
    return found


def _inflated(body: memoryview) -> bytes:
    """A profile behind its name and a zero; empty if it is damaged or beyond its bound."""
    _, _, rest = bytes(body).partition(b"\0")
    stream = zlib.decompressobj()
    try:
        profile = stream.decompress(rest[1:], MAX_PROFILE)
    except zlib.error:
        return b""
    return profile if stream.eof else b""


def _by_code_points(body: memoryview) -> ColourSpace | bytes:
    if len(body) != 4 or body[2] != 0:
        return b""
    return of_code_points(body[0], body[1], is_narrow=body[3] == 0) or b""


def _by_gamma(gamma: memoryview | None, corners: memoryview | None) -> ColourSpace:
    """Both in units of 1/100,000."""
    exponent = None if gamma is None else struct.unpack(">I", gamma)[0] / 100_000
    if exponent is not None and not 0.1 <= exponent <= 10:
        raise ValueError("an exponent that no display has")
    points = struct.unpack(">8I", corners) if corners is not None else None
    return of_gamma(exponent, tuple(point / 100_000 for point in points) if points else None)
